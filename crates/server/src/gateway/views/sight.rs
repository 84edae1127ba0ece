//! Who may see which request or grant (I15): its owner, and whoever may decide
//! on it.
//!
//! Promises: to decide on it is to hold `approve` or `revoke` on its role in
//! every one of its namespaces, or in the whole cluster where it has none; where
//! no answer can be had, nothing is shown.

use brevet_core::reason::Refusal;

use super::shelf::Shown;
use crate::gateway::{
    door::Visitor,
    rights::{Act, Rights},
};

/// Answers who sees what.
pub(super) struct Sight(pub(super) Rights);

/// The two rights that let somebody see what is another's.
const VERBS: [&str; 2] = ["approve", "revoke"];

impl Sight {
    /// Whether `visitor` may see `shown`.
    pub(super) async fn sees(&self, visitor: &Visitor, shown: &Shown) -> Result<bool, Refusal> {
        if shown.owner.is(&visitor.caller) {
            return Ok(true);
        }
        for verb in VERBS {
            // Who decides on everything everywhere is answered by one question.
            if self.0.may(visitor, on_role(verb, "", "")).await? || self.may_everywhere(visitor, verb, shown).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn may_everywhere(&self, visitor: &Visitor, verb: &str, shown: &Shown) -> Result<bool, Refusal> {
        if shown.namespaces.is_empty() {
            return self.0.may(visitor, on_role(verb, &shown.role, "")).await;
        }
        for namespace in &shown.namespaces {
            if !self.0.may(visitor, on_role(verb, &shown.role, namespace)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn on_role(verb: &str, role: &str, namespace: &str) -> Act {
    Act {
        verb: verb.to_owned(),
        group: brevet_api::GROUP.to_owned(),
        resource: "accessroles".to_owned(),
        name: role.to_owned(),
        namespace: namespace.to_owned(),
        ..Act::default()
    }
}
