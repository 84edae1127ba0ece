//! Which identities are being made, joined and retired by this process.
//!
//! Promises: an identity is retired once and never joined again; it is not
//! retired while a grant is joining it; two equal identities are not made at
//! once where one would do.
//!
//! Left out on purpose: other processes. A deposed leader can at worst make an
//! identity too many, which is found as an orphan.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The marks.
#[derive(Debug, Default)]
pub(super) struct Identities(Mutex<Marks>);

#[derive(Debug, Default)]
struct Marks {
    /// By the digest of the rules: the name being made.
    making: HashMap<String, String>,
    /// By the identity's uid: how many grants are joining it.
    joining: HashMap<String, usize>,
    retired: HashSet<String>,
}

/// While it lives, an identity is being made under this name.
#[derive(Debug)]
pub(super) struct Making {
    all: Arc<Identities>,
    rules: String,
}

/// While it lives, a grant is joining the identity.
#[derive(Debug)]
pub(super) struct Joining {
    all: Arc<Identities>,
    uid: String,
}

impl Identities {
    /// Begins to make one; `None`: an equal one is being made, look again soon.
    pub(super) fn make(self: &Arc<Self>, rules: &str, name: &str) -> Option<Making> {
        let mut marks = self.marks();
        if marks.making.contains_key(rules) {
            return None;
        }
        marks.making.insert(rules.to_owned(), name.to_owned());
        Some(Making { all: self.clone(), rules: rules.to_owned() })
    }

    /// Begins to join one; `None`: it is retired.
    pub(super) fn join(self: &Arc<Self>, uid: &str) -> Option<Joining> {
        let mut marks = self.marks();
        if marks.retired.contains(uid) {
            return None;
        }
        *marks.joining.entry(uid.to_owned()).or_default() += 1;
        Some(Joining { all: self.clone(), uid: uid.to_owned() })
    }

    /// Retires one; `false`: a grant is joining it.
    pub(super) fn retire(&self, uid: &str) -> bool {
        let mut marks = self.marks();
        let is_free = !marks.joining.contains_key(uid);
        if is_free {
            marks.retired.insert(uid.to_owned());
        }
        is_free
    }

    /// Whether it is retired.
    pub(super) fn is_retired(&self, uid: &str) -> bool {
        self.marks().retired.contains(uid)
    }

    /// The names being made now.
    pub(super) fn in_making(&self) -> HashSet<String> {
        self.marks().making.values().cloned().collect()
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.all.marks().making.remove(&self.rules);
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let mut marks = self.all.marks();
        if let Some(count) = marks.joining.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                marks.joining.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_identity_is_never_joined_again() {
        let all = Arc::new(Identities::default());
        assert!(all.retire("u"));
        assert!(all.join("u").is_none());
    }

    #[test]
    fn an_identity_being_joined_is_not_retired() {
        let all = Arc::new(Identities::default());
        let joining = all.join("u").unwrap();
        assert!(!all.retire("u"));
        drop(joining);
        assert!(all.retire("u"));
    }

    #[test]
    fn equal_identities_are_made_one_at_a_time() {
        let all = Arc::new(Identities::default());
        let making = all.make("rules", "e-1").unwrap();
        assert!(all.make("rules", "e-2").is_none());
        assert_eq!(all.in_making(), HashSet::from(["e-1".to_owned()]));
        drop(making);
        assert!(all.make("rules", "e-2").is_some());
    }
}
