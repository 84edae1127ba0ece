//! Views as kubectl prints them: `Table` objects.
//!
//! Promises: columns follow the custom resources' own; text from people goes
//! into cells as it is, and kubectl escapes it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::shelf::{Object, Shown};
use crate::gateway::route::View;

/// How much of the object each row carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Whole,
}

/// A table of `rows`; `with_columns` is false for all but the first event of a watch.
pub(super) fn table(
    view: View,
    rows: &[&Shown],
    include: Include,
    version: &str,
    with_columns: bool,
    now: Timestamp,
) -> Value {
    let columns: Vec<Value> = if with_columns { columns(view) } else { Vec::new() };
    let rows: Vec<Value> = rows.iter().map(|shown| row(shown, include, now)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn columns(view: View) -> Vec<Value> {
    let (names, wide): (&[&str], &[&str]) = match view {
        View::Requests => {
            (&["Name", "Requester", "Role", "Namespaces", "For", "Phase", "Age"], &["Urgency", "Ticket", "Why"])
        }
        View::Grants => (&["Name", "Holder", "Role", "Namespaces", "Phase", "Until", "Age"], &["From"]),
    };
    let column = |name: &&str, priority: u8| {
        let format = if *name == "Name" { "name" } else { "" };
        json!({"name": name, "type": "string", "format": format, "description": "", "priority": priority})
    };
    names.iter().map(|name| column(name, 0)).chain(wide.iter().map(|name| column(name, 1))).collect()
}

fn row(shown: &Shown, include: Include, now: Timestamp) -> Value {
    let (cells, metadata, whole) = match &shown.object {
        Object::Request(request) => {
            let status = request.status.as_ref();
            let duration = status.and_then(|status| status.terms.as_ref()).map(|terms| terms.duration.clone());
            let cells = json!([
                shown.name,
                shown.owner.username,
                shown.role,
                namespaces(shown),
                duration.or_else(|| request.spec.duration.clone()).unwrap_or_default(),
                status.and_then(|status| status.phase).map_or("", |phase| phase.as_str()),
                age(request.metadata.creation_timestamp.as_ref().map(|time| time.0), now),
                request.spec.urgency.map_or("Normal", |urgency| urgency.as_str()),
                request.spec.ticket.clone().unwrap_or_default(),
                request.spec.justification,
            ]);
            (cells, &request.metadata, json!(request))
        }
        Object::Grant(grant) => {
            let phase = grant.status.as_ref().and_then(|status| status.phase);
            let cells = json!([
                shown.name,
                shown.owner.username,
                shown.role,
                namespaces(shown),
                phase.map_or("", |phase| phase.as_str()),
                grant.spec.not_after,
                age(grant.metadata.creation_timestamp.as_ref().map(|time| time.0), now),
                grant.spec.not_before,
            ]);
            (cells, &grant.metadata, json!(grant))
        }
    };
    let object = match include {
        Include::None => Value::Null,
        Include::Metadata => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        }
        Include::Whole => whole,
    };
    json!({"cells": cells, "object": object})
}

fn namespaces(shown: &Shown) -> String {
    if shown.namespaces.is_empty() { "*".to_owned() } else { shown.namespaces.join(",") }
}

/// As kubectl writes ages, in its largest unit.
fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else { return "<unknown>".to_owned() };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let then: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let after = |seconds| age(Some(then), then + jiff::SignedDuration::from_secs(seconds));
        assert_eq!([after(-5), after(7), after(125), after(7_300), after(200_000)], ["0s", "7s", "2m", "2h", "2d"]);
        assert_eq!(age(None, then), "<unknown>");
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        assert_eq!(columns(View::Requests).len(), 10);
        assert_eq!(columns(View::Grants).len(), 8);
    }
}
