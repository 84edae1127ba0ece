//! Says on each AccessRole whether it can be asked for, and on each AccessPolicy
//! whether it is sound.
//!
//! Left out on purpose: deciding by it. Every check works out the role anew;
//! the condition is for the role's author.

use std::{sync::Arc, time::Duration};

use brevet_api::{AccessPolicy, AccessRole, Condition};
use brevet_core::{request::RoleState, role::lint};
use kube::{Api, ResourceExt, api::PostParams};
use tokio::sync::Notify;

use super::{
    act::{ActError, Writer},
    index::Index,
    wire,
};
use crate::{
    call::{self, CALL_TIMEOUT},
    clock, ground,
};

/// The condition's type.
const ACCEPTED: &str = "Accepted";
/// Changes come in bursts when files are applied; they are answered together.
const TOGETHER: Duration = Duration::from_millis(200);
/// After a write failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Judges every role whenever one may have changed.
pub(super) async fn judge(index: Arc<Index>, changed: Arc<Notify>, writer: Writer) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(TOGETHER).await;
        let stale = stale(&index);
        let mut failed = false;
        for object in stale {
            if let Err(error) = write(&index, &writer, &object).await {
                failed = true;
                tracing::warn!(error = call::told(&error), "an AccessRole's status was not written");
            }
        }
        for object in stale_policies(&index) {
            if let Err(error) = write_policy(&index, &writer, &object).await {
                failed = true;
                tracing::warn!(error = call::told(&error), "an AccessPolicy's status was not written");
            }
        }
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(AGAIN), if failed => {}
        }
    }
}

/// The roles whose condition says something else than it should, as they should be.
fn stale(index: &Index) -> Vec<AccessRole> {
    let tables = index.read();
    let lookup = |name: &str| tables.cluster_roles.get(name).map(|role| ground::allowed(role));
    let judged = tables.roles.values().filter_map(|role| {
        let (status, reason, message) = match ground::assemble(role, lookup).0 {
            RoleState::Found(read) => match lint(&read).first() {
                None => ("True", "Sound", "it can be asked for".to_owned()),
                Some(finding) => ("False", "Dangerous", finding.to_string()),
            },
            RoleState::Unsound(why) => ("False", "Unsound", why),
            RoleState::Missing | RoleState::Unknown => return None,
        };
        let said = role.status.iter().flat_map(|status| &status.conditions).find(|c| c.type_ == ACCEPTED);
        if said.is_some_and(|c| c.status == status && c.reason == reason && c.message == message) {
            return None;
        }
        let mut object = AccessRole::clone(role);
        let conditions = &mut object.status.get_or_insert_default().conditions;
        conditions.retain(|condition| condition.type_ != ACCEPTED);
        conditions.push(wire::condition(ACCEPTED, status, reason, &message, clock::now()));
        Some(object)
    });
    judged.collect()
}

/// The policies whose condition says something else than it should, as they should be.
fn stale_policies(index: &Index) -> Vec<AccessPolicy> {
    let tables = index.read();
    let judged = tables.policies.values().filter_map(|object| {
        let (status, reason, message) = match tables.book.read(object).fault {
            None => ("True", "Sound", "it decides".to_owned()),
            Some(fault) => ("False", "Faulty", format!("it denies what its rules match: {fault}")),
        };
        let said = object.status.iter().flat_map(|status| &status.conditions).find(|c| c.type_ == ACCEPTED);
        if said.is_some_and(|c| {
            c.status == status && c.message == message && c.observed_generation == object.metadata.generation
        }) {
            return None;
        }
        let mut object = AccessPolicy::clone(object);
        let observed_generation = object.metadata.generation;
        let conditions = &mut object.status.get_or_insert_default().conditions;
        conditions.retain(|condition| condition.type_ != ACCEPTED);
        let condition = wire::condition(ACCEPTED, status, reason, &message, clock::now());
        conditions.push(Condition { observed_generation, ..condition });
        Some(object)
    });
    judged.collect()
}

async fn write_policy(index: &Index, writer: &Writer, object: &AccessPolicy) -> Result<(), ActError> {
    writer.may_write()?;
    let api = Api::<AccessPolicy>::all(writer.client());
    let name = object.name_any();
    match call::within(CALL_TIMEOUT, api.replace_status(&name, &PostParams::default(), object)).await {
        Ok(written) => {
            index.write().policies.insert(name, Arc::new(written));
            Ok(())
        }
        // Changed meanwhile: the watch tells of it.
        Err(error) if error.is_conflict() || error.is_absence_of(&name) => Ok(()),
        Err(source) => Err(ActError::Call { what: "write an AccessPolicy's status", source }),
    }
}

async fn write(index: &Index, writer: &Writer, object: &AccessRole) -> Result<(), ActError> {
    writer.may_write()?;
    let api = Api::<AccessRole>::all(writer.client());
    let name = object.name_any();
    let written = call::within(CALL_TIMEOUT, api.replace_status(&name, &PostParams::default(), object)).await;
    match written {
        Ok(written) => {
            index.write().roles.insert(name, Arc::new(written));
            Ok(())
        }
        // Changed meanwhile: the watch tells of it.
        Err(error) if error.is_conflict() || error.is_absence_of(&name) => Ok(()),
        Err(source) => Err(ActError::Call { what: "write an AccessRole's status", source }),
    }
}
