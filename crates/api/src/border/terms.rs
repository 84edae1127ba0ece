//! Terms: the block on the wire holds all that the digest is over, but for requester and role, which
//! stand beside it.

use super::rules::listed;
use super::{instant, length, sorted};
use crate::blocks::{Rule, SubjectBlock, TermsBlock};
use brevet_core::digest::Digest;
use brevet_core::reason::{Reason, Refusal};
use brevet_core::rules::Rules;
use brevet_core::terms::Terms;

/// The terms that `block` at `path` holds for `requester` and `role`, and the digest written there,
/// which is a claim: whoever relies on it compares it with [`Terms::digest`].
///
/// # Errors
/// With the path of the field that cannot be read.
pub fn terms(path: &str, block: &TermsBlock, requester: &SubjectBlock, role: &str) -> Result<(Terms, Digest), Refusal> {
    let digest = Digest::parse(&block.digest).ok_or_else(|| {
        Refusal::new(
            Reason::Unreadable,
            format!("{path}.digest"),
            "is not `sha256:` and 64 hexadecimal digits; copy it from status.terms.digest",
        )
    })?;
    let start_at = block.start_at.as_deref().map(|text| instant(&format!("{path}.startAt"), text));
    let terms = Terms {
        requester: requester.username.clone(),
        requester_uid: requester.uid.clone(),
        role: role.to_owned(),
        rules: union(&block.rules),
        companions: union(&block.companions),
        namespaces: sorted(&block.namespaces),
        duration: length(&format!("{path}.duration"), &block.duration)?,
        start_at: start_at.transpose()?,
        delivery: block.delivery.into(),
    };
    Ok((terms, digest))
}

impl From<&Terms> for TermsBlock {
    fn from(terms: &Terms) -> Self {
        Self {
            digest: terms.digest().to_string(),
            rules: listed(&terms.rules),
            companions: listed(&terms.companions),
            namespaces: terms.namespaces.clone(),
            duration: terms.duration.to_string(),
            start_at: terms.start_at.map(|at| at.to_string()),
            delivery: terms.delivery.into(),
        }
    }
}

fn union(rules: &[Rule]) -> Rules {
    rules.iter().map(brevet_core::rules::Rule::from).collect()
}
