//! `policy`: what the author of policies asks before they are merged. No cluster is asked.

mod diff;
mod lint;
mod test;

use serde::Serialize;

use super::Code;
use crate::cli::{Format, PolicyArgs, PolicyVerb};
use crate::print;

/// The answer was no: a case failed, a policy is wrong, an outcome changes.
const NO: Code = 1;

pub(super) fn run(args: &PolicyArgs) -> anyhow::Result<Code> {
    match &args.verb {
        PolicyVerb::Test(args) => test::run(args),
        PolicyVerb::Lint(args) => lint::run(args),
        PolicyVerb::Diff(args) => diff::run(args),
    }
}

/// A result for programs, or `text` for people.
fn show(format: Format, value: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    match format {
        Format::Json => print::result(&print::json(value)?),
        Format::Yaml => print::result(&print::yaml(value)?),
        Format::Table | Format::Wide | Format::Name => print::result(&text()),
    }
}
