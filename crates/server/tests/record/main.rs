//! The store of the audit log, on a real disk, with faults put in.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]

mod crash;
mod disk;
mod faults;
mod keeping;
mod scene;
