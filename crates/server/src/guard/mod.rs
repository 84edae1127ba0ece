//! Whether the admission policies stand as shipped.
//!
//! They are load-bearing: without them anybody who may create a request may
//! write another's name into it. So controller and gateway stop working, not
//! just warn, while a policy or its binding is missing or altered.
//!
//! Promises: [`Guard::Intact`] is said only after every policy and binding was
//! read and found equal; not being able to read them for
//! [`UNKNOWN_AT_MOST`] is as bad as their absence.
//!
//! Left out on purpose: the stamping policies. They only fill in what the
//! others check.

mod compare;
mod shipped;

use std::{pin::Pin, time::Duration};

use anyhow::Context as _;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::Api;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Between two checks.
const EVERY: Duration = Duration::from_secs(60);
/// Between two checks while something is wrong.
const EVERY_WHILE_BROKEN: Duration = Duration::from_secs(5);
/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the last good answer is believed when none can be had.
const UNKNOWN_AT_MOST: Duration = Duration::from_secs(120);

/// The state of the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Every policy and binding was read and equals what ships.
    Intact,
    /// Do not work: this is why.
    Broken(String),
}

impl Guard {
    /// Whether work may go on.
    pub(crate) fn is_intact(&self) -> bool {
        *self == Self::Intact
    }
}

/// The task that keeps checking.
type Watching = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Checks once, and returns `shared` with the guard in it and the task that
/// goes on checking until `stop`.
pub(crate) async fn watch(shared: Shared, stop: CancellationToken) -> anyhow::Result<(Shared, Watching)> {
    let shipped = shipped::policies().context("the policies built into this binary cannot be read")?;
    let first = match check(&shared, &shipped).await {
        Ok(state) => state,
        Err(error) => Guard::Broken(format!("the policies could not be read: {error:#}")),
    };
    tell(&shared, &first);
    let (sender, receiver) = watch::channel(first);
    let shared = Shared { guard: receiver, ..shared };
    let watching = Box::pin(keep_checking(shared.clone(), shipped, sender, stop));
    Ok((shared, watching))
}

async fn keep_checking(
    shared: Shared,
    shipped: Vec<shipped::Object>,
    sender: watch::Sender<Guard>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut known_at = Instant::now();
    loop {
        let pause = if sender.borrow().is_intact() { EVERY } else { EVERY_WHILE_BROKEN };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
        let state = match check(&shared, &shipped).await {
            Ok(state) => {
                known_at = Instant::now();
                state
            }
            Err(error) if known_at.elapsed() < UNKNOWN_AT_MOST => {
                tracing::warn!(role = shared.role, error = format!("{error:#}"), "the policies could not be read");
                continue;
            }
            Err(error) => Guard::Broken(format!("the policies could not be read: {error:#}")),
        };
        if *sender.borrow() != state {
            tell(&shared, &state);
            sender.send_replace(state);
        }
    }
}

fn tell(shared: &Shared, state: &Guard) {
    let check = format!("{}-policies", shared.role);
    match state {
        Guard::Intact => {
            tracing::info!(role = shared.role, "the admission policies stand as shipped");
            shared.health.holds(check);
        }
        Guard::Broken(why) => {
            tracing::error!(role = shared.role, why, "work stops: the admission policies do not stand as shipped");
            shared.health.fails(check, why.clone());
        }
    }
}

/// Reads every policy and binding. `Err`: could not decide.
async fn check(shared: &Shared, shipped: &[shipped::Object]) -> anyhow::Result<Guard> {
    let found = tokio::time::timeout(CHECK_TIMEOUT, async {
        let mut found = Vec::with_capacity(shipped.len());
        for object in shipped {
            found.push((object, read(shared, object).await?));
        }
        anyhow::Ok(found)
    })
    .await
    .context("kube-apiserver did not answer in time")??;
    let faults: Vec<String> = found.iter().filter_map(|(object, actual)| fault(object, actual.as_ref())).collect();
    Ok(if faults.is_empty() {
        Guard::Intact
    } else {
        Guard::Broken(format!("{}; apply the policies of this release again", faults.join("; ")))
    })
}

fn fault(object: &shipped::Object, actual: Option<&Value>) -> Option<String> {
    let Some(actual) = actual else { return Some(format!("{} is missing", object.told())) };
    if actual.pointer("/metadata/deletionTimestamp").is_some() {
        return Some(format!("{} is being deleted", object.told()));
    }
    let place = compare::first_difference(&object.spec, actual.get("spec").unwrap_or(&Value::Null))?;
    Some(format!("{} was altered at `spec{place}`", object.told()))
}

/// The object as stored; `None` where there is none.
async fn read(shared: &Shared, object: &shipped::Object) -> anyhow::Result<Option<Value>> {
    let client = shared.client.clone();
    let found = match object.kind {
        shipped::Kind::Policy => {
            let policy = Api::<ValidatingAdmissionPolicy>::all(client).get_opt(&object.name).await?;
            policy.map(serde_json::to_value)
        }
        shipped::Kind::Binding => {
            let binding = Api::<ValidatingAdmissionPolicyBinding>::all(client).get_opt(&object.name).await?;
            binding.map(serde_json::to_value)
        }
    };
    found.transpose().context("kube-apiserver's answer could not be read")
}
