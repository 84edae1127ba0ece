//! What was expected of a case against what came of it.
//!
//! Promises: only what was written down is compared, and every difference is told.

use brevet_core::reason::Reason;

use super::answer::{Answer, named};
use super::case::{Expect, ExpectStage, Given};
use super::shape::Fault;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// Every difference; an expectation that makes no sense is a fault of its own.
pub(crate) fn compare(expect: &Expect, answer: &Answer, given: &Given) -> Result<Vec<Difference>, Fault> {
    let mut found = Vec::new();
    let mut same = |field: &str, expected: &str, got: &str| {
        if expected != got {
            found.push(Difference { field: field.to_owned(), expected: expected.to_owned(), got: got.to_owned() });
        }
    };
    same("effect", expect.effect.as_str(), answer.effect().as_str());
    let by = answer.outcome.by.as_ref();
    if let Some(policy) = &expect.policy {
        same("policy", policy, by.map_or("none", |by| by.policy.as_str()));
    }
    if let Some(rule) = &expect.rule {
        same("rule", rule, by.map_or("none", |by| by.rule.as_str()));
    }
    if let Some(reason) = &expect.reason {
        if Reason::parse(reason).is_none() {
            let message = format!("there is no reason `{reason}`");
            return Err(Fault { path: "expect.reason".to_owned(), message });
        }
        same("reason", reason, answer.reason().map_or("none", Reason::as_str));
    }
    let told = answer.outcome.to_string();
    if let Some(part) = expect.message.as_ref().filter(|part| !told.contains(part.as_str())) {
        same("message", &format!("… {part} …"), &told);
    }
    if let Some(state) = expect.state {
        let got = answer.standing.as_ref().map(|standing| format!("{:?}", standing.state));
        same("state", &format!("{state:?}"), got.as_deref().unwrap_or("nobody is asked"));
    }
    if let Some(stages) = &expect.stages {
        found.extend(compare_stages(stages, answer, given)?);
    }
    Ok(found)
}

fn compare_stages(expected: &[ExpectStage], answer: &Answer, given: &Given) -> Result<Vec<Difference>, Fault> {
    let mut found = Vec::new();
    let stages = answer.approval().map(|approval| approval.stages.as_slice()).unwrap_or_default();
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let mut same = |field: String, expected: String, got: String| {
        if expected != got {
            found.push(Difference { field, expected, got });
        }
    };
    let names = (
        sorted(expected.iter().map(|stage| stage.name.as_str()).collect()),
        sorted(stages.iter().map(|stage| stage.name.as_str()).collect()),
    );
    same("stages".to_owned(), names.0, names.1);
    for (at, wanted) in expected.iter().enumerate() {
        let Some(stage) = stages.iter().find(|stage| stage.name == wanted.name) else { continue };
        let field = |what: &str| format!("stage `{}` {what}", wanted.name);
        if let Some(required) = wanted.required {
            same(field("takes"), required.to_string(), stage.required.to_string());
        }
        let (yes, no) = ("may decide", "may not decide");
        for (list, all, word) in [("may", &wanted.may, yes), ("mayNot", &wanted.may_not, no)] {
            for (place, who) in all.iter().enumerate() {
                let who = named(given, &format!("expect.stages[{at}].{list}[{place}]"), who)?;
                let got = if answer.may(stage, &who) { yes } else { no };
                same(field(&format!("`{}`", who.username)), word.to_owned(), got.to_owned());
            }
        }
        if let Some(by) = &wanted.filled_by {
            let filled = answer.standing.iter().flat_map(|standing| &standing.filled);
            let got = filled.filter(|(name, _)| *name == wanted.name).flat_map(|(_, by)| by);
            let (by, got) = (by.iter().map(String::as_str).collect(), got.map(String::as_str).collect());
            same(field("is filled by"), sorted(by), sorted(got));
        }
    }
    Ok(found)
}
