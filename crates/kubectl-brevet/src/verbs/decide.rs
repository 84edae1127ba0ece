//! `approve`, `deny`, `withdraw`, `release`: one person's acts, and what `review` and `revoke` share
//! with them.
//!
//! Promises: approve and deny attest the digest of what was shown; approve, deny and revoke ask on a
//! terminal and need `--yes` elsewhere; release and revoke return when the end is confirmed.

use std::time::Duration;

use brevet_api::sessions::Request;
use brevet_api::{
    AccessDecision, AccessDecisionSpec, ClaimedTerms, NarrowBlock, ObjectRef, Phase, StageStatus, SubjectBlock,
    Verdict, border,
};
use kube::api::{ObjectMeta, PostParams};
use tokio::time::Instant;

use super::{Code, DONE};
use crate::asked;
use crate::attest::attest;
use crate::cli::{ApproveArgs, DecideArgs, ReleaseArgs, WithdrawArgs};
use crate::clock::now;
use crate::cluster::{Cluster, call};
use crate::entry::{Entry, is_answered, is_over, phase};
use crate::follow::{self, Awaited};
use crate::plain::plain;
use crate::problem::Problem;
use crate::{outcome, print, spans};

/// The longest comment (design §4).
const COMMENT_CHARS_MAX: usize = 1024;

pub(super) async fn approve(cluster: &Cluster, args: &ApproveArgs) -> anyhow::Result<Code> {
    let narrow = asked::narrowed(&args.narrow)?;
    decide(cluster, &args.decide, Verdict::Approve, narrow).await
}

pub(super) async fn deny(cluster: &Cluster, args: &DecideArgs) -> anyhow::Result<Code> {
    decide(cluster, args, Verdict::Deny, None).await
}

/// Shows the terms, asks, and attests exactly what was shown.
async fn decide(
    cluster: &Cluster,
    args: &DecideArgs,
    verdict: Verdict,
    narrow: Option<NarrowBlock>,
) -> anyhow::Result<Code> {
    let patience = patience(&args.timeout)?;
    check_comment(&args.comment)?;
    let request = evaluated(cluster, &args.name).await?;
    undecided(&request)?;
    let me = cluster.who().await?;
    if verdict == Verdict::Approve && me.username == request.spec.requester.username {
        return Err(Problem::refused(format!("`{}` is your own request", args.name))
            .why("nobody approves their own request (SelfApproval)")
            .next(format!("ask somebody else: kubectl brevet approve {}", args.name))
            .into());
    }
    let mut attested = attest(&request)?;
    if let Some(block) = &narrow {
        let by = border::narrow(block)
            .map_err(|refusal| Problem::from_refusal("what is to be left cannot be read".to_owned(), &refusal))?;
        attested = attested.narrowed(&by)?;
    }
    // Not part of the terms, so nothing depends on whether it can be read.
    let role = cluster.roles().get(&attested.terms().role).await.ok();
    print::say(&attested.sheet(role.as_ref(), now()));
    let act = if verdict == Verdict::Approve { "Approve exactly these terms?" } else { "Deny this request?" };
    confirm(args.yes, act)?;
    let terms = ClaimedTerms { digest: Some(attested.digest.clone()), ..claims(&request) };
    let spec = decision(&request, verdict, terms, me, &args.comment);
    let uid = record(cluster, &request, AccessDecisionSpec { narrow, ..spec }).await?;
    let is_done = |request: &Request| is_answered(request, now()) || left(request, &uid).is_some();
    let seen = settle(cluster, &request, patience, is_done).await?;
    told(&args.name, verdict, &uid, seen)
}

