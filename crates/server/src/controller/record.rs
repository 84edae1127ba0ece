//! Puts on record that the admission policies stand, and thereby since when.
//!
//! Promises: what goes on record has stood unchanged for [`SETTLE`], as this
//! process saw it; a record is never edited, only replaced by a younger one.
//!
//! Left out on purpose: judging. Whether they stand, and whether the record that
//! is there says so, is the guard's to tell.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};
use tokio::sync::watch;

use super::act::{ActError, Doing as _, Writer};
use crate::{
    call::{self, CALL_TIMEOUT},
    guard::{self, Fault, Guard, Unlisted, record},
};

/// kube-apiserver takes in changed policies once a second, each replica by itself; and the clocks of
/// two replicas differ by less than what is left of this.
const SETTLE: Duration = Duration::from_secs(2);
/// The watch tells of a new record within this, or it is made again.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// Makes the record whenever there is none that names what stands.
pub(super) async fn keep(mut guard: watch::Receiver<Guard>, writer: Writer) -> anyhow::Result<()> {
    loop {
        let unlisted = next(&mut guard).await;
        tokio::select! {
            () = guard::changed(&mut guard) => continue,
            () = tokio::time::sleep(SETTLE) => {}
        }
        match put(&writer, &unlisted).await {
            Ok(()) => tracing::warn!(
                why = unlisted.news,
                "the admission policies are on record anew; what was asked or approved before counts no more"
            ),
            Err(error) => tracing::warn!(error = call::told(&error), "the admission policies are not on record yet"),
        }
        // Whichever comes first: then the guard is asked again.
        tokio::time::timeout(HEARD_WITHIN, guard::changed(&mut guard)).await.ok();
    }
}

/// Waits until something is to be put on record.
async fn next(guard: &mut watch::Receiver<Guard>) -> Unlisted {
    loop {
        if let Some(Fault::Unlisted(unlisted)) = guard.borrow_and_update().fault() {
            return unlisted.clone();
        }
        guard::changed(guard).await;
    }
}

async fn put(writer: &Writer, unlisted: &Unlisted) -> Result<(), ActError> {
    let records = Api::<ConfigMap>::namespaced(writer.client(), record::NAMESPACE);
    if let Some(uid) = &unlisted.outdated {
        writer.delete(&records, record::NAME, uid).await?;
    }
    writer.may_write()?;
    let object = record::object(&unlisted.standing);
    let made = call::within(CALL_TIMEOUT, records.create(&PostParams::default(), &object)).await;
    made.map(drop).doing("put the admission policies on record")
}
