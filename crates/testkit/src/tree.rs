//! Where the repository and its built programs are.
//!
//! Promises: what is missing is named together with the command that makes it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The root of the repository this was built from.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A program of this workspace, found beside the one that is running.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = this.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    if !path.exists() {
        bail!("`{}` is not built; run `cargo build --workspace --bins`", path.display());
    }
    Ok(path)
}

/// The folder with etcd, kube-apiserver and the rest; the variable `KUBERNETES`
/// chooses another version than the newest.
///
/// # Errors
/// When it has not been built.
pub fn control_plane_folder() -> Result<PathBuf> {
    let (folder, command) = match older() {
        Some(version) => (format!("control-plane-{version}"), format!("make control-plane KUBERNETES={version}")),
        None => ("control-plane".to_owned(), "make control-plane".to_owned()),
    };
    let folder = repository().join("target").join(folder).join("bin");
    if !folder.join("control-plane").exists() {
        bail!("there is no control plane in `{}`; run `{command}`", folder.display());
    }
    Ok(folder)
}

/// The version that was asked for, where it is not the newest.
pub(crate) fn older() -> Option<String> {
    std::env::var("KUBERNETES").ok().filter(|version| !version.is_empty())
}
