//! The promises of the design on the whole of Brevet, named by invariant.
//!
//! Left out on purpose: what the gateway alone must keep (`gateway/`), what
//! admission must refuse (`admit_*`), and how the controller goes from state to
//! state (`life`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "everything here is a test")]
#![allow(clippy::indexing_slicing, reason = "everything here is a test")]

mod scene;

mod absence;
mod deadline;
mod exactness;
mod neighbours;
mod persistence;
mod privacy;
mod secrets;
mod sizes;
