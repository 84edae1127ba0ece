//! Terms as a person reads them before agreeing.
//!
//! Promises: everything the digest covers is shown; everything that others wrote is plain; rules are
//! shown whole, one per line, never summed up.
//!
//! Left out on purpose: the digest itself; see `attest`, which shows terms it has computed it from.

use brevet_api::{Dropped, ReviewStatus, Rule, TermsBlock};
use jiff::Timestamp;

use crate::asked::typed;
use crate::plain::plain;
use crate::print;
use crate::spans;

/// One line: a label, and what it says.
pub(crate) fn line(label: &str, text: &str) -> String {
    format!("{label:<12}{text}")
}

/// A heading and the rules under it; companions, if any, under their own.
pub(crate) fn rules_table(heading: &str, terms: &TermsBlock) -> String {
    let mut text = format!("{heading}:\n{}", rules(&terms.rules));
    if !terms.companions.is_empty() {
        text.push_str(&format!("\nand, not narrowed to names (companions):\n{}", rules(&terms.companions)));
    }
    text
}

/// Rules as a table, indented by two.
pub(crate) fn rules(rules: &[Rule]) -> String {
    if rules.is_empty() {
        return "  (nothing)".to_owned();
    }
    let rows = rules.iter().map(row).collect::<Vec<_>>();
    let table = print::table(&["VERBS", "RESOURCES", "NAMES"], &rows);
    table.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn row(rule: &Rule) -> Vec<String> {
    let resources = rule
        .api_groups
        .iter()
        .flat_map(|group| rule.resources.iter().map(|resource| typed(group, resource)))
        .collect::<Vec<_>>();
    let names =
        if rule.resource_names.is_empty() { "(all)".to_owned() } else { plain(&rule.resource_names.join(", ")) };
    vec![plain(&rule.verbs.join(", ")), plain(&resources.join(", ")), names]
}

/// What was asked for and is left out, and why.
pub(crate) fn dropped_lines(dropped: &[Dropped]) -> Vec<String> {
    dropped
        .iter()
        .map(|left_out| {
            let what = typed(&left_out.api_group, &left_out.resource);
            let verbs =
                if left_out.verbs.is_empty() { String::new() } else { format!("{} on ", left_out.verbs.join(", ")) };
            plain(&format!("left out: {verbs}{what}: {}", left_out.why))
        })
        .collect()
}

/// Who was not asked, and the review: done, or due by whom until when.
pub(crate) fn review_lines(review: &ReviewStatus, now: Timestamp) -> Vec<String> {
    let mut lines: Vec<String> = review.skipped.iter().map(|stage| line("Skipped", &plain(stage))).collect();
    lines.push(match &review.by {
        Some(by) => line("Review", &plain(&format!("by {}, {}", by.approver, spans::utc(by.time.0)))),
        None => {
            let who = match review.reviewers.as_slice() {
                [] => "a holder of approve".to_owned(),
                some => some.iter().map(|one| format!("{} {}", one.kind, one.name)).collect::<Vec<_>>().join(", "),
            };
            line("Review", &plain(&format!("due until {}, by {who}", spans::utc_and_distance(review.due.0, now))))
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_shown_whole() {
        let rule = Rule {
            api_groups: vec!["".into(), "apps".into()],
            resources: vec!["pods".into(), "deployments/scale".into()],
            verbs: vec!["get".into(), "patch".into()],
            resource_names: vec!["web\u{202e}".into()],
        };
        let table = rules(&[rule]);
        let lines = table.lines().map(|line| line.split("   ").map(str::trim).collect::<Vec<_>>());
        let cells = lines.map(|cells| cells.into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>());
        assert_eq!(
            cells.collect::<Vec<_>>(),
            [
                vec!["VERBS", "RESOURCES", "NAMES"],
                vec!["get, patch", "pods, deployments/scale, pods.apps, deployments.apps/scale", "web\\u{202e}"],
            ]
        );
    }
}
