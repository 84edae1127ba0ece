//! The hand that writes: leave to write, deletion by uid, and the binder.

use brevet_core::lifecycle::identity::PartKind;
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Preconditions},
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{ActError, Doing as _};
use crate::{
    call::{self, CALL_TIMEOUT},
    controller::{lead::Term, parts},
    guard::Guard,
};

/// Writes, while it may.
#[derive(Clone)]
pub(in crate::controller) struct Writer {
    client: Client,
    /// Creates RBAC objects: as `brevet:binder` where the server can limit that to creating them.
    binder: Client,
    term: Term,
    guard: watch::Receiver<Guard>,
}

impl Writer {
    /// Writes through `client`, and creates RBAC objects through `binder`.
    pub(in crate::controller) fn new(
        client: Client,
        binder: Client,
        term: Term,
        guard: watch::Receiver<Guard>,
    ) -> Self {
        Self { client, binder, term, guard }
    }

    /// Leave to write one thing that gives somebody something. Asked for right before each such write.
    pub(in crate::controller) fn may_give(&self) -> Result<(), ActError> {
        self.may_write()?;
        match self.guard.borrow().fault() {
            None => Ok(()),
            Some(fault) => Err(ActError::NotAllowed(fault.to_string())),
        }
    }

    /// Leave to write one thing that gives nobody anything: no end waits for the policies.
    pub(in crate::controller) fn may_write(&self) -> Result<(), ActError> {
        if self.term.holds() {
            return Ok(());
        }
        Err(ActError::NotAllowed("another replica may lead now".to_owned()))
    }

    /// Speaks as the controller.
    pub(in crate::controller) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Speaks as whoever holds the catalogue; for creating RBAC objects alone.
    pub(in crate::controller) fn binder(&self) -> Client {
        self.binder.clone()
    }

    /// Removes exactly the object of that uid; `false`: it was not there.
    pub(in crate::controller) async fn delete<K>(&self, api: &Api<K>, name: &str, uid: &str) -> Result<bool, ActError>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        self.may_write()?;
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let exactly = DeleteParams { preconditions, ..DeleteParams::background() };
        match call::within(CALL_TIMEOUT, api.delete(name, &exactly)).await {
            Ok(_) => Ok(true),
            // Gone, or another object of that name: either way not there any more.
            Err(error) if error.is_absence_of(name) || error.is_conflict() => Ok(false),
            Err(error) => Err(error).doing("remove an object"),
        }
    }

    /// Removes exactly that part; `false`: it was not there.
    pub(in crate::controller) async fn delete_part(
        &self,
        kind: PartKind,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<bool, ActError> {
        let client = self.client();
        match kind {
            PartKind::Role => self.delete(&Api::<Role>::namespaced(client, namespace), name, uid).await,
            PartKind::RoleBinding => self.delete(&Api::<RoleBinding>::namespaced(client, namespace), name, uid).await,
            PartKind::ClusterRole => self.delete(&Api::<ClusterRole>::all(client), name, uid).await,
            PartKind::ClusterRoleBinding => self.delete(&Api::<ClusterRoleBinding>::all(client), name, uid).await,
            PartKind::Anchor => self.delete(&Api::<Secret>::namespaced(client, parts::NAMESPACE), name, uid).await,
            PartKind::ServiceAccount => {
                self.delete(&Api::<ServiceAccount>::namespaced(client, parts::NAMESPACE), name, uid).await
            }
        }
    }
}
