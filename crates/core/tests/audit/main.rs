//! The audit log: every event, every chain, every way to tamper with one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]

mod events;
mod samples;
