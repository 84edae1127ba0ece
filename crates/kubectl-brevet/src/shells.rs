//! The user's shell, with a prompt that says through which grant it goes.
//!
//! Promises: the user's own start files are read first and stay as they are; the mark holds a name
//! that is only letters, digits, `-` and `.`, so nothing in it is run.
//!
//! Left out on purpose: shells beyond bash, zsh, fish and the POSIX ones; they start without a mark.

use std::env;
use std::path::Path;

use tokio::process::Command;

use crate::grant_file::write_text;
use crate::print;
use crate::problem::Problem;

/// The command that starts the user's shell for grant `name`; its start file goes into `folder`.
pub(crate) fn marked(folder: &Path, name: &str) -> Result<Command, Problem> {
    let shell = env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
    let kind = Path::new(&shell).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut command = Command::new(&shell);
    if !print::can_ask() {
        // A script on standard input sees no prompt.
        return Ok(command);
    }
    match kind.as_str() {
        "bash" => {
            let start = format!("[ -f ~/.bashrc ] && . ~/.bashrc\nPS1=\"(brevet {name}) $PS1\"\n");
            command.arg("--rcfile").arg(write_text(folder, &format!("{name}.bashrc"), &start)?).arg("-i");
        }
        "zsh" => {
            let home = env::var("ZDOTDIR").unwrap_or_else(|_| "$HOME".to_owned());
            let start = format!(
                "ZDOTDIR={home}\n[ -f \"$ZDOTDIR/.zshrc\" ] && . \"$ZDOTDIR/.zshrc\"\nPROMPT=\"(brevet {name}) $PROMPT\"\n"
            );
            let folder = folder.join(format!("{name}.zsh"));
            write_text(&folder, ".zshrc", &start)?;
            command.env("ZDOTDIR", folder).arg("-i");
        }
        "fish" => {
            let start = format!(
                "functions -q fish_prompt; and functions -c fish_prompt brevet_own_prompt; \
                 function fish_prompt; echo -n '(brevet {name}) '; brevet_own_prompt; end"
            );
            command.args(["-i", "-C"]).arg(start);
        }
        "sh" | "dash" | "ksh" | "ash" => {
            command.env("PS1", format!("(brevet {name}) $ ")).arg("-i");
        }
        _ => {}
    }
    Ok(command)
}
