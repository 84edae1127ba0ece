//! Every command that the documents print is run.
//!
//! A line `alice$ command` in a `console` block is run as alice, in the order
//! of the page, with the variables that earlier lines set. It must succeed, or,
//! where it ends in `# refused`, exit with 1 and say why. A line `$ make verb`
//! must be a verb of the Makefile.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use brevet_testkit::{Cluster, Output, Part, User, repository};

/// The pages with commands for people of the playground.
const PAGES: &[&str] = &["README.md", "docs/guide/first-elevation.md", "docs/guide/direct-door.md"];

#[derive(Debug, PartialEq, Eq)]
struct Line {
    who: String,
    command: String,
    is_refused: bool,
}

fn page(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// The commands of all `console` blocks.
fn lines(text: &str) -> Vec<Line> {
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.split_once("$ "));
    lines
        .map(|(who, command)| {
            let (command, comment) = command.split_once("  # ").unwrap_or((command, ""));
            Line { who: who.to_owned(), command: command.trim().to_owned(), is_refused: comment.trim() == "refused" }
        })
        .collect()
}

async fn run(user: &User, command: &str, variables: &BTreeMap<String, String>) -> Output {
    let mut bash = user.command("bash".as_ref(), &["-c", command]).unwrap();
    let output = bash.envs(variables).output().await.unwrap();
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What `brevet-dev up` prints of the direct door.
fn direct(cluster: &Cluster) -> BTreeMap<String, String> {
    let address = cluster.brevet().unwrap().replica(Part::Gateway).direct().unwrap();
    let ca = cluster.dir().join("pki/ca.crt").display().to_string();
    [("gateway", format!("https://{address}")), ("ca", ca)].map(|(name, value)| (name.to_owned(), value)).into()
}

/// `name=$(command)`: the name, and the command.
fn assignment(command: &str) -> Option<(&str, &str)> {
    let (name, rest) = command.split_once("=$(")?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    Some((name, rest.strip_suffix(')')?)).filter(|_| is_name)
}

#[tokio::test]
async fn every_command_of_the_pages_does_what_they_say() {
    let cluster = Cluster::shared().await;
    for name in PAGES {
        let mut variables = direct(cluster);
        let lines = lines(&page(name));
        assert!(!lines.is_empty(), "{name} has no commands");
        for line in lines {
            if line.who.is_empty() {
                continue;
            }
            let user = cluster.user(&line.who);
            let (variable, command) = match assignment(&line.command) {
                Some((variable, command)) => (Some(variable), command),
                None => (None, line.command.as_str()),
            };
            let output = run(&user, command, &variables).await;
            if line.is_refused {
                assert_eq!(output.status, 1, "{name}: `{}` should be refused: {output:?}", line.command);
                assert!(!output.stderr.is_empty(), "{name}: `{}` does not say why", line.command);
            } else {
                assert_eq!(output.status, 0, "{name}: `{}` should work: {output:?}", line.command);
            }
            if let Some(variable) = variable {
                let value = output.stdout.trim().to_owned();
                assert!(!value.is_empty(), "{name}: `{}` printed nothing", line.command);
                variables.insert(variable.to_owned(), value);
            }
        }
    }
}

#[test]
fn every_verb_the_pages_name_is_in_the_makefile() {
    let makefile = page("Makefile");
    let mut found = 0;
    for name in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "docs/guide/first-elevation.md"] {
        let text = page(name);
        for (at, _) in text.match_indices("make ") {
            let before = text[..at].chars().next_back();
            if !matches!(before, Some('`' | '\n') | Some(' '))
                || !(text[..at].ends_with('`') || text[..at].ends_with("$ ") || text[..at].ends_with("```sh\n"))
            {
                continue;
            }
            let verb: String = text[at + 5..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            assert!(makefile.contains(&format!("\n{verb}:")), "{name}: `make {verb}` does not exist");
            found += 1;
        }
    }
    assert!(found >= 4, "the verbs were not found");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages: Vec<std::path::PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/threat-model.md"]
            .iter()
            .map(|name| repository().join(name))
            .collect();
    for folder in ["docs/guide", "docs/spec"] {
        pages.extend(std::fs::read_dir(repository().join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(page.parent().unwrap().join(file).exists(), "{}: `{target}` leads nowhere", page.display());
            }
        }
    }
}

#[test]
fn every_role_that_ships_is_in_the_guide() {
    let guide = page("docs/guide/roles.md");
    let mut roles = 0;
    for entry in std::fs::read_dir(repository().join("deploy/catalogue")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let field = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
            line.trim().trim_end_matches('.').to_owned()
        };
        let row = guide.lines().find(|line| line.starts_with(&format!("| `{}` |", field("name:"))));
        let row = row.unwrap_or_else(|| panic!("`{}` is not in the guide", field("name:")));
        for told in [
            field("description:"),
            format!("{}: ", field("risk:")),
            format!("{} / {}", field("defaultDuration:"), field("maxDuration:")),
        ] {
            assert!(row.contains(&told), "the guide's row of `{}` does not say `{told}`", field("name:"));
        }
        roles += 1;
    }
    assert!(roles >= 13);
}
