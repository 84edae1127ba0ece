//! What the flags of `request` and `explain` ask for, as the wire says it.
//!
//! Promises: flags are a union; the same type named twice becomes one entry with both names; what
//! cannot be read is refused here, before anything is sent.
//!
//! Left out on purpose: whether the role covers it, which the server decides, and short names of
//! custom resources: a type outside the table is taken as its plural name.

use brevet_api::sessions::EvaluationSpec;
use brevet_api::{Delivery, NarrowBlock, ResourceAsk, Urgency};
use jiff::Timestamp;

use crate::cli::{AskArgs, DeliveryWord, NarrowArgs, UrgencyWord};
use crate::problem::Problem;

/// Short, singular and plural words people type, with the type they mean.
const TYPES: [(&[&str], &str, &str); 19] = [
    (&["po", "pod", "pods"], "", "pods"),
    (&["svc", "service", "services"], "", "services"),
    (&["cm", "configmap", "configmaps"], "", "configmaps"),
    (&["secret", "secrets"], "", "secrets"),
    (&["no", "node", "nodes"], "", "nodes"),
    (&["ns", "namespace", "namespaces"], "", "namespaces"),
    (&["ev", "event", "events"], "", "events"),
    (&["ep", "endpoints"], "", "endpoints"),
    (&["pvc", "persistentvolumeclaim", "persistentvolumeclaims"], "", "persistentvolumeclaims"),
    (&["pv", "persistentvolume", "persistentvolumes"], "", "persistentvolumes"),
    (&["deploy", "deployment", "deployments"], "apps", "deployments"),
    (&["rs", "replicaset", "replicasets"], "apps", "replicasets"),
    (&["sts", "statefulset", "statefulsets"], "apps", "statefulsets"),
    (&["ds", "daemonset", "daemonsets"], "apps", "daemonsets"),
    (&["job", "jobs"], "batch", "jobs"),
    (&["cj", "cronjob", "cronjobs"], "batch", "cronjobs"),
    (&["hpa", "horizontalpodautoscaler", "horizontalpodautoscalers"], "autoscaling", "horizontalpodautoscalers"),
    (&["ing", "ingress", "ingresses"], "networking.k8s.io", "ingresses"),
    (&["netpol", "networkpolicy", "networkpolicies"], "networking.k8s.io", "networkpolicies"),
];

/// The longest justification (design §4).
const JUSTIFICATION_CHARS_MAX: usize = 1024;

/// The question that the flags put; namespaces are chosen by the caller, who knows the role's scope.
pub(crate) fn question(ask: &AskArgs, reason: &str) -> Result<EvaluationSpec, Problem> {
    check_reason(reason)?;
    Ok(EvaluationSpec {
        role: ask.role.clone(),
        namespaces: Vec::new(),
        resources: resources(ask)?,
        duration: ask.duration.clone(),
        start_at: ask.start_at.as_deref().map(instant).transpose()?,
        justification: reason.to_owned(),
        urgency: ask.urgency.map(urgency),
        ticket: ask.ticket.clone(),
        delivery: ask.delivery.map(delivery),
    })
}

/// What the flags leave of the terms; `None`: all of them.
pub(crate) fn narrowed(args: &NarrowArgs) -> Result<Option<NarrowBlock>, Problem> {
    let Some(left) = args.left() else {
        return Ok(None);
    };
    let question = question(&left, "")?;
    if let Some(text) = &question.duration {
        crate::prepare::read_length("--narrow-for", text)?;
    }
    Ok(Some(NarrowBlock {
        resources: question.resources,
        namespaces: left.namespaces,
        duration: question.duration,
        start_at: question.start_at,
    }))
}

/// The resources that the flags name.
fn resources(ask: &AskArgs) -> Result<Vec<ResourceAsk>, Problem> {
    let mut asks = Vec::new();
    for (names, resource) in
        [(&ask.pods, "pods"), (&ask.secrets, "secrets"), (&ask.configmaps, "configmaps"), (&ask.nodes, "nodes")]
    {
        for name in names {
            add(&mut asks, "", resource, Some(checked_name(resource, name)?));
        }
    }
    for text in &ask.resources {
        let (group, resource, name) = read(text)?;
        add(&mut asks, &group, &resource, name);
    }
    if asks.is_empty() && !ask.verbs.is_empty() {
        return Err(Problem::refused("`--verb` narrows the resources that are named, and none is")
            .next("name one, e.g. `--pod web-1` or `--resource deployments.apps/web`"));
    }
    for ask_entry in &mut asks {
        ask_entry.verbs.clone_from(&ask.verbs);
    }
    Ok(asks)
}

