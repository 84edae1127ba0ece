//! What a person said of a request or grant, and whether it counts.
//!
//! Promises: a decision counts only for the request of that uid, with true
//! claims and, to approve or deny, with the digest of the terms in force; never
//! when approver and requester are one person.
//!
//! Left out on purpose: whether the person holds the verb. Admission checked
//! that against the claims, which is why the claims must be true here.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::reason::{Reason, Refusal};
use crate::request::Request;
use crate::{
    digest::Digest,
    subject::Subject,
    terms::{Narrow, Terms},
    window::Window,
};

/// The act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Agree to exactly these terms.
    Approve,
    /// Refuse.
    Deny,
    /// Take one's own request back before it is in force.
    Withdraw,
    /// End a grant early.
    Revoke,
    /// Say that somebody else has looked at what was done after glass was broken.
    Review,
}

/// An AccessDecision whose spec has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// When the API server stored it.
    pub created_at: Timestamp,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
    /// The act.
    pub verdict: Verdict,
    /// Claimed: the request's name.
    pub request_name: String,
    /// Uid of the request it is about; this alone joins.
    pub request_uid: String,
    /// The digest it attests; absent for Withdraw and Revoke.
    pub digest: Option<Digest>,
    /// Claimed: the request's role.
    pub role: String,
    /// Claimed: the request's namespaces, sorted.
    pub namespaces: Vec<String>,
    /// Claimed: the requester's username.
    pub requester: String,
    /// Claimed: the requester's uid; empty where none is claimed.
    pub requester_uid: String,
    /// Stamped or checked by admission.
    pub approver: Subject,
    /// What the approver wrote.
    pub comment: String,
    /// Approve only this much; the digest is then that of what is left.
    pub narrow: Option<Narrow>,
}

/// Whether a decision counts for the request. `terms` are those in force; `None`
/// where none could be worked out, and then nothing is approved or denied.
///
/// # Errors
/// Why it counts for nothing.
pub fn weigh(decision: &Decision, request: &Request, terms: Option<&Terms>) -> Result<(), Refusal> {
    let refuse = |reason, field: &str, message: &str| Err(Refusal::new(reason, field, message));
    if decision.request_uid != request.uid {
        return refuse(
            Reason::ClaimsMismatch,
            "spec.request.uid",
            "the decision is about another request of that name",
        );
    }
    let has_true_claims = decision.request_name == request.name
        && decision.role == request.role
        && is_same_set(&decision.namespaces, &request.namespaces)
        && decision.requester == request.requester.username
        && (decision.requester_uid.is_empty() || decision.requester_uid == request.requester.uid);
    if !has_true_claims {
        let message = "name, role, namespaces or requester are not those of the request; decide again with its own";
        return refuse(Reason::ClaimsMismatch, "spec.terms", message);
    }
    let (approver, requester) = (&decision.approver, &request.requester);
    let is_own = (&approver.username, &approver.uid) == (&requester.username, &requester.uid);
    // As admission tells them: it asks nobody for a right to give back what is their own.
    let passed_as_own = (&approver.username, &approver.uid) == (&decision.requester, &decision.requester_uid);
    let attests = || terms.is_some_and(|terms| decision.digest == Some(terms.digest()));
    match decision.verdict {
        Verdict::Approve if approver.is_same_person(requester) => {
            refuse(Reason::SelfApproval, "spec.approver", "nobody approves their own request; ask somebody else")
        }
        Verdict::Withdraw if !is_own => {
            refuse(Reason::NotYours, "spec.approver", "only its requester withdraws a request")
        }
        Verdict::Revoke if passed_as_own && !is_own => refuse(
            Reason::NotYours,
            "spec.approver",
            "another of that user name holds it; to revoke it takes the right",
        ),
        Verdict::Review if approver.is_same_person(requester) => {
            refuse(Reason::SelfApproval, "spec.approver", "nobody reviews their own access; ask somebody else")
        }
        Verdict::Approve | Verdict::Deny | Verdict::Review if !attests() => {
            let message = "the digest is not that of the terms in force; read the request again and decide anew";
            refuse(Reason::DigestMismatch, "spec.terms.digest", message)
        }
        Verdict::Approve | Verdict::Deny | Verdict::Withdraw | Verdict::Revoke | Verdict::Review => Ok(()),
    }
}

/// Whether a decision came early enough to matter for a grant of that window.
///
/// # Errors
/// `TooLate`.
pub fn in_time(decision: &Decision, window: &Window) -> Result<(), Refusal> {
    let is_late = match decision.verdict {
        // The requester gives something up: the very second in which it came into force still counts.
        Verdict::Withdraw => decision.created_at > window.not_before,
        Verdict::Approve | Verdict::Deny | Verdict::Revoke => window.is_over(decision.created_at),
        Verdict::Review => false,
    };
    if is_late {
        return Err(Refusal::new(Reason::TooLate, "spec.verdict", "it came after the matter was settled"));
    }
    Ok(())
}

