//! What `request` and `explain` do before they send anything.
//!
//! Promises: what cannot be granted for reasons known here (a duration that is malformed or longer
//! than the role's, names that are missing, a namespace where none belongs) is refused before
//! anything is created; a person who may not read roles is not stopped, the server judges.
//!
//! Left out on purpose: everything that needs the cluster's rules; `evaluations` answers that.

use brevet_api::sessions::{Evaluation, EvaluationSpec};
use brevet_api::{AccessRole, Naming, Scope};
use brevet_core::length::Length;
use kube::Api;
use kube::api::PostParams;

use crate::asked;
use crate::cli::AskArgs;
use crate::cluster::{Cluster, call};
use crate::problem::Problem;

/// The most namespaces of one request (design §4).
const NAMESPACES_MAX: usize = 16;

/// A question, with the role it is about where that may be read.
pub(crate) struct Prepared {
    pub(crate) role: Option<AccessRole>,
    pub(crate) question: EvaluationSpec,
}

/// Reads the flags, then the role, and refuses what neither could allow.
pub(crate) async fn prepare(cluster: &Cluster, ask: &AskArgs, reason: &str) -> Result<Prepared, Problem> {
    // The text first: a malformed duration needs no cluster to be refused.
    let mut question = asked::question(ask, reason)?;
    let length = ask.duration.as_deref().map(|text| read_length("--for", text)).transpose()?;
    let role = read_role(cluster, &ask.role).await?;
    question.namespaces = namespaces(cluster, ask, role.as_ref())?;
    if let Some(role) = &role {
        check(role, ask, &question, length)?;
    }
    Ok(Prepared { role, question })
}

/// What the server says to the question.
pub(crate) async fn evaluate(cluster: &Cluster, question: EvaluationSpec) -> Result<Evaluation, Problem> {
    let evaluations: Api<Evaluation> = Api::all(cluster.client.clone());
    call("ask what would be decided", evaluations.create(&PostParams::default(), &Evaluation::ask(question))).await
}

/// Reads a duration that a flag gave.
pub(crate) fn read_length(flag: &str, text: &str) -> Result<Length, Problem> {
    Length::parse(text).map_err(|refusal| {
        Problem::from_refusal(format!("cannot read `{flag} {text}`"), &refusal)
            .next("what each role allows: kubectl brevet roles")
    })
}

async fn read_role(cluster: &Cluster, name: &str) -> Result<Option<AccessRole>, Problem> {
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.') || name.is_empty() {
        return Err(no_such_role(name));
    }
    match cluster.roles().get(name).await {
        Ok(role) => Ok(Some(role)),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 404 && status.message.contains(name) => Err(no_such_role(name)),
        Err(error) => Err(crate::cluster::problem(&format!("read role `{name}`"), &error)),
    }
}

fn no_such_role(name: &str) -> Problem {
    Problem::refused(format!("there is no role `{name}`"))
        .why("no AccessRole has that name (RoleNotFound)")
        .next("list them: kubectl brevet roles")
}

/// The namespaces of the question: those of the flags, else the context's; none for Cluster roles.
fn namespaces(cluster: &Cluster, ask: &AskArgs, role: Option<&AccessRole>) -> Result<Vec<String>, Problem> {
    let is_cluster = role.is_some_and(|role| role.spec.scope == Scope::Cluster);
    if is_cluster && !ask.namespaces.is_empty() {
        return Err(Problem::refused(format!("role `{}` takes no namespace", ask.role))
            .why("it applies to the whole cluster (NamespacesNotAllowed)")
            .next("leave out `-n`"));
    }
    if is_cluster {
        return Ok(Vec::new());
    }
    let mut names = if ask.namespaces.is_empty() { vec![cluster.origin.namespace()] } else { ask.namespaces.clone() };
    names.sort();
    names.dedup();
    if names.len() > NAMESPACES_MAX {
        return Err(Problem::refused(format!("{} namespaces are too many for one request", names.len()))
            .why(format!("a request covers at most {NAMESPACES_MAX}"))
            .next("ask in several requests"));
    }
    Ok(names)
}

fn check(role: &AccessRole, ask: &AskArgs, question: &EvaluationSpec, length: Option<Length>) -> Result<(), Problem> {
    let name = &ask.role;
    let max = Length::parse(&role.spec.max_duration).ok();
    if let (Some(length), Some(max)) = (length, max)
        && length > max
    {
        return Err(Problem::refused(format!("not asked: you want `{length}` of `{name}`"))
            .why(format!("`{name}` allows at most `{max}` (DurationTooLong)"))
            .next(format!("ask again with `--for {max}` or less")));
    }
    if role.spec.names == Naming::Required && question.resources.iter().all(|ask| ask.names.is_empty()) {
        return Err(Problem::refused(format!("not asked: `{name}` is only given on named objects"))
            .why("the request names none (NamesRequired)")
            .next("name them, e.g. `--secret NAME` or `--resource TYPE/NAME`"));
    }
    if let Some(delivery) = question.delivery
        && !role.spec.deliveries.contains(&delivery)
    {
        let allowed =
            role.spec.deliveries.iter().map(|delivery| format!("`{delivery}`")).collect::<Vec<_>>().join(", ");
        return Err(Problem::refused(format!("not asked: `{name}` is not delivered by `{delivery}`"))
            .why(format!("it allows {allowed} (DeliveryNotAllowed)"))
            .next("leave out `--delivery`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use clap::Parser as _;

    fn judged(flags: &[&str]) -> Result<(), Problem> {
        let words = ["kubectl-brevet", "explain", "view-secrets"].iter().chain(flags);
        let Verb::Explain(explain) = Cli::try_parse_from(words).unwrap().verb else { unreachable!() };
        let role: AccessRole = serde_json::from_value(serde_json::json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRole", "metadata": {"name": "view-secrets"},
            "spec": {"clusterRoles": ["x"], "scope": "Namespaced", "risk": "High", "defaultDuration": "30m",
                     "maxDuration": "2h", "names": "Required", "deliveries": ["Gateway"]},
        }))
        .unwrap();
        let question = asked::question(&explain.ask, "")?;
        let length = explain.ask.duration.as_deref().map(|text| read_length("--for", text)).transpose()?;
        check(&role, &explain.ask, &question, length)
    }

    #[test]
    fn what_the_role_allows_passes() {
        for flags in [&["--secret", "db"][..], &["--secret", "db", "--for", "2h"], &["--secret", "db", "--for", "120m"]]
        {
            assert!(judged(flags).is_ok(), "{flags:?}");
        }
    }

    #[test]
    fn a_duration_is_refused_before_anything_is_created() {
        let malformed = judged(&["--secret", "db", "--for", "2 hours"]).unwrap_err();
        assert_eq!(malformed.outcome.code(), 1);
        assert!(malformed.to_string().contains("DurationMalformed"), "{malformed}");
        let long = judged(&["--secret", "db", "--for", "2h1s"]).unwrap_err();
        assert_eq!(
            long.to_string(),
            "error: not asked: you want `2h1s` of `view-secrets`\n  why:  `view-secrets` allows at most `2h` (DurationTooLong)\n  next: ask again with `--for 2h` or less"
        );
    }

    #[test]
    fn names_and_delivery_are_the_roles() {
        assert!(judged(&[]).unwrap_err().to_string().contains("NamesRequired"));
        assert!(judged(&["--resource", "secrets"]).unwrap_err().to_string().contains("NamesRequired"));
        assert!(
            judged(&["--secret", "db", "--delivery", "token"]).unwrap_err().to_string().contains("DeliveryNotAllowed")
        );
    }
}
