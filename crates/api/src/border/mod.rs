//! The border: where objects become core's values, and core's values are written down.
//!
//! Promises: nothing crosses inwards unread. What cannot be read is refused with the path of the
//! field, never guessed; absent and empty mean the same; sets come out sorted.
//!
//! Left out on purpose: judging. That a duration is readable is said here, that it is too long for its
//! role is core's to say.

mod decision;
mod grant;
mod policy;
mod request;
mod role;
mod rules;
mod terms;
mod words;

pub use decision::narrow;
pub use grant::{ENDED, READY};
pub use policy::{decider, policy, policy_faults, subjects};
pub use request::question;
pub use role::{role, stream_limits};
pub use rules::{policy_rules, rules};
pub use terms::terms;

use crate::blocks::SubjectBlock;
use brevet_core::length::Length;
use brevet_core::reason::{Reason, Refusal};
use brevet_core::subject::Subject;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// What every stored object has.
struct Stored {
    name: String,
    uid: String,
    created_at: Timestamp,
    is_deleting: bool,
}

impl Stored {
    fn read(metadata: &ObjectMeta) -> Result<Self, Refusal> {
        let missing =
            |field| Refusal::new(Reason::Unreadable, field, "is missing; the object was not read from an API server");
        Ok(Self {
            name: metadata.name.clone().ok_or_else(|| missing("metadata.name"))?,
            uid: metadata.uid.clone().ok_or_else(|| missing("metadata.uid"))?,
            created_at: metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0)
                .ok_or_else(|| missing("metadata.creationTimestamp"))?,
            is_deleting: metadata.deletion_timestamp.is_some(),
        })
    }
}

impl From<&SubjectBlock> for Subject {
    fn from(block: &SubjectBlock) -> Self {
        Self {
            username: block.username.clone(),
            uid: block.uid.clone(),
            groups: block.groups.iter().cloned().collect(),
        }
    }
}

impl From<&Subject> for SubjectBlock {
    fn from(subject: &Subject) -> Self {
        Self {
            username: subject.username.clone(),
            uid: subject.uid.clone(),
            groups: subject.groups.iter().cloned().collect(),
        }
    }
}

fn length(field: &str, text: &str) -> Result<Length, Refusal> {
    Length::parse(text).map_err(|refusal| Refusal { field: field.to_owned(), ..refusal })
}

fn instant(field: &str, text: &str) -> Result<Timestamp, Refusal> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Refusal::new(
            Reason::Unreadable,
            field,
            format!("`{}` is not a time; write it like `2026-12-01T08:00:00Z`", shown.escape_default()),
        )
    })
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}
