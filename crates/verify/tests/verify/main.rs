//! The program against whole and broken exports, and the vectors of
//! `docs/spec/audit-log.md`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../../../core/tests/audit/samples.rs"]
mod samples;

mod key;

mod book;

mod program;
mod vectors;
