//! The controller: gathers, decides, acts.

use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Flags of the controller.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {}

/// Runs until `stop`.
pub(crate) async fn run(_options: Options, _shared: Shared, stop: CancellationToken) -> anyhow::Result<()> {
    stop.cancelled().await;
    Ok(())
}
