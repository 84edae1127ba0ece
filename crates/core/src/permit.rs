//! Leave to forward one call: the gateway's table of grants and its one door.
//!
//! Promises: a [`Permit`] exists only for a caller who holds a grant that
//! stands, is ready and inside its window, for a call that the grant's own
//! rules allow; it ends no later than the window. The cost of an answer does
//! not grow with the number of grants, and saying yes allocates nothing.
//!
//! Left out on purpose: how fresh the table is (the gateway stops asking when it
//! has lost contact) and RBAC on the elevation identity, which is the second
//! judge behind this one.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::call::{Call, ResourceCall};
use crate::grant::{Ended, Evidence, Grant, IdentityRef, stands};
use crate::reason::{Reason, Refusal};
use crate::request::OWN_NAMESPACES;
use crate::subject::Caller;

/// One call at the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The grant's name, as it stands in the path.
    pub grant: &'a str,
    /// Who calls.
    pub caller: &'a Caller,
    /// What for.
    pub call: &'a Call,
}

/// Leave to forward one call before [`Permit::until`]. Spent by forwarding.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    elevation: Arc<Elevation>,
    is_long_running: bool,
}

impl Permit {
    /// The grant's name.
    #[must_use]
    pub fn grant_name(&self) -> &str {
        &self.elevation.grant.name
    }

    /// The grant's uid.
    #[must_use]
    pub fn grant_uid(&self) -> &str {
        &self.elevation.grant.uid
    }

    /// The grant as it was judged.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.elevation.grant
    }

    /// The identity to forward as.
    #[must_use]
    pub fn identity(&self) -> &IdentityRef {
        &self.elevation.identity
    }

    /// First instant at which nothing may flow any more.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.elevation.grant.window.not_after
    }

    /// Whether the call may stay open.
    #[must_use]
    pub fn is_long_running(&self) -> bool {
        self.is_long_running
    }
}

/// A grant that stands, with the identity that carries it.
#[derive(Debug)]
struct Elevation {
    grant: Grant,
    identity: IdentityRef,
}

#[derive(Debug)]
enum Entry {
    Ready(Arc<Elevation>),
    NotReady(Box<Grant>),
    Over(Box<Grant>, Ended),
}

impl Entry {
    fn grant(&self) -> &Grant {
        match self {
            Self::Ready(elevation) => &elevation.grant,
            Self::NotReady(grant) | Self::Over(grant, _) => grant,
        }
    }
}

/// Every grant this gateway knows, by name.
#[derive(Debug, Default)]
pub struct Grants {
    by_name: HashMap<String, Entry>,
}

impl Grants {
    /// Takes in a grant as it is now, judged from its evidence. An earlier state
    /// of the name is replaced.
    ///
    /// # Errors
    /// Why the grant does not stand; then its open streams must be cut.
    pub fn apply(&mut self, grant: Grant, evidence: &Evidence, now: Timestamp) -> Result<(), Ended> {
        let judged = stands(&grant, evidence, now);
        let name = grant.name.clone();
        let entry = match (&judged, &grant.identity) {
            (Err(ended), _) => Entry::Over(Box::new(grant), ended.clone()),
            (Ok(()), Some(identity)) if grant.is_ready => {
                Entry::Ready(Arc::new(Elevation { identity: identity.clone(), grant }))
            }
            (Ok(()), _) => Entry::NotReady(Box::new(grant)),
        };
        self.by_name.insert(name, entry);
        judged
    }

    /// Forgets a grant that is gone; another of that name stays.
    pub fn remove(&mut self, name: &str, uid: &str) {
        if self.by_name.get(name).is_some_and(|entry| entry.grant().uid == uid) {
            self.by_name.remove(name);
        }
    }

    /// How many grants are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The one maker of permits.
    ///
    /// # Errors
    /// Why the call is not passed on. Another person's grant and none at all
    /// answer alike.
    pub fn permit(&self, attempt: &Attempt<'_>, now: Timestamp) -> Result<Permit, Refusal> {
        let entry = self.by_name.get(attempt.grant).ok_or_else(no_such_grant)?;
        if !entry.grant().holder.is(attempt.caller) {
            return Err(no_such_grant());
        }
        let grant = entry.grant();
        let elevation = match entry {
            Entry::Over(_, ended) => return Err(over(grant, ended)),
            _ if grant.window.is_over(now) => {
                return Err(over(grant, &Ended { cause: Reason::Expired, at: grant.window.not_after }));
            }
            _ if !grant.window.contains(now) => return Err(not_yet(grant)),
            Entry::NotReady(_) => return Err(not_ready(grant)),
            Entry::Ready(elevation) => elevation,
        };
        let is_long_running = match attempt.call {
            Call::NonResource { verb, path } if verb == "get" && is_discovery(path) => false,
            Call::Resource(call) if is_self_review(call) => false,
            Call::Resource(call) if allows(grant, call) => call.is_long_running(),
            call => return Err(outside_rules(grant, call)),
        };
        Ok(Permit { elevation: Arc::clone(elevation), is_long_running })
    }
}

