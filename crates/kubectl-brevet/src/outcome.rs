//! What became of a request, and what its requester can do next.
//!
//! Promises: every end is told with its instant, its cause and the command that asks again.
//!
//! Left out on purpose: the cause itself; it is the controller's word, from core's closed list.

use brevet_api::sessions::{EvaluationSpec, Request};
use brevet_api::{Phase, ResourceAsk};
use jiff::Timestamp;

use crate::asked::typed;
use crate::entry::Entry;
use crate::grant_file::quoted;
use crate::plain::plain;
use crate::print;
use crate::problem::Problem;
use crate::spans;

/// What to type next, on standard error.
pub(crate) fn hint_use(entry: &Entry) {
    let name = entry.name();
    let conditions = entry.conditions();
    for said in conditions.iter().filter(|condition| matches!(condition.type_.as_str(), "Narrowed" | "ReviewDue")) {
        print::say(&plain(&said.message));
    }
    if entry.phase() == Phase::Approved {
        print::say(&format!("approved, not yet in force; wait for it: kubectl brevet wait {name}"));
        return;
    }
    print::say(&format!("use it:       kubectl brevet exec {name} -- kubectl {}", example(&entry.request)));
    print::say(&format!("or a shell:   kubectl brevet shell {name}"));
    print::say(&format!("give it back: kubectl brevet release {name}"));
}

/// A kubectl command that fits what was asked; only a hint, so only the plainest cases.
fn example(request: &Request) -> String {
    let Some(ask) = request.spec.resources.first() else { return "get pods".to_owned() };
    let name = ask.names.first().map(|name| format!(" {}", quoted(name))).unwrap_or_default();
    match (request.spec.role.as_str(), ask.resource.as_str()) {
        ("view-logs", "pods") if !name.is_empty() => format!("logs{name}"),
        ("debug-pod", "pods") if !name.is_empty() => format!("exec -it{name} -- sh"),
        (_, resource) => format!("get {}{name}", typed(&ask.api_group, resource.split('/').next().unwrap_or(resource))),
    }
}

/// The access is not to be had, or not any more.
pub(crate) fn not_granted(entry: &Entry) -> Problem {
    let name = entry.name();
    let what = match entry.phase() {
        Phase::Denied => format!("not granted: `{name}` was denied"),
        Phase::Withdrawn => format!("not granted: `{name}` was withdrawn"),
        Phase::Pending => format!("not granted yet: `{name}` waits for an approver"),
        Phase::Approved => {
            let start = entry.grant.as_ref().map(|grant| grant.spec.not_before.0);
            let start = start.map(|start| format!(" and starts at {}", spans::utc(start))).unwrap_or_default();
            format!("not in force yet: `{name}` is approved{start}")
        }
        Phase::Expired if entry.grant.is_none() => format!("not granted: nobody decided on `{name}` in time"),
        Phase::Expired | Phase::Revoked | Phase::Revoking => {
            let ended = entry.ended_at().map(|at| format!(" at {}", spans::utc(at))).unwrap_or_default();
            format!("the access of `{name}` is over: it ended{ended}")
        }
        Phase::Active => format!("`{name}` is in force"),
    };
    let problem = Problem::refused(what).why(why(entry));
    match entry.phase() {
        Phase::Pending | Phase::Approved => problem.next(format!("wait for it: kubectl brevet wait {name}")),
        Phase::Active => problem,
        _ => problem.next(format!("ask again: {}", ask_again(&entry.request))),
    }
}

/// The controller's last word.
fn why(entry: &Entry) -> String {
    match entry.verdict() {
        Some(condition) if condition.message.is_empty() => condition.reason.clone(),
        Some(condition) if condition.message.contains(&condition.reason) => condition.message.clone(),
        Some(condition) => format!("{} ({})", condition.message, condition.reason),
        None => String::new(),
    }
}

/// Whether calls through the grant can be expected to be refused by now, and since when.
pub(crate) fn is_over(entry: &Entry, now: Timestamp) -> bool {
    let deadline_passed = entry.until().is_some_and(|until| until <= now);
    deadline_passed
        || matches!(entry.phase(), Phase::Revoking | Phase::Expired | Phase::Revoked | Phase::Denied | Phase::Withdrawn)
}

