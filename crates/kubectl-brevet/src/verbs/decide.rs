//! `approve`, `deny`, `withdraw`, `release`, `revoke`: one person's acts.
//!
//! Promises: approve and deny attest the digest of what was shown; approve, deny and revoke ask on a
//! terminal and need `--yes` elsewhere; release and revoke return when the end is confirmed.

use std::time::Duration;

use brevet_api::sessions::Request;
use brevet_api::{AccessDecision, AccessDecisionSpec, ClaimedTerms, ObjectRef, Phase, SubjectBlock, Verdict};
use kube::api::{ObjectMeta, PostParams};
use owo_colors::OwoColorize as _;
use tokio::time::Instant;

use super::{Code, DONE};
use crate::attest::attest;
use crate::cli::{DecideArgs, ReleaseArgs, RevokeArgs, WithdrawArgs};
use crate::clock::now;
use crate::cluster::{Cluster, call};
use crate::entry::{Entry, is_answered, is_over, namespaces, phase};
use crate::follow::{self, Awaited};
use crate::plain::plain;
use crate::problem::Problem;
use crate::{outcome, print, spans};

/// The longest comment (design §4).
const COMMENT_CHARS_MAX: usize = 1024;

pub(super) async fn approve(cluster: &Cluster, args: &DecideArgs) -> anyhow::Result<Code> {
    decide(cluster, args, Verdict::Approve).await
}

pub(super) async fn deny(cluster: &Cluster, args: &DecideArgs) -> anyhow::Result<Code> {
    decide(cluster, args, Verdict::Deny).await
}

/// Shows the terms, asks, and attests exactly what was shown.
async fn decide(cluster: &Cluster, args: &DecideArgs, verdict: Verdict) -> anyhow::Result<Code> {
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
    let attested = attest(&request)?;
    // Not part of the terms, so nothing depends on whether it can be read.
    let role = cluster.roles().get(&attested.terms().role).await.ok();
    print::say(&attested.sheet(role.as_ref(), now()));
    let act = if verdict == Verdict::Approve { "Approve exactly these terms?" } else { "Deny this request?" };
    confirm(args.yes, act)?;
    let terms = attested.terms();
    let claims = ClaimedTerms {
        digest: Some(attested.digest.clone()),
        role: terms.role.clone(),
        namespaces: terms.namespaces.clone(),
        requester: terms.requester.clone(),
    };
    record(cluster, &request, verdict, claims, me, &args.comment).await?;
    let word = if verdict == Verdict::Approve { "approved" } else { "denied" };
    let seen = settle(cluster, &request, patience, |request| is_answered(request, now())).await?;
    match seen {
        Some(entry) if took_effect(verdict, entry.phase()) => {
            print::result(&format!("{word}: {}{}", args.name, until(&entry)))?
        }
        // A decision that lost a race, or that the controller did not count.
        Some(entry) => return Err(outcome::not_granted(&entry).into()),
        None => {
            print::result(&format!("{word}: {}", args.name))?;
            print::say(&format!("it is recorded and takes effect soon; see: kubectl brevet get {}", args.name));
        }
    }
    Ok(DONE)
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
    record(cluster, &request, Verdict::Withdraw, claims(&request), me, &args.comment).await?;
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
    record(cluster, &request, Verdict::Revoke, claims(&request), me, &args.comment).await?;
    let seen = settle(cluster, &request, patience, |request| is_over(phase(request))).await?;
    confirmed(name, "released", seen, patience)
}

pub(super) async fn revoke(cluster: &Cluster, args: &RevokeArgs) -> anyhow::Result<Code> {
    let patience = patience(&args.timeout)?;
    check_comment(&args.comment)?;
    let request = in_force(cluster, &args.name).await?;
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
    record(cluster, &request, Verdict::Revoke, claims(&request), me, &args.comment).await?;
    let seen = settle(cluster, &request, patience, |request| is_over(phase(request))).await?;
    confirmed(&args.name, "revoked", seen, patience)
}

/// A request whose access is in force, or about to be.
async fn in_force(cluster: &Cluster, name: &str) -> Result<Request, Problem> {
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

/// Withdraw and Revoke need no digest: they take away only.
fn claims(request: &Request) -> ClaimedTerms {
    ClaimedTerms {
        digest: None,
        role: request.spec.role.clone(),
        namespaces: request.spec.namespaces.clone(),
        requester: request.spec.requester.username.clone(),
    }
}

async fn record(
    cluster: &Cluster,
    request: &Request,
    verdict: Verdict,
    terms: ClaimedTerms,
    approver: SubjectBlock,
    comment: &str,
) -> Result<(), Problem> {
    let name = request.metadata.name.clone().unwrap_or_default();
    let uid = request.metadata.uid.clone().unwrap_or_default();
    let mut decision = AccessDecision::new(
        "",
        AccessDecisionSpec {
            verdict,
            request: ObjectRef { name: name.clone(), uid },
            terms,
            approver,
            comment: comment.to_owned(),
        },
    );
    // A name and nothing else: admission refuses any other metadata.
    decision.metadata = ObjectMeta { generate_name: Some(format!("{name}-")), ..ObjectMeta::default() };
    let verb = match verdict {
        Verdict::Approve => "approve",
        Verdict::Deny => "deny",
        Verdict::Withdraw => "withdraw",
        Verdict::Revoke => "revoke",
    };
    call(&format!("{verb} `{name}`"), cluster.new_decisions().create(&PostParams::default(), &decision)).await?;
    Ok(())
}

/// Waits until the decision shows in the view; `None` when it does not in time.
async fn settle(
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
fn confirmed(name: &str, word: &str, seen: Option<Entry>, patience: Duration) -> anyhow::Result<Code> {
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
fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
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

fn patience(timeout: &str) -> Result<Duration, Problem> {
    // No length of core's is empty; here it means not to wait.
    if timeout == "0" || timeout == "0s" {
        return Ok(Duration::ZERO);
    }
    crate::prepare::read_length("--timeout", timeout).map(|length| Duration::from_secs(length.seconds().into()))
}

fn check_comment(comment: &str) -> Result<(), Problem> {
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
