//! The registration with kube-apiserver: the one APIService.
//!
//! An APIService whose server is gone stops namespace deletion in the whole
//! cluster. So it exists only while a replica serves.
//!
//! Promises: a replica that serves creates it and keeps its CA bundle in step;
//! the last one that stops in order removes it, before it drains. Silence is the
//! controller's to notice.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::{
    ByteString,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceSpec, ServiceReference},
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{SYSTEM, lease, limits};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Its name, as Kubernetes wants it.
const NAME: &str = "v1alpha1.sessions.brevet.dev";

/// Low enough that a custom resource of the same plural wins.
const GROUP_PRIORITY: i32 = 100;

/// Keeps the APIService.
pub(super) struct Registration {
    client: Client,
    replica: String,
    port: i32,
}

impl Registration {
    /// For the replica called `replica`, whose Service listens on `port`.
    pub(super) fn new(client: Client, replica: &str, port: u16) -> Self {
        Self { client, replica: replica.to_owned(), port: port.into() }
    }

    /// Keeps it until `stop`, while `serves` says that this replica can answer.
    pub(super) async fn run(
        self,
        mut bundle: watch::Receiver<Option<String>>,
        serves: impl Fn() -> bool + Send,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let known = bundle.borrow_and_update().clone();
            let pause = match known {
                Some(known) if serves() => match self.look(&known).await {
                    Ok(()) => LOOK_EVERY,
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "the APIService could not be looked after");
                        limits::WATCH_RETRY
                    }
                },
                _ => limits::WATCH_RETRY,
            };
            tokio::select! {
                // First: what tells of changes may stop at the same moment.
                biased;
                () = stop.cancelled() => break,
                changed = bundle.changed() => changed?,
                () = tokio::time::sleep(pause) => {}
            }
        }
        // Failing leaves a registration that the controller removes.
        if let Err(error) = self.leave().await {
            tracing::warn!(error = format!("{error:#}"), "the APIService could not be removed");
        }
        Ok(())
    }

    async fn look(&self, bundle: &str) -> anyhow::Result<()> {
        let services: Api<APIService> = Api::all(self.client.clone());
        let params = PostParams::default();
        let looking = async {
            let Some(found) = services.get_opt(NAME).await? else {
                let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
                let service = APIService { metadata, spec: Some(self.spec(bundle, self.port)), status: None };
                services.create(&params, &service).await?;
                tracing::info!("created the APIService");
                return Ok(());
            };
            let port = self.port_beside(&found).await;
            let wanted = self.spec(bundle, port);
            if found.spec.as_ref() != Some(&wanted) {
                services.replace(NAME, &params, &APIService { spec: Some(wanted), ..found }).await?;
                tracing::info!("updated the APIService");
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(limits::OWN_CALL_TIMEOUT, looking).await? {
            // Another replica was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            looked => looked.context("cannot write the APIService"),
        }
    }

    /// The port to write over `found`: ours, but another's while that one lives. Replicas of one
    /// Service have one port; those of a test do not, and would take turns.
    async fn port_beside(&self, found: &APIService) -> i32 {
        let there = found.spec.as_ref().and_then(|spec| spec.service.as_ref()).and_then(|service| service.port);
        match there {
            Some(port) if port != self.port => {
                let others = lease::others_live(&self.client, &self.replica).await;
                if others.unwrap_or(true) { port } else { self.port }
            }
            _ => self.port,
        }
    }

    fn spec(&self, bundle: &str, port: i32) -> APIServiceSpec {
        APIServiceSpec {
            ca_bundle: Some(ByteString(bundle.as_bytes().to_vec())),
            group: Some(brevet_api::sessions::GROUP.to_owned()),
            group_priority_minimum: GROUP_PRIORITY,
            service: Some(ServiceReference {
                name: Some("brevet-gateway".to_owned()),
                namespace: Some(SYSTEM.to_owned()),
                port: Some(port),
            }),
            version: Some(brevet_api::VERSION.to_owned()),
            version_priority: 10,
            ..APIServiceSpec::default()
        }
    }

    /// An orderly stop.
    async fn leave(&self) -> anyhow::Result<()> {
        if lease::others_live(&self.client, &self.replica).await? {
            return Ok(());
        }
        let services: Api<APIService> = Api::all(self.client.clone());
        let params = DeleteParams::default();
        match tokio::time::timeout(limits::OWN_CALL_TIMEOUT, services.delete(NAME, &params)).await? {
            Ok(_) => tracing::info!("removed the APIService: no other replica lives"),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error).context("cannot remove the APIService"),
        }
        Ok(())
    }
}
