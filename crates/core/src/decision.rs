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
use crate::{digest::Digest, subject::Subject, terms::Terms, window::Window};

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
    /// Name of the request it is about.
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
    /// Stamped or checked by admission.
    pub approver: Subject,
    /// What the approver wrote.
    pub comment: String,
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
    let has_true_claims = decision.role == request.role
        && is_same_set(&decision.namespaces, &request.namespaces)
        && decision.requester == request.requester.username;
    if !has_true_claims {
        let message = "role, namespaces or requester are not those of the request; decide again with its own";
        return refuse(Reason::ClaimsMismatch, "spec.terms", message);
    }
    let (approver, requester) = (&decision.approver, &request.requester);
    let is_own = (&approver.username, &approver.uid) == (&requester.username, &requester.uid);
    let attests = || terms.is_some_and(|terms| decision.digest == Some(terms.digest()));
    match decision.verdict {
        Verdict::Approve if approver.is_same_person(requester) => {
            refuse(Reason::SelfApproval, "spec.approver", "nobody approves their own request; ask somebody else")
        }
        Verdict::Withdraw if !is_own => {
            refuse(Reason::NotYours, "spec.approver", "only its requester withdraws a request")
        }
        Verdict::Approve | Verdict::Deny if !attests() => {
            let message = "the digest is not that of the terms in force; read the request again and decide anew";
            refuse(Reason::DigestMismatch, "spec.terms.digest", message)
        }
        Verdict::Approve | Verdict::Deny | Verdict::Withdraw | Verdict::Revoke => Ok(()),
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
    };
    if is_late {
        return Err(Refusal::new(Reason::TooLate, "spec.verdict", "it came after the matter was settled"));
    }
    Ok(())
}

fn is_same_set(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}
