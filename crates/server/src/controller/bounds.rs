//! How much is kept of one person (I16).
//!
//! Promises: an order that never changes decides what is too much, or of one
//! second's objects too many would find themselves within a limit.

use std::collections::BTreeSet;

use brevet_core::request::Request;
use jiff::Timestamp;

use super::{
    index::{SeenRequest, Tables},
    queue::Key,
};

/// The limits, each for one person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Open requests; the newest beyond are removed.
    pub(super) open_requests_max: usize,
    /// Requests that ended without a grant; the oldest beyond leave before their time.
    pub(super) refused_requests_max: usize,
    /// Decisions; the newest beyond are removed, but for those that count.
    pub(super) decisions_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { open_requests_max: usize::MAX, refused_requests_max: usize::MAX, decisions_max: usize::MAX }
    }
}

/// Whether the requester has at least as many older open requests as are allowed.
pub(super) fn is_excess(tables: &Tables, request: &Request) -> bool {
    let max = tables.bounds.open_requests_max;
    let mut open: Vec<_> = tables
        .requests_of(&request.requester.username)
        .filter(|seen| seen.is_open())
        .filter_map(|seen| seen.read.as_ref().ok())
        .map(|other| (other.created_at, other.uid.as_str()))
        .collect();
    if open.len() <= max {
        return false;
    }
    open.sort_unstable();
    open.iter().skip(max).any(|(_, uid)| *uid == request.uid)
}

/// The keys of a person's requests that ended without a grant and are crowded out by newer ones.
pub(super) fn crowded_out(tables: &Tables, requester: &str) -> BTreeSet<Key> {
    let max = tables.bounds.refused_requests_max;
    let refused = tables.requests_of(requester).filter_map(refused);
    let mut refused: Vec<(Timestamp, Key)> = refused.collect();
    let Some(many) = refused.len().checked_sub(max).filter(|many| *many > 0) else { return BTreeSet::new() };
    refused.sort_unstable();
    refused.into_iter().take(many).map(|(_, key)| key).collect()
}

/// When it ended, if it ended without a grant; and its key.
fn refused(seen: &SeenRequest) -> Option<(Timestamp, Key)> {
    let written = seen.written.as_ref().filter(|written| written.grant.is_none())?;
    Some((written.complete_since()?, seen.object.metadata.uid.clone()?))
}
