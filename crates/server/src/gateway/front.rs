//! Keeps the front proxy's description in step with the cluster.
//!
//! Promises: a new CA or list of names is believed without a restart; a
//! description that cannot be read shuts the door.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{WatchEvent, WatchParams},
};
use tokio_util::sync::CancellationToken;

use super::{
    door::{tls::TrustCell, trust::Trust},
    limits,
};
use crate::probes::Health;

const NAME: &str = "extension-apiserver-authentication";

/// Seconds of one watch.
const WATCH_SECONDS: u32 = 240;

/// Keeps `trust` in step until `stop`.
pub(super) async fn run(
    client: Client,
    trust: Arc<TrustCell>,
    health: Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    health.fails("gateway-front-proxy", "not read yet");
    loop {
        let following = follow(&maps, &trust, &health);
        let ended = tokio::select! {
            ended = following => ended,
            () = stop.cancelled() => return Ok(()),
        };
        if let Err(error) = ended {
            tracing::warn!(error = format!("{error:#}"), "the front proxy's description cannot be read");
            tokio::time::sleep(limits::WATCH_RETRY).await;
        }
    }
}

async fn follow(maps: &Api<ConfigMap>, trust: &TrustCell, health: &Health) -> anyhow::Result<()> {
    let map = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, maps.get(NAME)).await??;
    take_in(Some(&map), trust, health);
    let version = map.metadata.resource_version.clone().unwrap_or_default();
    let params = WatchParams::default().fields(&format!("metadata.name={NAME}")).timeout(WATCH_SECONDS);
    let watching = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, maps.watch(&params, &version)).await?;
    let mut events = std::pin::pin!(watching?);
    // A watch that says nothing for longer than it lasts is dead.
    let patience = Duration::from_secs(WATCH_SECONDS.into()) + limits::OWN_CALL_TIMEOUT;
    while let Some(event) = tokio::time::timeout(patience, events.try_next()).await?? {
        match event {
            WatchEvent::Added(map) | WatchEvent::Modified(map) => take_in(Some(&map), trust, health),
            WatchEvent::Deleted(_) => take_in(None, trust, health),
            WatchEvent::Bookmark(_) => {}
            // Too old, most often: read it again.
            WatchEvent::Error(_) => return Ok(()),
        }
    }
    Ok(())
}

fn take_in(map: Option<&ConfigMap>, trust: &TrustCell, health: &Health) {
    let empty = std::collections::BTreeMap::new();
    let data = map.and_then(|map| map.data.as_ref()).unwrap_or(&empty);
    match Trust::read(data) {
        Ok(read) => {
            trust.store(Some(Arc::new(read)));
            health.holds("gateway-front-proxy");
        }
        Err(error) => {
            tracing::error!(error = %error, "the aggregated door is shut");
            trust.store(None);
            health.fails("gateway-front-proxy", error.to_string());
        }
    }
}
