//! Where the user's own configuration comes from: the files, the context, the cluster.
//!
//! Promises: files are read as kubectl reads them (`--kubeconfig`, then `$KUBECONFIG` as a list, then
//! `~/.kube/config`; missing files of a list are passed over, the first file to name a thing wins),
//! and none is ever written. Inside a context that `use` made, the cluster is the one behind the
//! grant, so that every verb works there too.
//!
//! Left out on purpose: in-cluster configuration; a pod asks through its own kubeconfig.

use std::env;
use std::path::{Path, PathBuf};

use kube::config::{Cluster, Context, Kubeconfig};

use crate::problem::Problem;

/// The path under a server at which a grant is used: `/…/grants/NAME/proxy`.
pub(crate) const GRANTS_PATH: &str = "/apis/sessions.brevet.dev/v1alpha1/grants/";

/// In a context for a grant at another address: the context that is behind it.
pub(crate) const ORIGIN_EXTENSION: &str = "brevet.dev/origin";

/// The user's own configuration.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The files, absolute, in the order they count, without those that `use` wrote.
    pub(crate) files: Vec<PathBuf>,
    /// Their union, with the server of the cluster put right.
    pub(crate) merged: Kubeconfig,
    /// The context in use.
    pub(crate) context_name: String,
    /// What it says.
    pub(crate) context: Context,
    /// The cluster it names.
    pub(crate) cluster: Cluster,
}

/// What to look at besides the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// `--kubeconfig`.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub(crate) context: Option<String>,
}

impl Origin {
    /// Reads the user's configuration.
    pub(crate) fn read(wish: &Wish) -> Result<Self, Problem> {
        let files = files(wish)?;
        let mut merged = Kubeconfig::default();
        let mut found = false;
        for file in &files {
            if !file.exists() && wish.kubeconfig.is_none() {
                continue;
            }
            found = true;
            let config = Kubeconfig::read_from(file).map_err(|error| unreadable(file, &error))?;
            merged = merged.merge(config).map_err(|error| unreadable(file, &error))?;
        }
        if !found {
            return Err(Problem::failed("there is no kubeconfig")
                .why(format!("looked for {}", listed(&files)))
                .next("set KUBECONFIG, or pass `--kubeconfig FILE`"));
        }
        Self::choose(merged, files, wish.context.as_deref())
    }

    /// Of `merged`, the context that is wished for, or the current one.
    pub(crate) fn choose(mut merged: Kubeconfig, files: Vec<PathBuf>, wish: Option<&str>) -> Result<Self, Problem> {
        let context_name =
            wish.map(str::to_owned).or_else(|| merged.current_context.clone()).filter(|name| !name.is_empty());
        let Some(mut context_name) = context_name else {
            return Err(Problem::failed("no context is chosen")
                .why("the kubeconfig has no current-context")
                .next("pass `--context NAME`, or choose one: kubectl config use-context NAME"));
        };
        let find = |name: &str| {
            let named = merged.contexts.iter().find(|named| named.name == name);
            named.and_then(|named| named.context.clone()).ok_or_else(|| {
                Problem::failed(format!("there is no context `{name}`"))
                    .why(format!("it is not in {}", listed(&files)))
                    .next("list them: kubectl config get-contexts")
            })
        };
        let mut context = find(&context_name)?;
        if let Some(behind) = context_behind(&context) {
            context = find(&behind)?;
            context_name = behind;
        }
        let cluster = merged
            .clusters
            .iter_mut()
            .find(|named| named.name == context.cluster)
            .and_then(|named| named.cluster.as_mut())
            .ok_or_else(|| {
                Problem::failed(format!("context `{context_name}` names no known cluster")).why(format!(
                    "cluster `{}` is not in {}",
                    context.cluster,
                    listed(&files)
                ))
            })?;
        if let Some(server) = &cluster.server {
            cluster.server = Some(behind_grant(server).to_owned());
        }
        if let Some(path) = &cluster.certificate_authority {
            cluster.certificate_authority = Some(absolute(Path::new(path))?.to_string_lossy().into_owned());
        }
        let cluster = cluster.clone();
        let files = files.into_iter().filter(|file| !is_written_by_use(file)).collect();
        Ok(Self { files, merged, context_name, context, cluster })
    }

