//! The audit log: every event, every chain, every way to tamper with one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::string_slice, reason = "at quotes")]

mod samples;
mod toy;

mod book;

mod bounds;
mod events;
mod removed;
mod tampering;
mod trees;
