//! `version`: of this plugin and of the cluster.

use serde::Serialize;

use super::{Code, DONE};
use crate::cli::{Format, VersionArgs};
use crate::cluster::{Cluster, call};
use crate::origin::Wish;
use crate::plain::plain;
use crate::print;

/// Both versions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
}

pub(super) async fn run(wish: &Wish, args: &VersionArgs) -> anyhow::Result<Code> {
    let client = env!("CARGO_PKG_VERSION");
    let kubernetes = if args.client { None } else { Some(kubernetes(wish).await?) };
    let versions = Versions { client, kubernetes };
    match args.output.format() {
        Format::Json => print::result(&print::json(&versions)?)?,
        Format::Yaml => print::result(&print::yaml(&versions)?)?,
        _ => {
            print::result(&format!("kubectl-brevet {client}"))?;
            if let Some(kubernetes) = &versions.kubernetes {
                print::result(&format!("kubernetes     {kubernetes}"))?;
            }
        }
    }
    Ok(DONE)
}

async fn kubernetes(wish: &Wish) -> anyhow::Result<String> {
    let cluster = Cluster::reach(wish).await?;
    let version = call("ask the cluster for its version", cluster.client.apiserver_version()).await?;
    Ok(plain(&version.git_version))
}
