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

mod tidy;

pub use observed::{Acknowledgement, GrantSeen, Grounded, Limits, Observed, Ruled};
pub use review::Review;
pub use ruled::question;
pub use standing::{Counted, RequestCondition, RequestStatus, Said, StageSaid, whole_second};
pub use step::{NewGrant, Plan, Step, Wait};

use jiff::Timestamp;

/// What to do now, and when to look again.
#[must_use]
pub fn plan(observed: &Observed, now: Timestamp) -> Plan {
    match (&observed.grant, &observed.request) {
        (Some(seen), _) => granted::plan(observed, seen, now),
        (None, Some(request)) => asking::plan(observed, request, now),
        (None, None) => {
            let mut plan = Plan::default();
            tidy::strays(observed, now, &mut plan);
            plan
        }
    }
}
