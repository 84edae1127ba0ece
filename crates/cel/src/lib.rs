//! Conditions of policies in CEL, behind a guard.
//!
//! Promises: no condition, however written, overflows a stack, runs long or
//! ends the process: it is bounded in length, depth, size and cost before it is
//! ever evaluated, and what still goes wrong is an error, never a `true`. A
//! condition that names a variable or field that does not exist, or compares
//! what cannot be compared, is refused with its line and column when it is
//! written.
//!
//! Left out on purpose: functions that make text grow (`replace`, `join`,
//! `format`), types of one's own, and reading the clock: `now` is given.
//!
//! In reading order: what conditions may speak of (`vocabulary`), the `guard`,
//! evaluation ([`Condition`]) and what is compiled once ([`Library`]).

mod vocabulary;

mod guard;

mod condition;

mod library;

use std::fmt;

pub use condition::Condition;
pub use library::Library;

/// Bytes of a condition at most.
pub const BYTES_MAX: usize = 4 * 1024;

/// Why a condition is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

#[cfg(test)]
mod tests;