/// What came of the decision.
fn told(name: &str, verdict: Verdict, uid: &str, seen: Option<Entry>) -> anyhow::Result<Code> {
    let word = if verdict == Verdict::Approve { "approved" } else { "denied" };
    match seen {
        Some(entry) if left(&entry.request, uid).is_some() => {
            let (have, of) = counted(stages(&entry.request));
            print::result(&format!("{word}: {name}, {have} of {of}"))?;
            print::say(&format!("still needed: {}", left(&entry.request, uid).unwrap_or_default()));
        }
        Some(entry) if took_effect(verdict, entry.phase()) => {
            print::result(&format!("{word}: {name}{}", until(&entry)))?
        }
        // A decision that lost a race, or that the controller did not count.
        Some(entry) => return Err(outcome::not_granted(&entry).into()),
        None => {
            print::result(&format!("{word}: {name}"))?;
            print::say(&format!("it is recorded and takes effect soon; see: kubectl brevet get {name}"));
        }
    }
    Ok(DONE)
}

fn stages(request: &Request) -> &[StageStatus] {
    request.status.as_ref().map(|status| status.stages.as_slice()).unwrap_or_default()
}

/// How many approvals there are, and how many it takes.
fn counted(stages: &[StageStatus]) -> (usize, usize) {
    let have = stages.iter().map(|stage| stage.approvals.len()).sum();
    (have, stages.iter().map(|stage| stage.required as usize).sum())
}

/// What a waiting request lacks although that decision counts, in words.
fn left(request: &Request, decision_uid: &str) -> Option<String> {
    let stages = stages(request);
    let counts = stages.iter().flat_map(|stage| &stage.approvals).any(|approval| approval.decision.uid == decision_uid);
    let (have, of) = counted(stages);
    (phase(request) == Phase::Pending && counts && have < of).then(|| {
        let lacks = |stage: &StageStatus| {
            let lacking = (stage.required as usize).saturating_sub(stage.approvals.len());
            (lacking > 0).then(|| format!("{lacking} of {}", plain(&stage.name)))
        };
        stages.iter().filter_map(lacks).collect::<Vec<_>>().join(", ")
    })
}

fn took_effect(verdict: Verdict, phase: Phase) -> bool {
    match verdict {
        Verdict::Approve => !matches!(phase, Phase::Denied | Phase::Withdrawn),
        _ => phase == Phase::Denied,
    }
}

fn until(entry: &Entry) -> String {
    match (entry.phase(), entry.until()) {
        (Phase::Active, Some(until)) => format!(", active until {}", spans::utc_and_distance(until, now())),
        (Phase::Approved, _) => ", not yet in force".to_owned(),
        _ => String::new(),
    }
}

/// A request may be read a moment before the controller has looked at it.
async fn evaluated(cluster: &Cluster, name: &str) -> Result<Request, Problem> {
    let request = cluster.request(name).await?;
    if request.status.as_ref().is_some_and(|status| status.terms.is_some()) || is_over(phase(&request)) {
        return Ok(request);
    }
    let awaited = Awaited {
        name,
        uid: request.metadata.uid.clone(),
        deadline: Some(Instant::now() + Duration::from_secs(10)),
        saying: Some("the controller looks at it"),
    };
    let is_read = |request: &Request| {
        request.status.as_ref().is_some_and(|status| status.terms.is_some()) || is_over(phase(request))
    };
    Ok(follow::until(cluster, &awaited, is_read).await?.unwrap_or(request))
}

fn undecided(request: &Request) -> Result<(), Problem> {
    if phase(request) == Phase::Pending {
        return Ok(());
    }
    let name = request.metadata.name.as_deref().unwrap_or_default();
    Err(Problem::refused(format!("`{name}` waits for no decision"))
        .why(format!("it is {} (TooLate)", phase(request)))
        .next(format!("see what became of it: kubectl brevet get {name}")))
}

