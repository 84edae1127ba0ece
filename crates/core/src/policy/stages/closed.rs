//! Whether stages can be filled at all, where every approver is named.
//!
//! Promises: one-sided, as far as names tell. A stage that is open to a group,
//! or to whoever holds the verb, is taken to have people enough.

use std::collections::BTreeSet;

use super::super::SubjectRef;
use super::{Approval, Stage, matching::assign};

/// Why the stages can never all be filled, if that is plain to see: everybody counts once.
pub(in crate::policy) fn cannot_be_filled(approval: &Approval) -> Option<String> {
    let closed: Vec<&Stage> = approval.stages.iter().filter(|stage| is_closed(stage)).collect();
    let people: BTreeSet<&SubjectRef> = closed.iter().flat_map(|stage| named(stage)).collect();
    let voices: Vec<(usize, Vec<usize>)> = people
        .iter()
        .enumerate()
        .map(|(human, one)| {
            let stands_for = closed.iter().enumerate().filter(|(_, stage)| named(stage).any(|other| other == *one));
            (human, stands_for.map(|(at, _)| at).collect())
        })
        .collect();
    let required: Vec<usize> = closed.iter().map(|stage| stage.required as usize).collect();
    let seated = assign(&required, voices.iter().map(|(human, stages)| (*human, stages.as_slice())));
    let filled = seated.iter().flatten().count();
    let needed: usize = required.iter().sum();
    // One stage alone that names too few is a finding of its own.
    let is_each = closed.iter().all(|stage| named(stage).collect::<BTreeSet<_>>().len() >= stage.required as usize);
    (is_each && filled < needed).then(|| {
        let names: Vec<String> = closed.iter().map(|stage| format!("`{}`", stage.name)).collect();
        format!(
            "stages {} take {needed} people, everybody counts once, and those they name fill {filled}; name more",
            names.join(", ")
        )
    })
}

fn is_closed(stage: &Stage) -> bool {
    !stage.approvers.is_empty() && !named(stage).any(|one| matches!(one, SubjectRef::Group(_)))
}

fn named(stage: &Stage) -> impl Iterator<Item = &SubjectRef> {
    stage.approvers.iter().chain(&stage.escalate_to)
}
