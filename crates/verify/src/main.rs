//! `brevet-verify`: checks an export of the audit log, offline.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use brevet_verify::{CannotCheck, Trust, verify};
use clap::{Parser, ValueEnum};

/// Check that an export of Brevet's audit log is whole
///
/// Nothing was changed, removed, reordered or cut off: or the first entry where it was is named.
/// Needs no network and no cluster.
#[derive(Debug, Parser)]
#[command(
    name = "brevet-verify",
    version,
    after_help = "Exit codes: 0 whole, 1 something is wrong, 2 it could not be checked.\n\n\
                  Example: brevet-verify ./export --key audit.pub"
)]
struct Options {
    /// The folder of the export.
    #[arg(value_name = "PATH")]
    folder: PathBuf,
    /// Public keys whose signatures count; without it the export's own do, and the verdict says so.
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Checkpoints kept elsewhere: with them, an old copy of the log is no whole log.
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// How the verdict is told.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

fn main() -> ExitCode {
    let Options { folder, keys, checkpoints, output } = Options::parse();
    let verdict = match verify(&folder, &Trust { keys, checkpoints }) {
        Ok(verdict) => verdict,
        Err(error) => {
            tell(&error);
            return ExitCode::from(2);
        }
    };
    let told = match output {
        Output::Text => verdict.to_string(),
        Output::Json => format!("{:#}", verdict.json()),
    };
    // A reader that went away, such as `head`, has seen enough; the code still tells.
    writeln!(std::io::stdout(), "{told}").ok();
    ExitCode::from(u8::from(!verdict.is_whole()))
}

fn tell(error: &CannotCheck) {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    writeln!(std::io::stderr(), "error: not checked: {error}{source}").ok();
}
