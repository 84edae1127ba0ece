//! `policy diff`: whose outcome changes from some policies to others.

use std::path::{Path, PathBuf};

use brevet_core::policy::Ruling;
use brevet_core::reason::Reason;
use kube::ResourceExt as _;
use serde::Serialize;

use super::{Code, NO, show};
use crate::cli::DiffArgs;
use crate::plain::plain;
use crate::print;
use crate::problem::{Outcome, Problem};
use crate::trial::answer::{Answer, of_case, of_past};
use crate::trial::material::Material;
use crate::trial::setting::Setting;
use crate::trial::shape::Fault;
use crate::verbs::DONE;

/// What changes, for programs.
#[derive(Serialize)]
struct Changes {
    changes: Vec<Change>,
    /// Requests whose outcome stays.
    same: usize,
    /// Requests of which it cannot be told, and why.
    untold: Vec<Untold>,
}

#[derive(Serialize)]
struct Change {
    request: String,
    who: String,
    role: String,
    old: String,
    new: String,
}

#[derive(Serialize)]
struct Untold {
    request: String,
    why: String,
}

pub(super) fn run(args: &DiffArgs) -> anyhow::Result<Code> {
    let asked = Material::read(&args.requests)?;
    if asked.requests.is_empty() && asked.tests.is_empty() {
        return Err(Problem::failed("there is nothing to replay: no AccessRequest and no PolicyTest").into());
    }
    let (old, new) = (world(args, &args.old)?, world(args, &args.new)?);
    let changes = changes(&asked, &old, &new)?;
    show(args.output.format(), &changes, || text(&changes))?;
    if !changes.untold.is_empty() {
        for one in &changes.untold {
            print::say(&plain(&format!("cannot be told of `{}`: {}", one.request, one.why)));
        }
        print::say(
            "give the namespaces too: kubectl get namespaces -o json > namespaces.json, then --with namespaces.json",
        );
    }
    Ok(match (changes.changes.is_empty(), changes.untold.is_empty()) {
        (false, _) => NO,
        (true, true) => DONE,
        (true, false) => Outcome::Failed.code(),
    })
}

/// The policies of one side, in the world that both share.
fn world(args: &DiffArgs, policies: &Path) -> Result<Setting, Problem> {
    let context: Vec<PathBuf> = args.with.iter().chain(&args.requests).cloned().collect();
    Setting::new(&Material::read_among(&[policies.to_owned()], &context)?)
}

fn changes(asked: &Material, old: &Setting, new: &Setting) -> Result<Changes, Problem> {
    let mut found = Changes { changes: Vec::new(), same: 0, untold: Vec::new() };
    let unusable = |name: &str, fault: &Fault| {
        Problem::failed(format!("`{name}` cannot be replayed")).why(format!("{} {}", fault.path, fault.message))
    };
    for request in &asked.requests {
        let name = request.name_any();
        let answer = |setting: &Setting| of_past(setting, request).map_err(|fault| unusable(&name, &fault));
        note(&mut found, &name, &answer(old)?, &answer(new)?);
    }
    for (source, test) in &asked.tests {
        for case in &test.cases {
            let name = format!("{source}: {}", case.name);
            let (given, when) = (case.given.and(&test.given), case.when.or(&test.when));
            let answer = |setting: &Setting| of_case(setting, &given, &when).map_err(|fault| unusable(&name, &fault));
            note(&mut found, &name, &answer(old)?, &answer(new)?);
        }
    }
    Ok(found)
}

fn note(found: &mut Changes, name: &str, old: &Answer, new: &Answer) {
    if let Some(unseen) = [old, new].into_iter().find(|answer| answer.reason() == Some(Reason::Stale)) {
        found.untold.push(Untold { request: name.to_owned(), why: unseen.outcome.to_string() });
    } else if is_same(&old.outcome.ruling, &new.outcome.ruling) {
        found.same += 1;
    } else {
        found.changes.push(Change {
            request: name.to_owned(),
            who: old.request.requester.username.clone(),
            role: old.request.role.clone(),
            old: brief(old),
            new: brief(new),
        });
    }
}

/// Whether the requester gets the same: by which rule, and in which words they are told, may differ.
fn is_same(old: &Ruling, new: &Ruling) -> bool {
    match (old, new) {
        (Ruling::Deny(old), Ruling::Deny(new)) => old.reason == new.reason,
        (old, new) => old == new,
    }
}

fn brief(answer: &Answer) -> String {
    let what = match &answer.outcome.ruling {
        Ruling::Approve => "granted at once".to_owned(),
        Ruling::RequireApproval(approval) => format!("takes {approval}"),
        Ruling::BreakGlass(terms) => format!("granted at once, reviewed within `{}`", terms.review_within),
        Ruling::Deny(refusal) => format!("denied: {}", refusal.reason),
    };
    match &answer.outcome.by {
        Some(by) => format!("{what} ({}/{})", by.policy, by.rule),
        None => what,
    }
}

fn text(changes: &Changes) -> String {
    let mut lines = Vec::new();
    for one in &changes.changes {
        lines.push(plain(&format!("{}: {} of {}", one.request, one.role, one.who)));
        lines.push(plain(&format!("  - {}", one.old)));
        lines.push(plain(&format!("  + {}", one.new)));
    }
    lines.push(format!("{} outcomes change, {} stay", changes.changes.len(), changes.same));
    lines.join("\n")
}
