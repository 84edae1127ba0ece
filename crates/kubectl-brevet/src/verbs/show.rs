//! `get`: one request: terms, approvals, window, history.

use brevet_api::{Condition, Phase};
use jiff::Timestamp;
use owo_colors::OwoColorize as _;

use super::{Code, DONE};
use crate::cli::{Format, GetArgs};
use crate::clock::now;
use crate::cluster::Cluster;
use crate::entry::{Entry, namespaces, review};
use crate::plain::plain;
use crate::print;
use crate::sheet::{dropped_lines, line, review_lines, rules_table};
use crate::spans;

pub(super) async fn run(cluster: &Cluster, args: &GetArgs) -> anyhow::Result<Code> {
    let request = cluster.request(&args.name).await?;
    let grant = cluster.grant_of(&request).await?;
    let entry = Entry::new(request, grant);
    match args.output.format() {
        Format::Json => print::result(&print::json(&entry)?)?,
        Format::Yaml => print::result(&print::yaml(&entry)?)?,
        Format::Name => print::result(&entry.qualified_name())?,
        format => print::result(&page(&entry, format == Format::Wide, now()))?,
    }
    Ok(DONE)
}

/// Everything about the request, for people.
fn page(entry: &Entry, wide: bool, now: Timestamp) -> String {
    let spec = &entry.request.spec;
    let mut lines = vec![
        line("Request", &plain(entry.name()).bold().to_string()),
        line("Phase", &phase(entry, now)),
        line("Requester", &requester(entry, wide)),
        line("Role", &plain(&spec.role)),
        line("Where", &namespaces(where_(entry))),
        line("Reason", &plain(&spec.justification)),
    ];
    if let Some(ticket) = &spec.ticket {
        lines.push(line("Ticket", &plain(ticket)));
    }
    if let Some(urgency) = spec.urgency {
        lines.push(line("Urgency", urgency.as_str()));
    }
    let status = entry.request.status.clone().unwrap_or_default();
    if let Some(terms) = &status.terms {
        lines.push(line("For", &plain(&terms.duration)));
        lines.push(line("Delivery", terms.delivery.as_str()));
        let narrowed = status.conditions.iter().filter(|condition| condition.type_ == "Narrowed");
        lines.extend(narrowed.map(|condition| line("Narrowed", &plain(&condition.message))));
        lines.push(String::new());
        lines.push(rules_table("It gives", terms));
        lines.extend(dropped_lines(&status.dropped));
        if wide {
            lines.push(line("Digest", &plain(&terms.digest)));
        }
    }
    lines.extend(approvals(entry));
    lines.extend(review(&entry.request).into_iter().flat_map(|review| review_lines(review, now)));
    lines.push(String::new());
    lines.push("History:".to_owned());
    lines.extend(history(entry).into_iter().map(|(at, what)| format!("  {}   {what}", spans::utc(at))));
    lines.join("\n")
}

/// The namespaces of the terms, which may have been narrowed; before there are any, those asked for.
fn where_(entry: &Entry) -> &[String] {
    let terms = entry.request.status.as_ref().and_then(|status| status.terms.as_ref());
    terms.map_or(&entry.request.spec.namespaces, |terms| &terms.namespaces)
}

fn phase(entry: &Entry, now: Timestamp) -> String {
    let phase = entry.phase();
    let coloured = match phase {
        Phase::Active => phase.green().to_string(),
        Phase::Pending | Phase::Approved => phase.yellow().to_string(),
        Phase::Denied | Phase::Revoked | Phase::Revoking => phase.red().to_string(),
        Phase::Withdrawn | Phase::Expired => phase.dimmed().to_string(),
    };
    match (phase, entry.until(), entry.starts(now), entry.ended_at()) {
        (Phase::Approved, Some(until), Some(start), _) => {
            format!("{coloured}, from {} until {}", spans::utc_and_distance(start, now), spans::utc(until))
        }
        (Phase::Active | Phase::Approved, Some(until), _, _) => {
            format!("{coloured} until {}", spans::utc_and_distance(until, now))
        }
        (_, _, _, Some(ended)) => format!("{coloured}, ended {}", spans::utc_and_distance(ended, now)),
        _ => coloured,
    }
}

fn requester(entry: &Entry, wide: bool) -> String {
    let requester = &entry.request.spec.requester;
    if wide && !requester.groups.is_empty() {
        return plain(&format!("{} (groups {})", requester.username, requester.groups.join(", ")));
    }
    plain(&requester.username)
}

fn approvals(entry: &Entry) -> Vec<String> {
    let stages = entry.request.status.iter().flat_map(|status| &status.stages);
    stages
        .map(|stage| {
            let names = stage.approvals.iter().map(|approval| plain(&approval.approver)).collect::<Vec<_>>();
            let who = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            line("Approvals", &format!("{} of {} ({}){who}", names.len(), stage.required, plain(&stage.name)))
        })
        .collect()
}

/// What happened, oldest first: what was asked, what the controller wrote, who approved.
fn history(entry: &Entry) -> Vec<(Timestamp, String)> {
    let requester = plain(&entry.request.spec.requester.username);
    let created = entry.request.metadata.creation_timestamp.as_ref().map(|at| (at.0, format!("asked by {requester}")));
    let approvals = entry.request.status.iter().flat_map(|status| &status.stages).flat_map(|stage| &stage.approvals);
    let approved = approvals.map(|approval| (approval.time.0, format!("approved by {}", plain(&approval.approver))));
    let mut conditions = entry.conditions();
    // Request and grant tell the same end, each in its own status.
    let word = |condition: &&Condition| (condition.reason.clone(), condition.message.clone());
    conditions.dedup_by_key(|condition| word(condition));
    if entry.request.status.iter().flat_map(|status| &status.stages).any(|stage| !stage.approvals.is_empty()) {
        // Who approved, and when, is told already.
        conditions.retain(|condition| condition.type_ != "Approved");
    }
    let (first, later): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|condition| condition.type_ == "Evaluated");
    let first = first.into_iter().map(told);
    let later = later.into_iter().map(told);
    let mut events = created.into_iter().chain(first).chain(approved).chain(later).collect::<Vec<_>>();
    // Stable: within a second things stand in the order in which they can only have happened.
    events.sort_by_key(|(at, _)| *at);
    events
}

fn told(condition: &Condition) -> (Timestamp, String) {
    let message = if condition.message.is_empty() { String::new() } else { format!(": {}", condition.message) };
    let reason = if condition.reason == condition.type_ { String::new() } else { format!(" ({})", condition.reason) };
    (condition.last_transition_time.0, plain(&format!("{}{reason}{message}", condition.type_)))
}
