//! Files that tell clients where the cluster is and who they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::pki::{Identity, write_private};

/// Where a cluster answers, and whom to trust there.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) ca: String,
}

/// How a client proves who it is.
pub(crate) enum Credential<'a> {
    Certificate(&'a Identity),
    Token(&'a str),
}

/// Writes `NAME.kubeconfig` in `dir` and returns its path.
pub(crate) fn write(dir: &Path, name: &str, server: &Server, credential: &Credential<'_>) -> Result<PathBuf> {
    let path = dir.join(format!("{name}.kubeconfig"));
    let user = match credential {
        Credential::Certificate(identity) => json!({
            "client-certificate-data": STANDARD.encode(&identity.cert),
            "client-key-data": STANDARD.encode(&identity.key),
        }),
        Credential::Token(token) => json!({ "token": token }),
    };
    write_private(&path, &serde_saphyr::to_string(&config(name, server, &user)).context("cannot write YAML")?)?;
    Ok(path)
}

/// Writes `ALIAS.kubeconfig`: that of `name`, but with another server address.
pub(crate) fn copy_at(dir: &Path, name: &str, alias: &str, url: &str) -> Result<()> {
    let from = dir.join(format!("{name}.kubeconfig"));
    let text = fs::read_to_string(&from).with_context(|| format!("cannot read `{}`", from.display()))?;
    let mut config: Value = serde_saphyr::from_str(&text)?;
    *config.pointer_mut("/clusters/0/cluster/server").context("a kubeconfig without a server")? = url.into();
    write_private(&dir.join(format!("{alias}.kubeconfig")), &serde_saphyr::to_string(&config)?)
}

fn config(name: &str, server: &Server, user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "brevet-dev",
            "cluster": { "server": server.url, "certificate-authority-data": STANDARD.encode(&server.ca) },
        }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": "brevet-dev", "user": name } }],
        "current-context": name,
    })
}

/// A client that uses the file `path`. It belongs to the async runtime it is made in.
///
/// It asks once: kube would repeat what was answered 429 or 503 for minutes,
/// and a test would not see the refusal.
pub(crate) async fn client(path: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(path)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}
