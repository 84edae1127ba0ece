//! What happens next to one request and its grant.
//!
//! ```text
//! request ─ checked ─┬─ refused, denied, withdrawn, nobody in time ──────────────┐
//!                    └─ approved ─ grant ─ identity ─ active ─ over ─ taken away ─┴─ kept a while ─ gone
//! ```
//!
//! Promises: [`plan`] is total and a fixpoint: when its steps have been performed
//! and the world is observed again, nothing is left to do until something changes
//! or `wake_at`. No step gives access after the end of the window or after any
//! cause of an end; no step moves a window.
//!
//! Left out on purpose: how steps are performed, repeated and paced. They may be
//! lost between any two, and performed twice.

pub mod identity;

mod observed;
mod standing;
mod step;

mod ruled;

mod asking;

mod granted;
mod ground;
mod mirror;
mod review;

mod surplus;
mod tidy;

pub use observed::{Acknowledgement, GrantSeen, Grounded, Limits, Observed, Ruled, UnreadRequest};
pub use review::Review;
pub use ruled::question;
pub use standing::{Counted, RequestCondition, RequestStatus, Said, StageSaid, whole_second};
pub use step::{NewGrant, Plan, Step, Wait};
pub use surplus::{KEPT_PER_PERSON, STRAY_SECONDS, SURPLUS_AT_ONCE};

use jiff::Timestamp;

/// What to do now, and when to look again.
#[must_use]
pub fn plan(observed: &Observed, now: Timestamp) -> Plan {
    let mut plan = next(observed, now);
    if plan.steps.is_empty() && plan.surplus.is_empty() && plan.waits_for != Some(Wait::Ground) {
        let surplus = surplus::excess(observed, &plan.narrowed_by);
        // Nothing goes that anything still hangs on, whatever was thought of it one by one.
        if !surplus.is_empty() && next(&surplus::without(observed, &surplus), now) == plan {
            plan.surplus = surplus;
        }
    }
    plan
}

fn next(observed: &Observed, now: Timestamp) -> Plan {
    match (&observed.grant, &observed.request, &observed.unread) {
        (Some(seen), _, _) => granted::plan(observed, seen, now),
        (None, Some(request), _) => asking::plan(observed, request, now),
        (None, None, Some(unread)) => asking::unread(observed, unread, now),
        (None, None, None) => surplus::strays(observed, now),
    }
}
