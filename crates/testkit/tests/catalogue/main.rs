//! Every task that ships, tried with kubectl through an approved grant.
//!
//! Each test shows what works, on the whole role and on named objects, and that
//! the neighbouring thing is refused: by the gateway, in the grant's name.
//!
//! Left out on purpose: shells, attaching and forwarded ports, which are streams
//! and have tests of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "everything here is a test")]
#![allow(clippy::indexing_slicing, reason = "everything here is a test")]

mod task;

mod changing;
mod nodes;
mod reading;
mod running;