/// Joins entries of one type; a type asked for whole stays whole.
fn add(asks: &mut Vec<ResourceAsk>, group: &str, resource: &str, name: Option<String>) {
    let known = asks.iter_mut().find(|ask| ask.api_group == group && ask.resource == resource);
    match (known, name) {
        (Some(known), Some(name)) => {
            if !known.names.is_empty() && !known.names.contains(&name) {
                known.names.push(name);
            }
        }
        (Some(known), None) => known.names.clear(),
        (None, name) => asks.push(ResourceAsk {
            api_group: group.to_owned(),
            resource: resource.to_owned(),
            names: name.into_iter().collect(),
            verbs: Vec::new(),
        }),
    }
}

/// `TYPE[.GROUP]`, `TYPE[.GROUP]/NAME` or `TYPE[.GROUP]/SUBRESOURCE/NAME`; a `*` for NAME is all of them.
fn read(text: &str) -> Result<(String, String, Option<String>), Problem> {
    let parts = text.split('/').collect::<Vec<_>>();
    let (of_type, subresource, name) = match parts.as_slice() {
        [of_type] => (*of_type, None, None),
        [of_type, name] => (*of_type, None, Some(*name)),
        [of_type, subresource, name] => (*of_type, Some(*subresource), Some(*name)),
        _ => return Err(unreadable(text)),
    };
    if of_type.is_empty() || subresource == Some("") || name == Some("") {
        return Err(unreadable(text));
    }
    let (group, plural) = group_and_plural(of_type);
    let resource = subresource.map_or_else(|| plural.clone(), |subresource| format!("{plural}/{subresource}"));
    let name = match name {
        None | Some("*") => None,
        Some(name) => Some(checked_name(&resource, name)?),
    };
    Ok((group, resource, name))
}

fn group_and_plural(of_type: &str) -> (String, String) {
    let of_type = of_type.to_ascii_lowercase();
    let (word, group) = of_type.split_once('.').map_or((of_type.as_str(), None), |(word, group)| (word, Some(group)));
    let known = TYPES
        .iter()
        .find(|(words, known_group, _)| words.contains(&word) && group.is_none_or(|group| group == *known_group));
    match known {
        Some((_, group, plural)) => ((*group).to_owned(), (*plural).to_owned()),
        None => (group.unwrap_or_default().to_owned(), word.to_owned()),
    }
}

fn checked_name(resource: &str, name: &str) -> Result<String, Problem> {
    let sound = !name.is_empty()
        && name.len() <= 253
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:@+~".contains(c));
    if sound {
        return Ok(name.to_owned());
    }
    Err(Problem::refused(format!("`{name}` is not a name that an object of `{resource}` can have"))
        .why("names are never patterns; each object is named whole (NameMalformed)")
        .next("repeat the flag for several objects, or name none for all, where the role allows that"))
}

fn unreadable(text: &str) -> Problem {
    Problem::refused(format!("`--resource {text}` cannot be read"))
        .next("write TYPE[.GROUP]/NAME, e.g. `deployments.apps/web`, or TYPE/SUBRESOURCE/NAME, e.g. `pods/log/web-1`")
}

fn check_reason(reason: &str) -> Result<(), Problem> {
    let chars = reason.chars().count();
    if chars <= JUSTIFICATION_CHARS_MAX {
        return Ok(());
    }
    Err(Problem::refused(format!("the reason has {chars} characters"))
        .why(format!("at most {JUSTIFICATION_CHARS_MAX} are kept"))
        .next("shorten it, and link to the rest with `--ticket`"))
}

fn instant(text: &str) -> Result<String, Problem> {
    // Kept in UTC, so that what is asked and what is shown read alike.
    text.parse::<Timestamp>().map(|at| at.to_string()).map_err(|_| {
        Problem::refused(format!("`--start {text}` is not an instant"))
            .next("write it with its zone, e.g. `2026-12-01T08:00:00Z` or `2026-12-01T09:00:00+01:00`")
    })
}

