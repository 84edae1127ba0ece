//! The kill switches as they are now, kept by whoever watches them.
//!
//! Promises: a switch that cannot be read stops what would begin, and ends nothing.
//!
//! Left out on purpose: watching, and the switches of policies, which are in the book.

use std::sync::{Arc, PoisonError, RwLock};

use brevet_api::{AccessRole, AccessSwitch};
use brevet_core::switch::{Switch, Switches};
use kube::ResourceExt;

/// The name of the one AccessSwitch that counts; admission lets no other be made.
pub(crate) const CLUSTER: &str = "cluster";

/// All switches.
#[derive(Debug, Default)]
pub(crate) struct Switchboard(RwLock<Arc<Switches>>);

impl Switchboard {
    /// As they are.
    pub(crate) fn switches(&self) -> Arc<Switches> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The switch for the whole cluster; `None`: there is none.
    pub(crate) fn set_cluster(&self, object: Option<&AccessSwitch>) {
        let (switch, words) = object.map_or_else(Default::default, read_cluster);
        self.change(|switches| (switches.cluster, switches.words) = (switch, words));
    }

    /// There is a switch for the whole cluster, and it cannot be read.
    pub(crate) fn cluster_is_unreadable(&self) {
        self.change(|switches| {
            (switches.cluster, switches.words) = (Switch::Stop, "its AccessSwitch cannot be read".to_owned());
        });
    }

    /// What a role says.
    pub(crate) fn put_role(&self, role: &AccessRole) {
        let (name, switch) = (role.name_any(), of_role(role));
        self.change(|switches| {
            if switch == Switch::Off {
                switches.roles.remove(&name);
            } else {
                switches.roles.insert(name, switch);
            }
        });
    }

    /// A role is gone.
    pub(crate) fn remove_role(&self, name: &str) {
        self.change(|switches| {
            switches.roles.remove(name);
        });
    }

    /// No role is known any more; all of them follow.
    pub(crate) fn forget_roles(&self) {
        self.change(|switches| switches.roles.clear());
    }

    fn change(&self, change: impl FnOnce(&mut Switches)) {
        let mut switches = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut switches));
    }
}

/// What an AccessSwitch says.
pub(crate) fn read_cluster(object: &AccessSwitch) -> (Switch, String) {
    let spec = &object.spec;
    (Switch::of(spec.suspend, spec.end_active), spec.reason.clone())
}

/// What an AccessRole says.
pub(crate) fn of_role(role: &AccessRole) -> Switch {
    Switch::of(role.spec.suspend, role.spec.end_active)
}
