//! `policy test`: cases against what the policies say of them.

use std::fs;

use super::{Code, NO, show};
use crate::cli::TestArgs;
use crate::plain::plain;
use crate::print;
use crate::problem::Problem;
use crate::trial::junit::junit;
use crate::trial::material::Material;
use crate::trial::report::report;
use crate::trial::setting::Setting;
use crate::verbs::DONE;

pub(super) fn run(args: &TestArgs) -> anyhow::Result<Code> {
    let material = Material::read(&args.files)?;
    if material.tests.is_empty() {
        let problem = Problem::failed("there is nothing to try: no file holds a PolicyTest").next(
            "write one as docs/guide/policies.md shows, or look at the policies: kubectl brevet policy lint FILE",
        );
        return Err(problem.into());
    }
    let setting = Setting::new(&material)?;
    let report = report(&material, &setting)?;
    for policy in setting.policies.iter() {
        if let Some(fault) = &policy.fault {
            print::say(&plain(&format!("policy `{}` would not be accepted, and denies: {fault}", policy.name)));
        }
    }
    if let Some(file) = &args.junit {
        fs::write(file, junit(&report))
            .map_err(|error| Problem::failed(format!("cannot write `{}`", file.display())).why(error.to_string()))?;
    }
    show(args.output.format(), &report, || report.text())?;
    Ok(if report.failed().next().is_none() { DONE } else { NO })
}