pub(super) async fn withdraw(cluster: &Cluster, args: &WithdrawArgs) -> anyhow::Result<Code> {
    let patience = patience(&args.timeout)?;
    check_comment(&args.comment)?;
    let request = cluster.request(&args.name).await?;
    let name = &args.name;
    let me = cluster.who().await?;
    if me.username != request.spec.requester.username {
        return Err(Problem::refused(format!("`{name}` is not your request"))
            .why("only its requester withdraws a request (NotYours)")
            .next(format!("deny it: kubectl brevet deny {name}"))
            .into());
    }
    match phase(&request) {
        Phase::Pending | Phase::Approved => {}
        Phase::Active => {
            return Err(Problem::refused(format!("`{name}` is in force already"))
                .why("a request is withdrawn before it is in force")
                .next(format!("give the access back: kubectl brevet release {name}"))
                .into());
        }
        _ => undecided(&request)?,
    }
    take_away(cluster, &request, Verdict::Withdraw, me, &args.comment).await?;
    let seen = settle(cluster, &request, patience, |request| is_over(phase(request))).await?;
    confirmed(name, "withdrawn", seen, patience)
}

pub(super) async fn release(cluster: &Cluster, args: &ReleaseArgs) -> anyhow::Result<Code> {
    let patience = patience(&args.timeout)?;
    check_comment(&args.comment)?;
    let name = &args.name;
    let request = in_force(cluster, name).await?;
    let me = cluster.who().await?;
    if me.username != request.spec.requester.username {
        return Err(Problem::refused(format!("`{name}` is not your access"))
            .why("only its holder gives access back (NotYours)")
            .next(format!("end it: kubectl brevet revoke {name}"))
            .into());
    }
    take_away(cluster, &request, Verdict::Revoke, me, &args.comment).await?;
    let seen = settle(cluster, &request, patience, |request| is_over(phase(request))).await?;
    confirmed(name, "released", seen, patience)
}

/// A request whose access is in force, or about to be.
pub(super) async fn in_force(cluster: &Cluster, name: &str) -> Result<Request, Problem> {
    let request = cluster.request(name).await?;
    match phase(&request) {
        Phase::Active | Phase::Approved | Phase::Revoking => Ok(request),
        Phase::Pending => Err(Problem::refused(format!("`{name}` is not in force"))
            .why("it still waits for an approver")
            .next(format!("take it back: kubectl brevet withdraw {name}, or deny it: kubectl brevet deny {name}"))),
        phase => Err(Problem::refused(format!("`{name}` is over already"))
            .why(format!("it is {phase}"))
            .next(format!("see how it ended: kubectl brevet get {name}"))),
    }
}

/// What a decision says of the request.
pub(super) fn claims(request: &Request) -> ClaimedTerms {
    ClaimedTerms {
        digest: None,
        role: request.spec.role.clone(),
        namespaces: request.spec.namespaces.clone(),
        requester: request.spec.requester.username.clone(),
        requester_uid: request.spec.requester.uid.clone(),
    }
}

pub(super) fn decision(
    request: &Request,
    verdict: Verdict,
    terms: ClaimedTerms,
    approver: SubjectBlock,
    comment: &str,
) -> AccessDecisionSpec {
    let name = request.metadata.name.clone().unwrap_or_default();
    let uid = request.metadata.uid.clone().unwrap_or_default();
    let request = ObjectRef { name, uid };
    AccessDecisionSpec { verdict, request, terms, narrow: None, approver, comment: comment.to_owned() }
}

/// Creates the decision; returns its uid.
pub(super) async fn record(cluster: &Cluster, request: &Request, spec: AccessDecisionSpec) -> Result<String, Problem> {
    let name = request.metadata.name.clone().unwrap_or_default();
    let verb = match spec.verdict {
        Verdict::Approve => "approve",
        Verdict::Deny => "deny",
        Verdict::Withdraw => "withdraw",
        Verdict::Revoke => "revoke",
        Verdict::Review => "review",
    };
    let mut decision = AccessDecision::new("", spec);
    // A name and nothing else: admission refuses any other metadata.
    decision.metadata = ObjectMeta { generate_name: Some(format!("{name}-")), ..ObjectMeta::default() };
    let made =
        call(&format!("{verb} `{name}`"), cluster.new_decisions().create(&PostParams::default(), &decision)).await?;
    Ok(made.metadata.uid.unwrap_or_default())
}

