//! `explain`: what a task would give, what that adds, and who may approve.
//!
//! Promises: the rules are the server's, worked out as for a real request; so is what they add, or else
//! it is worked out here, against what the cluster says one has.
//!
//! Left out on purpose: aggregated roles of others; who may approve is told as a right, because people
//! may not read bindings.

use std::collections::BTreeSet;

use brevet_api::sessions::EvaluationStatus;
use brevet_api::{AccessRole, Rule};
use brevet_core::rules::Rules;
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use kube::Api;
use kube::api::PostParams;
use owo_colors::OwoColorize as _;

use super::request::judged;
use super::{Code, DONE};
use crate::attest::rules;
use crate::cli::{ExplainArgs, Format};
use crate::cluster::{Cluster, call};
use crate::outcome::command;
use crate::plain::plain;
use crate::prepare::{evaluate, prepare};
use crate::print;
use crate::problem::Problem;
use crate::sheet;

/// Nobody is bound in the locked namespace, so only cluster-wide rights show there.
const ONLY_CLUSTER_WIDE: &str = "brevet-elevations";

pub(super) async fn run(cluster: &Cluster, args: &ExplainArgs) -> anyhow::Result<Code> {
    let prepared = prepare(cluster, &args.ask, "").await?;
    let question = prepared.question;
    let mut evaluation = evaluate(cluster, question.clone()).await?;
    let mut status = evaluation.status.take().unwrap_or_default();
    if let (Some(terms), None) = (&status.terms, &status.added) {
        let granted = terms.rules.iter().chain(&terms.companions).cloned().collect::<Vec<_>>();
        status.added = Some(added(cluster, &question.namespaces, granted).await?);
    }
    match args.output.format() {
        Format::Json | Format::Yaml => {
            evaluation.status = Some(status.clone());
            let text = if args.output.format() == Format::Json {
                print::json(&evaluation)?
            } else {
                print::yaml(&evaluation)?
            };
            print::result(&text)?;
        }
        Format::Name => print::result(&format!("accessrole.brevet.dev/{}", plain(&question.role)))?,
        Format::Table | Format::Wide => {
            let mut lines = head(&question.role, prepared.role.as_ref());
            lines.extend(body(&question.namespaces, &status));
            if status.allowed == Some(true) {
                lines.extend(approvers(&question.role, &question.namespaces, &status));
                lines.push(String::new());
                lines.push(format!("Ask for it: {}", command(&question)));
            }
            print::result(&lines.join("\n"))?;
        }
    }
    judged(&question.role, &status)?;
    Ok(DONE)
}

/// The rules of which at least something is new in at least one of the namespaces.
async fn added(cluster: &Cluster, namespaces: &[String], granted: Vec<Rule>) -> Result<Vec<Rule>, Problem> {
    let places = if namespaces.is_empty() { vec![ONLY_CLUSTER_WIDE.to_owned()] } else { namespaces.to_vec() };
    let mut held = Vec::new();
    for place in &places {
        held.push(held_in(cluster, place).await?);
    }
    let is_new = |rule: &Rule| {
        let wanted = rules(std::slice::from_ref(rule));
        !held.iter().all(|held| held.covers(&wanted))
    };
    Ok(granted.into_iter().filter(is_new).collect())
}

/// What I have in a namespace, as far as the cluster can tell.
async fn held_in(cluster: &Cluster, namespace: &str) -> Result<Rules, Problem> {
    let reviews: Api<SelfSubjectRulesReview> = Api::all(cluster.client.clone());
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) },
        ..SelfSubjectRulesReview::default()
    };
    let answer =
        call(&format!("ask what you may do in `{namespace}`"), reviews.create(&PostParams::default(), &review)).await?;
    let held = answer.status.map(|status| status.resource_rules).unwrap_or_default();
    Ok(Rules(
        held.into_iter()
            .map(|rule| brevet_core::rules::Rule {
                api_groups: rule.api_groups.unwrap_or_default().into_iter().collect(),
                resources: rule.resources.unwrap_or_default().into_iter().collect(),
                verbs: rule.verbs.into_iter().collect(),
                resource_names: rule.resource_names.unwrap_or_default().into_iter().collect::<BTreeSet<_>>(),
            })
            .collect(),
    ))
}

fn head(name: &str, role: Option<&AccessRole>) -> Vec<String> {
    let Some(role) = role else { return vec![plain(name).bold().to_string()] };
    let spec = &role.spec;
    vec![
        format!("{}: {}", plain(name).bold(), plain(&spec.description)),
        format!(
            "Risk {}. {} if you do not say how long, {} at most.",
            spec.risk,
            plain(&spec.default_duration),
            plain(&spec.max_duration)
        ),
        String::new(),
    ]
}

fn body(namespaces: &[String], status: &EvaluationStatus) -> Vec<String> {
    let Some(terms) = &status.terms else { return Vec::new() };
    let place = if namespaces.is_empty() { "the whole cluster".to_owned() } else { plain(&namespaces.join(", ")) };
    let mut lines =
        vec![sheet::rules_table(&format!("You would get, in {place}, for {}", plain(&terms.duration)), terms)];
    lines.extend(sheet::dropped_lines(&status.dropped));
    lines.push(String::new());
    let whole = terms.rules.len() + terms.companions.len();
    match status.added.as_deref() {
        Some([]) => lines.push("You have all of this already.".to_owned()),
        Some(added) if added.len() == whole => lines.push("You have nothing of this today.".to_owned()),
        Some(added) => {
            lines.push("New to you, at least in part:".to_owned());
            lines.push(sheet::rules(added));
        }
        None => {}
    }
    lines
}

fn approvers(role: &str, namespaces: &[String], status: &EvaluationStatus) -> Vec<String> {
    if !status.approvers.is_empty() {
        return status.approvers.iter().map(|who| format!("May approve: {}", plain(who))).collect();
    }
    let place = if namespaces.is_empty() {
        "for the whole cluster".to_owned()
    } else {
        format!("in {}", plain(&namespaces.join(" and ")))
    };
    vec![format!("May approve: whoever holds `approve` on accessroles/{} {place}, except you", plain(role))]
}