/// The command that asks for the same again.
pub(crate) fn ask_again(request: &Request) -> String {
    let spec = &request.spec;
    written(&spec.role, &spec.namespaces, &spec.resources, spec.duration.as_deref())
}

/// The command that asks what was only a question.
pub(crate) fn command(question: &EvaluationSpec) -> String {
    written(&question.role, &question.namespaces, &question.resources, question.duration.as_deref())
}

fn written(role: &str, namespaces: &[String], resources: &[ResourceAsk], duration: Option<&str>) -> String {
    let mut words = vec!["kubectl brevet request".to_owned(), quoted(role)];
    words.extend(namespaces.iter().map(|namespace| format!("-n {}", quoted(namespace))));
    for ask in resources {
        let shorthand = match (ask.api_group.as_str(), ask.resource.as_str()) {
            ("", "pods") => Some("--pod"),
            ("", "secrets") => Some("--secret"),
            ("", "configmaps") => Some("--configmap"),
            ("", "nodes") => Some("--node"),
            _ => None,
        };
        match (shorthand, ask.names.is_empty()) {
            (Some(flag), false) => words.extend(ask.names.iter().map(|name| format!("{flag} {}", quoted(name)))),
            _ => words.extend(resource_flags(&ask.api_group, &ask.resource, &ask.names)),
        }
    }
    words.extend(duration.map(|duration| format!("--for {}", quoted(duration))));
    words.push("--reason TEXT".to_owned());
    words.join(" ")
}

fn resource_flags(group: &str, resource: &str, names: &[String]) -> Vec<String> {
    let of_type = typed(group, resource);
    if names.is_empty() {
        let all = if of_type.contains('/') { format!("{of_type}/*") } else { of_type };
        return vec![format!("--resource {}", quoted(all))];
    }
    names.iter().map(|name| format!("--resource {}", quoted(format!("{of_type}/{name}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(spec: serde_json::Value) -> Request {
        let mut spec = spec;
        spec["requester"] = json!({"username": "alice"});
        spec["justification"] = json!("why");
        serde_json::from_value(json!({
            "apiVersion": "sessions.brevet.dev/v1alpha1", "kind": "Request", "metadata": {"name": "x", "uid": "u"},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn the_same_can_be_asked_for_again() {
        let asked = request(json!({"role": "deploy", "namespaces": ["shop"], "duration": "30m", "resources": [
            {"apiGroup": "", "resource": "pods", "names": ["web-1", "web-2"]},
            {"apiGroup": "apps", "resource": "deployments", "names": ["web"]},
            {"apiGroup": "apps", "resource": "deployments/scale"},
        ]}));
        assert_eq!(
            ask_again(&asked),
            "kubectl brevet request deploy -n shop --pod web-1 --pod web-2 --resource deployments.apps/web --resource 'deployments.apps/scale/*' --for 30m --reason TEXT"
        );
    }

    #[test]
    fn a_hint_never_carries_shell_code() {
        let asked = request(json!({"role": "x; rm -rf ~", "namespaces": ["$(id)"]}));
        assert_eq!(ask_again(&asked), "kubectl brevet request 'x; rm -rf ~' -n '$(id)' --reason TEXT");
    }

    #[test]
    fn an_end_is_told_with_its_cause_and_the_way_back() {
        let mut denied = request(json!({"role": "view-logs", "namespaces": ["shop"]}));
        denied.status = serde_json::from_value(json!({"phase": "Denied", "conditions": [
            {"type": "Denied", "status": "True", "reason": "DeniedByPerson", "message": "denied by `bob`: use staging",
             "lastTransitionTime": "2026-11-24T09:00:00Z"}]}))
        .unwrap();
        assert_eq!(
            not_granted(&Entry::new(denied, None)).to_string(),
            "error: not granted: `x` was denied\n  why:  denied by `bob`: use staging (DeniedByPerson)\n  next: ask again: kubectl brevet request view-logs -n shop --reason TEXT"
        );
    }
}
