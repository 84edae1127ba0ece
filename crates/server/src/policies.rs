//! The organisation's policies as they are now, read and with their conditions
//! compiled.
//!
//! Promises: a policy that cannot be read at all still counts as one: there is
//! a policy, and it lets nobody have anything. Never is "could not read" the
//! same as "there is none".
//!
//! Left out on purpose: watching. Whoever holds the book feeds it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use brevet_api::{AccessPolicy, border};
use brevet_cel::Library;
use brevet_core::{
    policy::{Conditions, Policies, Policy},
    switch::Switch,
};
use kube::ResourceExt;

/// The policies by uid, and all of them in order.
#[derive(Debug, Default)]
pub(crate) struct Book {
    library: Arc<Library>,
    pages: RwLock<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    by_uid: BTreeMap<String, Policy>,
    all: Arc<Policies>,
}

impl Book {
    /// All policies, in order.
    pub(crate) fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.pages.read().unwrap_or_else(PoisonError::into_inner).all)
    }

    /// The language of their conditions.
    pub(crate) fn conditions(&self) -> Arc<dyn Conditions + Send + Sync> {
        Arc::<Library>::clone(&self.library)
    }

    /// Reads one; conditions are compiled here, once.
    pub(crate) fn read(&self, object: &AccessPolicy) -> Policy {
        let fault = |when: &str| self.library.fault(when).map(|fault| fault.to_string());
        border::policy(object, fault).unwrap_or_else(|refusal| {
            unreadable(object.name_any(), object.uid().unwrap_or_default(), &refusal.to_string())
        })
    }

    /// Puts one.
    pub(crate) fn put(&self, policy: Policy) {
        self.change(|by_uid| {
            by_uid.insert(policy.uid.clone(), policy);
        });
    }

    /// Removes the one of that uid.
    pub(crate) fn remove(&self, uid: &str) {
        self.change(|by_uid| {
            by_uid.remove(uid);
        });
    }

    /// These are all.
    pub(crate) fn replace(&self, policies: Vec<Policy>) {
        self.change(|by_uid| *by_uid = policies.into_iter().map(|policy| (policy.uid.clone(), policy)).collect());
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Policy>)) {
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut pages.by_uid);
        pages.all = Arc::new(Policies::new(pages.by_uid.values().cloned().collect()));
    }
}

/// A policy of which no rule can be read.
pub(crate) fn unreadable(name: String, uid: String, why: &str) -> Policy {
    Policy {
        name,
        uid,
        generation: 0,
        priority: 0,
        switch: Switch::Off,
        fault: Some(why.to_owned()),
        people: Vec::new(),
        rules: Vec::new(),
    }
}
