//! Conditions compiled once.
//!
//! Promises: what was compiled is kept by its text, up to [`KEPT_MAX`] of them,
//! so a stranger's policies cannot fill memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use brevet_core::policy::{Conditions, PolicyRequest};
use jiff::Timestamp;

use crate::{Condition, Fault};

/// Conditions kept at most.
const KEPT_MAX: usize = 4096;

/// Every condition met so far.
#[derive(Debug, Default)]
pub struct Library {
    kept: Mutex<HashMap<String, Arc<Result<Condition, Fault>>>>,
}

impl Library {
    /// What is wrong with the condition, if anything.
    #[must_use]
    pub fn fault(&self, text: &str) -> Option<Fault> {
        self.condition(text).as_ref().as_ref().err().cloned()
    }

    fn condition(&self, text: &str) -> Arc<Result<Condition, Fault>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(text) {
            return Arc::clone(known);
        }
        // Compiled outside the lock: others must not wait for a thread.
        let made = Arc::new(Condition::compile(text));
        let mut all = kept();
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert(text.to_owned(), Arc::clone(&made));
        made
    }
}

impl Conditions for Library {
    fn holds(&self, expression: &str, request: &PolicyRequest, now: Timestamp) -> Result<bool, String> {
        match self.condition(expression).as_ref() {
            Ok(condition) => condition.holds(request, now),
            Err(fault) => Err(fault.to_string()),
        }
    }
}
