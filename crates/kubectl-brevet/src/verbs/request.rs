//! `request`: ask, and wait for the answer where somebody is waiting.

use brevet_api::sessions::{EvaluationStatus, Request};
use brevet_api::{AccessRequest, AccessRequestSpec, Phase, SubjectBlock};
use kube::api::{ObjectMeta, PostParams};
use tokio::time::Instant;

use super::{Code, DONE};
use crate::cli::{Format, RequestArgs};
use crate::clock::now;
use crate::cluster::{Cluster, call};
use crate::entry::{Entry, is_answered, qualified_name};
use crate::follow::{self, Awaited};
use crate::outcome;
use crate::prepare::{Prepared, evaluate, prepare, read_length};
use crate::print;
use crate::problem::Problem;
use crate::sheet;

pub(super) async fn run(cluster: &Cluster, args: &RequestArgs) -> anyhow::Result<Code> {
    if args.reason.trim().is_empty() {
        return Err(Problem::refused("the reason is empty")
            .why("approvers decide by it, auditors find it later")
            .next("say why: `--reason 'checkout errors after the rollout'`")
            .into());
    }
    let timeout = args.timeout.as_deref().map(|text| read_length("--timeout", text)).transpose()?;
    let prepared = prepare(cluster, &args.ask, &args.reason).await?;
    if args.dry_run.is_some() {
        return dry_run(cluster, args, prepared).await;
    }
    let requester = cluster.who().await?;
    let made = call("create the request", create(cluster, requester, prepared)).await?;
    let name = made.metadata.name.clone().unwrap_or_default();
    announce(args, &name)?;
    if !args.wait.unwrap_or_else(print::is_terminal) {
        return left_pending(args, made, &name);
    }
    let awaited = Awaited {
        name: &name,
        uid: made.metadata.uid.clone(),
        deadline: timeout.map(|length| Instant::now() + std::time::Duration::from_secs(length.seconds().into())),
        saying: None,
    };
    let answered = follow::until(cluster, &awaited, |request| is_answered(request, now())).await?;
    let Some(request) = answered else {
        return Err(Problem::failed(format!("nobody answered `{name}` in time"))
            .why("the request stays and can still be approved")
            .next(format!("go on waiting: kubectl brevet wait {name}"))
            .into());
    };
    answer(cluster, args, request).await
}

async fn create(cluster: &Cluster, requester: SubjectBlock, prepared: Prepared) -> kube::Result<AccessRequest> {
    let question = prepared.question;
    let prefix = format!("{}-", question.role);
    let mut request = AccessRequest::new(
        "",
        AccessRequestSpec {
            requester,
            role: question.role,
            namespaces: question.namespaces,
            resources: question.resources,
            duration: question.duration,
            start_at: question.start_at,
            justification: question.justification,
            urgency: question.urgency,
            ticket: question.ticket,
            delivery: question.delivery,
        },
    );
    // A name and nothing else: admission refuses any other metadata.
    request.metadata = ObjectMeta { generate_name: Some(prefix), ..ObjectMeta::default() };
    cluster.new_requests().create(&PostParams::default(), &request).await
}

/// The name is out as soon as it is known, so that an interrupted wait loses nothing.
fn announce(args: &RequestArgs, name: &str) -> anyhow::Result<()> {
    match args.format() {
        Format::Name => print::result(&qualified_name(name)),
        Format::Table | Format::Wide => {
            print::say(&format!("asked: {name}; to decide: kubectl brevet approve {name}"));
            Ok(())
        }
        Format::Json | Format::Yaml => Ok(()),
    }
}

fn left_pending(args: &RequestArgs, made: AccessRequest, name: &str) -> anyhow::Result<Code> {
    let view = Request {
        api_version: "brevet.dev/v1alpha1".into(),
        kind: "AccessRequest".into(),
        metadata: made.metadata,
        spec: made.spec,
        status: made.status,
    };
    let entry = Entry::new(view, None);
    match args.format() {
        Format::Json => print::result(&print::json(&entry)?)?,
        Format::Yaml => print::result(&print::yaml(&entry)?)?,
        Format::Name => {}
        Format::Table | Format::Wide => {
            print::result(&print::table(
                Entry::header(args.format() == Format::Wide),
                &[entry.row(args.format() == Format::Wide, now())],
            ))?;
            print::say(&format!("wait for the answer: kubectl brevet wait {name}"));
        }
    }
    Ok(DONE)
}

async fn answer(cluster: &Cluster, args: &RequestArgs, request: Request) -> anyhow::Result<Code> {
    let grant = cluster.grant_of(&request).await?;
    let entry = Entry::new(request, grant);
    match args.format() {
        Format::Json => print::result(&print::json(&entry)?)?,
        Format::Yaml => print::result(&print::yaml(&entry)?)?,
        Format::Name => {}
        format => {
            let wide = format == Format::Wide;
            print::result(&print::table(Entry::header(wide), &[entry.row(wide, now())]))?;
        }
    }
    match entry.phase() {
        Phase::Active | Phase::Approved => {
            outcome::hint_use(&entry);
            Ok(DONE)
        }
        _ => Err(outcome::not_granted(&entry).into()),
    }
}

/// What would be decided; nothing is created.
async fn dry_run(cluster: &Cluster, args: &RequestArgs, prepared: Prepared) -> anyhow::Result<Code> {
    let evaluation = evaluate(cluster, prepared.question.clone()).await?;
    let status = evaluation.status.clone().unwrap_or_default();
    match args.format() {
        Format::Json => print::result(&print::json(&evaluation)?)?,
        Format::Yaml => print::result(&print::yaml(&evaluation)?)?,
        Format::Name => {}
        Format::Table | Format::Wide => {
            if let Some(terms) = &status.terms {
                print::result(&sheet::rules_table("it would give", terms))?;
            }
            for line in sheet::dropped_lines(&status.dropped) {
                print::result(&line)?;
            }
        }
    }
    judged(&prepared.question.role, &status)?;
    print::say("this would come before an approver; nothing was created (dry run)");
    Ok(DONE)
}

/// The server's no, or its not knowing, as a problem.
pub(super) fn judged(role: &str, status: &EvaluationStatus) -> Result<(), Problem> {
    let what = match status.allowed {
        Some(true) => return Ok(()),
        Some(false) => Problem::refused(format!("`{role}` would not be granted like this")),
        None => Problem::failed(format!("whether `{role}` would be granted cannot be told now")),
    };
    let reason = if status.reason.is_empty() { String::new() } else { format!(" ({})", status.reason) };
    Err(what.why(format!("{}{reason}", status.message)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Outcome;

    #[test]
    fn a_no_is_refused_and_not_knowing_fails() {
        let status = |allowed| EvaluationStatus {
            allowed,
            reason: "RoleNotFound".into(),
            message: "no such role".into(),
            ..EvaluationStatus::default()
        };
        assert!(judged("x", &status(Some(true))).is_ok());
        let no = judged("x", &status(Some(false))).unwrap_err();
        assert_eq!((no.outcome, no.to_string().contains("no such role (RoleNotFound)")), (Outcome::Refused, true));
        assert_eq!(judged("x", &status(None)).unwrap_err().outcome, Outcome::Failed);
    }
}