    /// The namespace a verb works in when none is given.
    pub(crate) fn namespace(&self) -> String {
        self.context.namespace.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned())
    }
}

/// The folder that `use` writes to.
pub(crate) fn grants_folder() -> Result<PathBuf, Problem> {
    let home = env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or_else(|| Problem::failed("there is no home folder to write to").next("set HOME to an absolute path"))?;
    Ok(home.join(".kube").join("brevet"))
}

fn files(wish: &Wish) -> Result<Vec<PathBuf>, Problem> {
    if let Some(file) = &wish.kubeconfig {
        return Ok(vec![absolute(file)?]);
    }
    let listed = env::var_os("KUBECONFIG").unwrap_or_default();
    let files = env::split_paths(&listed)
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| absolute(&path))
        .collect::<Result<Vec<_>, _>>()?;
    if !files.is_empty() {
        return Ok(files);
    }
    let home = env::home_dir()
        .ok_or_else(|| Problem::failed("there is no kubeconfig").next("set KUBECONFIG, or pass `--kubeconfig FILE`"))?;
    Ok(vec![home.join(".kube").join("config")])
}

/// The context that a grant's context says is behind it.
fn context_behind(context: &Context) -> Option<String> {
    let mut extensions = context.extensions.iter().flatten();
    let ours = extensions.find(|named| named.name == ORIGIN_EXTENSION)?;
    Some(ours.extension.get("context")?.as_str()?.to_owned())
}

/// The server itself, if `server` is the path of a grant.
fn behind_grant(server: &str) -> &str {
    server.split_once(GRANTS_PATH).map_or(server, |(server, _)| server)
}

fn is_written_by_use(file: &Path) -> bool {
    grants_folder().is_ok_and(|folder| file.parent() == Some(folder.as_path()))
}

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::failed(format!("`{}` is not a path", path.display())).why(error.to_string()))
}

fn unreadable(file: &Path, error: &dyn std::error::Error) -> Problem {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        source = error.source();
    }
    Problem::failed(format!("cannot read the kubeconfig `{}`", file.display())).why(why)
}

fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("`{}`", file.display())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "
apiVersion: v1
kind: Config
current-context: dev
clusters:
- {name: dev, cluster: {server: 'https://dev:6443', certificate-authority: ca.crt}}
- {name: brevet-x, cluster: {server: 'https://dev:6443/apis/sessions.brevet.dev/v1alpha1/grants/x/proxy'}}
contexts:
- {name: dev, context: {cluster: dev, user: alice, namespace: shop}}
- {name: brevet-x, context: {cluster: brevet-x, user: alice}}
users:
- {name: alice, user: {token: secret}}
";

    fn origin(context: Option<&str>) -> Result<Origin, Problem> {
        let wish = context.map(str::to_owned);
        Origin::choose(Kubeconfig::from_yaml(OWN).unwrap(), vec!["/k/config".into()], wish.as_deref())
    }

    #[test]
    fn the_current_context_counts_unless_another_is_named() {
        assert_eq!(origin(None).unwrap().namespace(), "shop");
        let other = origin(Some("brevet-x")).unwrap();
        assert_eq!((other.context_name.as_str(), other.namespace().as_str()), ("brevet-x", "default"));
    }

    #[test]
    fn inside_a_grant_the_cluster_is_the_one_behind_it() {
        let inside = origin(Some("brevet-x")).unwrap();
        assert_eq!(inside.cluster.server.as_deref(), Some("https://dev:6443"));
        let known = inside.merged.clusters.iter().find(|named| named.name == "brevet-x").unwrap();
        assert_eq!(known.cluster.as_ref().unwrap().server.as_deref(), Some("https://dev:6443"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = origin(Some("prod")).unwrap_err().to_string();
        assert!(problem.contains("there is no context `prod`") && problem.contains("/k/config"), "{problem}");
    }
}