/// Whether the grant's own rules allow the call where it happens.
fn allows(grant: &Grant, call: &ResourceCall) -> bool {
    let terms = &grant.terms;
    let is_ours = matches!(call.group.as_str(), "brevet.dev" | "sessions.brevet.dev")
        || OWN_NAMESPACES.contains(&call.namespace.as_str());
    let is_in_place = terms.namespaces.is_empty() || terms.namespaces.contains(&call.namespace);
    let has = |verb: &str| terms.rules.allows_verb(verb, call) || terms.companions.allows_verb(verb, call);
    // Below Kubernetes 1.35 a WebSocket GET opens a shell with `get` alone; `create` is what says "shell".
    !is_ours && is_in_place && has(&call.verb) && (!call.opens_pod() || has("create"))
}

/// What kubectl asks before anything else; it tells types, never objects.
fn is_discovery(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let depth = path.split('/').count().saturating_sub(1);
    match segments.next() {
        Some("api") => depth <= 2,
        Some("apis") => depth <= 3,
        Some("openapi") => true,
        Some("version") => depth == 1,
        _ => false,
    }
}

/// What a caller asks about itself, which is the elevation identity here.
fn is_self_review(call: &ResourceCall) -> bool {
    let kind = (call.group.as_str(), call.resource.as_str());
    let is_kind = matches!(
        kind,
        ("authorization.k8s.io", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
            | ("authentication.k8s.io", "selfsubjectreviews")
    );
    is_kind && call.verb == "create" && call.subresource.is_empty() && call.namespace.is_empty() && call.name.is_empty()
}

fn no_such_grant() -> Refusal {
    Refusal::new(Reason::NoSuchGrant, "", "you hold no grant of that name; `kubectl brevet list --mine` shows yours")
}

fn not_ready(grant: &Grant) -> Refusal {
    let message = format!("grant `{0}` is not ready yet; `kubectl brevet wait {0}` returns when it is", grant.name);
    Refusal::new(Reason::NotReady, "", message)
}

fn not_yet(grant: &Grant) -> Refusal {
    let message = format!("grant `{}` begins at {}; come back then", grant.name, grant.window.not_before);
    Refusal::new(Reason::NotYet, "", message)
}

fn over(grant: &Grant, ended: &Ended) -> Refusal {
    let (reason, how) = match ended.cause {
        Reason::Expired => (Reason::WindowClosed, "expired"),
        Reason::Released => (Reason::Ended, "was given back"),
        Reason::Withdrawn => (Reason::Ended, "was withdrawn"),
        Reason::Revoked => (Reason::Ended, "was revoked"),
        Reason::Deleted => (Reason::Ended, "was deleted"),
        Reason::Suspended => (Reason::Ended, "was suspended"),
        Reason::Drift => (Reason::Ended, "ended because what it was made from changed"),
        _ => (Reason::Ended, "ended because its request or approval is gone or counts no more"),
    };
    let message = format!("grant `{}` {how} at {}; ask again: {}", grant.name, ended.at, grant.terms.ask_again());
    Refusal::new(reason, "", message)
}

fn outside_rules(grant: &Grant, call: &Call) -> Refusal {
    let what = match call {
        Call::NonResource { verb, path } => format!("{verb} {path}"),
        Call::Resource(call) => describe(call),
    };
    let message = format!(
        "grant `{0}` does not allow `{1}`; `kubectl brevet get {0}` shows what it allows",
        grant.name,
        what.escape_default()
    );
    Refusal::new(Reason::OutsideRules, "", message)
}

fn describe(call: &ResourceCall) -> String {
    let mut text = format!("{} {}", call.verb, call.resource);
    for (separator, part) in [(".", &call.group), ("/", &call.subresource), (" ", &call.name)] {
        if !part.is_empty() {
            text.push_str(separator);
            text.push_str(part);
        }
    }
    if !call.namespace.is_empty() {
        text.push_str(" in ");
        text.push_str(&call.namespace);
    }
    text
}
