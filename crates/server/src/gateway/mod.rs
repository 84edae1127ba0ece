//! The gateway: who, which grant, still inside the window; then forward, and cut at the deadline.

mod limits;

mod door;

mod reply;

use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Flags of the gateway.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {}

/// Runs until `stop`.
pub(crate) async fn run(_options: Options, _shared: Shared, stop: CancellationToken) -> anyhow::Result<()> {
    stop.cancelled().await;
    Ok(())
}