/// How a request stands by what people said, before there is a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdicts<'a> {
    /// Nobody whose word counts has spoken.
    Open,
    /// Approved; these count, in order of time, one for each person.
    Approved(Vec<&'a Decision>),
    /// Denied, by this decision.
    Denied(&'a Decision),
    /// Taken back, by this decision.
    Withdrawn(&'a Decision),
    /// Revoked before it was in force, by this decision.
    Revoked(&'a Decision),
}

/// What the decisions that count add up to. The first word settles the matter;
/// in the same second a refusal goes before an approval. Withdraw and Revoke
/// end it at any time.
#[must_use]
pub fn settle<'a>(request: &Request, terms: &Terms, decisions: &'a [Decision]) -> Verdicts<'a> {
    let mut counted: Vec<&Decision> =
        decisions.iter().filter(|d| !d.is_deleting && weigh(d, request, Some(terms)).is_ok()).collect();
    counted.retain(|d| d.verdict != Verdict::Review);
    let rank = |verdict| match verdict {
        Verdict::Withdraw => 0,
        Verdict::Revoke => 1,
        Verdict::Deny => 2,
        Verdict::Approve | Verdict::Review => 3,
    };
    counted.sort_by(|a, b| (a.created_at, rank(a.verdict), &a.uid).cmp(&(b.created_at, rank(b.verdict), &b.uid)));
    if let Some(end) = counted.iter().find(|d| matches!(d.verdict, Verdict::Withdraw | Verdict::Revoke)) {
        return if end.verdict == Verdict::Withdraw { Verdicts::Withdrawn(end) } else { Verdicts::Revoked(end) };
    }
    match counted.first() {
        None => Verdicts::Open,
        Some(first) if first.verdict == Verdict::Deny => Verdicts::Denied(first),
        Some(_) => {
            let mut approvals: Vec<&Decision> = Vec::new();
            for decision in counted.into_iter().filter(|d| d.verdict == Verdict::Approve) {
                if !approvals.iter().any(|known| known.approver.is_same_person(&decision.approver)) {
                    approvals.push(decision);
                }
            }
            Verdicts::Approved(approvals)
        }
    }
}

fn is_same_set(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Urgency;

    fn subject(username: &str, uid: &str) -> Subject {
        Subject { username: username.into(), uid: uid.into(), groups: BTreeSet::new() }
    }

    fn request() -> Request {
        Request {
            name: "r1".into(),
            uid: "r1-uid".into(),
            created_at: Timestamp::UNIX_EPOCH,
            is_deleting: false,
            requester: subject("robot", "u-1"),
            role: "view-logs".into(),
            namespaces: vec!["shop".into()],
            resources: None,
            duration: None,
            start_at: None,
            justification: "errors".into(),
            urgency: Urgency::Normal,
            ticket: String::new(),
            delivery: None,
        }
    }

    fn said(verdict: Verdict, who: Subject, claimed_uid: &str) -> Decision {
        Decision {
            name: "d1".into(),
            uid: "d1-uid".into(),
            created_at: Timestamp::UNIX_EPOCH,
            is_deleting: false,
            verdict,
            request_name: "r1".into(),
            request_uid: "r1-uid".into(),
            digest: None,
            role: "view-logs".into(),
            namespaces: vec!["shop".into()],
            requester: "robot".into(),
            requester_uid: claimed_uid.into(),
            approver: who,
            comment: String::new(),
            narrow: None,
        }
    }

    #[test]
    fn who_revokes_as_the_requester_is_the_requester() {
        let told = |who: (&str, &str), claimed: &str| {
            let refusal = weigh(&said(Verdict::Revoke, subject(who.0, who.1), claimed), &request(), None).err();
            refusal.map(|refusal| refusal.reason)
        };
        assert_eq!(told(("robot", "u-1"), "u-1"), None);
        // An account of the same name, made anew: admission asked it for no right where it claims its own uid.
        assert_eq!(told(("robot", "u-2"), "u-2"), Some(Reason::ClaimsMismatch));
        assert_eq!(told(("robot", ""), ""), Some(Reason::NotYours));
        // Where it does not, admission asked for the right, as of anybody else.
        for (who, claimed) in
            [(("robot", "u-2"), "u-1"), (("robot", "u-2"), ""), (("bob", ""), ""), (("bob", "7"), "u-1")]
        {
            assert_eq!(told(who, claimed), None, "{who:?} {claimed}");
        }
        assert_eq!(told(("bob", ""), "u-9"), Some(Reason::ClaimsMismatch));
    }

    #[test]
    fn a_false_name_is_a_false_claim() {
        let lie = Decision { request_name: "r2".into(), ..said(Verdict::Revoke, subject("robot", "u-1"), "u-1") };
        assert_eq!(weigh(&lie, &request(), None).unwrap_err().reason, Reason::ClaimsMismatch);
    }
}
