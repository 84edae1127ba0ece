//! `revoke`: ends the access of one, or of everybody concerned.
//!
//! Promises: who is affected is shown before anybody is asked; every end is reported, each with what
//! became of it; one that fails keeps no other from being tried.

use std::time::Duration;

use brevet_api::Phase;
use brevet_api::{SubjectBlock, Verdict};
use futures::future::join_all;
use owo_colors::OwoColorize as _;

use super::decide::{check_comment, confirm, confirmed, in_force, patience, settle, take_away};
use super::{Code, DONE};
use crate::cli::RevokeArgs;
use crate::clock::now;
use crate::cluster::Cluster;
use crate::entry::{Entry, is_over, joined, namespaces, phase};
use crate::plain::plain;
use crate::print;
use crate::problem::Problem;

pub(super) async fn run(cluster: &Cluster, args: &RevokeArgs) -> anyhow::Result<Code> {
    let patience = patience(&args.timeout)?;
    check_comment(&args.comment)?;
    match &args.name {
        Some(name) => one(cluster, args, name, patience).await,
        None => several(cluster, args, patience).await,
    }
}

async fn one(cluster: &Cluster, args: &RevokeArgs, name: &str, patience: Duration) -> anyhow::Result<Code> {
    let request = in_force(cluster, name).await?;
    let me = cluster.who().await?;
    let spec = &request.spec;
    print::say(&format!(
        "{} holds {} in {}: {}",
        plain(&spec.requester.username).bold(),
        plain(&spec.role).bold(),
        namespaces(&spec.namespaces),
        plain(&spec.justification)
    ));
    confirm(args.yes, "End this access now?")?;
    take_away(cluster, &request, Verdict::Revoke, me, &args.comment).await?;
    let seen = settle(cluster, &request, patience, |request| is_over(phase(request))).await?;
    confirmed(name, "revoked", seen, patience)
}

async fn several(cluster: &Cluster, args: &RevokeArgs, patience: Duration) -> anyhow::Result<Code> {
    let mut entries = joined(cluster.all_requests().await?, &cluster.all_grants().await?);
    entries.retain(|entry| is_meant(entry, args));
    if entries.is_empty() {
        print::say("nobody holds such an access that you may see");
        return Ok(DONE);
    }
    let rows = entries.iter().map(|entry| entry.row(false, now())).collect::<Vec<_>>();
    print::say(&print::table(Entry::header(false), &rows));
    let question = match entries.len() {
        1 => "End this access now?".to_owned(),
        many => format!("End all {many} of them now?"),
    };
    confirm(args.yes, &question)?;
    let me = cluster.who().await?;
    let ends = entries.iter().map(|entry| end(cluster, entry, me.clone(), &args.comment, patience));
    let mut failed = 0;
    for (entry, outcome) in entries.iter().zip(join_all(ends).await) {
        match outcome {
            Ok(how) => print::result(&format!("{how}: {}", plain(entry.name())))?,
            Err(problem) => {
                failed += 1;
                print::result(&format!("not revoked: {}", plain(entry.name())))?;
                print::complain(&problem);
            }
        }
    }
    if failed == 0 {
        return Ok(DONE);
    }
    Err(Problem::refused(format!("{failed} of {} were not revoked", entries.len()))
        .why("each is told above")
        .next("whoever holds `revoke` on the role in all of its namespaces ends it")
        .into())
}

/// Ends one; what became of it in a word.
async fn end(
    cluster: &Cluster,
    entry: &Entry,
    me: SubjectBlock,
    comment: &str,
    patience: Duration,
) -> Result<&'static str, Problem> {
    take_away(cluster, &entry.request, Verdict::Revoke, me, comment).await?;
    let seen = settle(cluster, &entry.request, patience, |request| is_over(phase(request))).await?;
    Ok(if seen.is_some() { "revoked" } else { "revoked, its end not confirmed yet" })
}

/// Whether an access in force, or about to be, is what all flags that are given name.
fn is_meant(entry: &Entry, args: &RevokeArgs) -> bool {
    let spec = &entry.request.spec;
    let policy = entry.request.status.as_ref().and_then(|status| status.policy.as_ref());
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    matches!(entry.phase(), Phase::Active | Phase::Approved)
        && is(&args.role, &spec.role)
        && is(&args.user, &spec.requester.username)
        && args.namespace.as_ref().is_none_or(|wanted| spec.namespaces.contains(wanted))
        && args.policy.as_ref().is_none_or(|wanted| policy.is_some_and(|policy| policy.name == *wanted))
}
