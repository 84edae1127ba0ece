//! `review`: somebody else says that they have looked at what was done after glass was broken.
//!
//! Promises: what is attested is what is shown; nothing is recorded where no review is due.

use brevet_api::sessions::Request;
use brevet_api::{AccessDecisionSpec, ClaimedTerms, Verdict};

use super::decide::{check_comment, claims, confirm, decision, patience, record, settle};
use super::{Code, DONE};
use crate::attest::attest;
use crate::cli::DecideArgs;
use crate::clock::now;
use crate::cluster::Cluster;
use crate::entry::review;
use crate::plain::plain;
use crate::print;
use crate::problem::Problem;
use crate::sheet::review_lines;

pub(super) async fn run(cluster: &Cluster, args: &DecideArgs) -> anyhow::Result<Code> {
    let patience = patience(&args.timeout)?;
    check_comment(&args.comment)?;
    let name = &args.name;
    let request = cluster.request(name).await?;
    due(&request, name)?;
    let me = cluster.who().await?;
    if me.username == request.spec.requester.username {
        return Err(Problem::refused(format!("`{name}` is your own access"))
            .why("nobody reviews what they did themselves (SelfApproval)")
            .next(format!("ask somebody else: kubectl brevet review {name}"))
            .into());
    }
    let attested = attest(&request)?;
    let role = cluster.roles().get(&attested.terms().role).await.ok();
    print::say(&attested.sheet(role.as_ref(), now()));
    review(&request).into_iter().flat_map(|review| review_lines(review, now())).for_each(|line| print::say(&line));
    confirm(args.yes, "Have you looked at what was done?")?;
    let terms = ClaimedTerms { digest: Some(attested.digest.clone()), ..claims(&request) };
    let spec: AccessDecisionSpec = decision(&request, Verdict::Review, terms, me, &args.comment);
    record(cluster, &request, spec).await?;
    let seen = settle(cluster, &request, patience, |request| by(request).is_some()).await?;
    let by = seen.as_ref().and_then(|entry| by(&entry.request));
    print::result(&format!("reviewed: {name}{}", by.map_or_else(String::new, |who| format!(", by {}", plain(who)))))?;
    if by.is_none() {
        print::say(&format!("it is recorded and takes effect soon; see: kubectl brevet get {name}"));
        print::say("a review counts only by those whom the rule names");
    }
    Ok(DONE)
}

/// Who reviewed it.
fn by(request: &Request) -> Option<&str> {
    review(request)?.by.as_ref().map(|by| by.approver.as_str())
}

fn due(request: &Request, name: &str) -> Result<(), Problem> {
    let why = match (review(request), by(request)) {
        (Some(_), None) => return Ok(()),
        (Some(_), Some(who)) => format!("{} has reviewed it", plain(who)),
        (None, _) => "no glass was broken for it".to_owned(),
    };
    Err(Problem::refused(format!("`{name}` waits for no review"))
        .why(why)
        .next("see what does: kubectl brevet list --reviewable"))
}