/// Takes away; no digest is needed for that.
pub(super) async fn take_away(
    cluster: &Cluster,
    request: &Request,
    verdict: Verdict,
    me: SubjectBlock,
    comment: &str,
) -> Result<(), Problem> {
    record(cluster, request, decision(request, verdict, claims(request), me, comment)).await.map(drop)
}

/// Waits until the decision shows in the view; `None` when it does not in time.
pub(super) async fn settle(
    cluster: &Cluster,
    request: &Request,
    patience: Duration,
    is_done: impl Fn(&Request) -> bool,
) -> Result<Option<Entry>, Problem> {
    if patience.is_zero() {
        return Ok(None);
    }
    let name = request.metadata.name.clone().unwrap_or_default();
    let awaited = Awaited {
        name: &name,
        uid: request.metadata.uid.clone(),
        deadline: Some(Instant::now() + patience),
        saying: Some("recorded; it is taking effect"),
    };
    let Some(seen) = follow::until(cluster, &awaited, is_done).await? else {
        return Ok(None);
    };
    let grant = cluster.grant_of(&seen).await?;
    Ok(Some(Entry::new(seen, grant)))
}

/// The end of an access, confirmed; or a failure that says that it is not, yet.
pub(super) fn confirmed(name: &str, word: &str, seen: Option<Entry>, patience: Duration) -> anyhow::Result<Code> {
    let Some(entry) = seen else {
        if patience.is_zero() {
            print::result(&format!("{word}: {name}"))?;
            print::say(&format!("its end is not confirmed yet; wait for it: kubectl brevet wait {name} --for ended"));
            return Ok(DONE);
        }
        return Err(Problem::failed(format!("the end of `{name}` is not confirmed after {} s", patience.as_secs()))
            .why("the decision is recorded; Brevet is still confirming that nothing is left, or is away")
            .next(format!("wait for it: kubectl brevet wait {name} --for ended"))
            .into());
    };
    let ended = entry.ended_at().map(|at| format!(", ended {}", spans::utc(at))).unwrap_or_default();
    print::result(&format!("{word}: {name}{ended}"))?;
    Ok(DONE)
}

/// Asks on a terminal; elsewhere `--yes` must have been said.
pub(super) fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !print::can_ask() {
        return Err(Problem::failed("nobody can be asked: this is no terminal; nothing was decided")
            .next("read what is shown, then pass `--yes`")
            .into());
    }
    if print::asks(question)? {
        return Ok(());
    }
    Err(Problem::refused("nothing was decided").into())
}

pub(super) fn patience(timeout: &str) -> Result<Duration, Problem> {
    // No length of core's is empty; here it means not to wait.
    if timeout == "0" || timeout == "0s" {
        return Ok(Duration::ZERO);
    }
    crate::prepare::read_length("--timeout", timeout).map(|length| Duration::from_secs(length.seconds().into()))
}

pub(super) fn check_comment(comment: &str) -> Result<(), Problem> {
    let chars = comment.chars().count();
    if chars <= COMMENT_CHARS_MAX {
        return Ok(());
    }
    Err(Problem::refused(format!("the comment has {chars} characters"))
        .why(format!("at most {COMMENT_CHARS_MAX} are kept")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_a_decision_needs_yes() {
        assert!(confirm(true, "?").is_ok());
    }

    #[test]
    fn a_decision_that_lost_a_race_did_not_take_effect() {
        assert!(took_effect(Verdict::Approve, Phase::Active) && took_effect(Verdict::Deny, Phase::Denied));
        assert!(!took_effect(Verdict::Approve, Phase::Denied) && !took_effect(Verdict::Deny, Phase::Active));
    }

    #[test]
    fn patience_may_be_none() {
        assert_eq!(patience("0s").unwrap(), Duration::ZERO);
        assert_eq!(patience("1m").unwrap(), Duration::from_secs(60));
        assert!(patience("soon").is_err());
    }
}