fn urgency(word: UrgencyWord) -> Urgency {
    match word {
        UrgencyWord::Low => Urgency::Low,
        UrgencyWord::Normal => Urgency::Normal,
        UrgencyWord::High => Urgency::High,
        UrgencyWord::Critical => Urgency::Critical,
    }
}

fn delivery(word: DeliveryWord) -> Delivery {
    match word {
        DeliveryWord::Gateway => Delivery::Gateway,
        DeliveryWord::Token => Delivery::Token,
    }
}

/// A resource as people write it: `pods/log`, `deployments.apps`.
pub(crate) fn typed(group: &str, resource: &str) -> String {
    if group.is_empty() {
        return resource.to_owned();
    }
    match resource.split_once('/') {
        Some((resource, subresource)) => format!("{resource}.{group}/{subresource}"),
        None => format!("{resource}.{group}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use clap::Parser as _;

    fn asked(flags: &[&str]) -> Result<EvaluationSpec, Problem> {
        let words = ["kubectl-brevet", "explain", "view-logs"].iter().chain(flags);
        match Cli::try_parse_from(words).unwrap().verb {
            Verb::Explain(explain) => question(&explain.ask, "why not"),
            _ => unreachable!(),
        }
    }

    fn entries(flags: &[&str]) -> Vec<String> {
        let spec = asked(flags).unwrap();
        spec.resources
            .iter()
            .map(|r| format!("{}|{}|{}|{}", r.api_group, r.resource, r.names.join(","), r.verbs.join(",")))
            .collect()
    }

    #[test]
    fn the_shorthands_name_objects_of_the_core_group() {
        assert_eq!(
            entries(&[
                "--pod",
                "web-1",
                "--pod",
                "web-2",
                "--pod",
                "web-1",
                "--secret",
                "db",
                "--configmap",
                "c",
                "--node",
                "n1"
            ]),
            ["|pods|web-1,web-2|", "|secrets|db|", "|configmaps|c|", "|nodes|n1|"]
        );
    }

    #[test]
    fn resources_are_read_with_group_subresource_and_name() {
        assert_eq!(entries(&["--resource", "deployments.apps/web"]), ["apps|deployments|web|"]);
        assert_eq!(
            entries(&["--resource", "deploy/web", "--resource", "Deployment/api"]),
            ["apps|deployments|web,api|"]
        );
        assert_eq!(entries(&["--resource", "pods/log/web-1"]), ["|pods/log|web-1|"]);
        assert_eq!(entries(&["--resource", "pods/log/*"]), ["|pods/log||"]);
        assert_eq!(entries(&["--resource", "certificates.cert-manager.io/a"]), ["cert-manager.io|certificates|a|"]);
        assert_eq!(entries(&["--resource", "events.events.k8s.io"]), ["events.k8s.io|events||"]);
        assert_eq!(entries(&["--pod", "a", "--verb", "get", "--verb", "list"]), ["|pods|a|get,list"]);
    }

    #[test]
    fn a_type_asked_for_whole_stays_whole() {
        assert_eq!(entries(&["--pod", "a", "--resource", "pods"]), ["|pods||"]);
        assert_eq!(entries(&["--resource", "pods", "--resource", "pods/a"]), ["|pods||"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for flags in [
            &["--resource", "a/b/c/d"][..],
            &["--resource", "/x"],
            &["--resource", "pods/"],
            &["--pod", "web-*"],
            &["--pod", ""],
            &["--verb", "get"],
            &["--start", "tomorrow"],
            &["--start", "2026-12-01"],
        ] {
            assert!(asked(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn an_instant_is_kept_in_utc() {
        let spec = asked(&["--start", "2026-12-01T09:00:00+01:00"]).unwrap();
        assert_eq!(spec.start_at.as_deref(), Some("2026-12-01T08:00:00Z"));
    }

    #[test]
    fn a_type_is_written_as_kubectl_writes_it() {
        assert_eq!(typed("", "pods/log"), "pods/log");
        assert_eq!(typed("apps", "deployments/scale"), "deployments.apps/scale");
    }
}
