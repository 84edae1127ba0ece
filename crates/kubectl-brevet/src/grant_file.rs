//! The kubeconfig that `use`, `exec` and `shell` write: one cluster, one context, no credential.
//!
//! Promises: every field of the user's own cluster is kept, only the server gets the grant's path;
//! the file holds no user at all, the context names the user of the user's own kubeconfig, which
//! stands second in `$KUBECONFIG` and stays as it is; the file is 0600 in a folder that is 0700,
//! appears whole or not at all, and no symbolic link is followed.
//!
//! Left out on purpose: the user's current context. It is never changed; the context of a grant is
//! current only where the file comes first.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use kube::config::{Cluster, Context, Kubeconfig, NamedCluster, NamedContext, NamedExtension};
use serde_json::json;

use crate::origin::{GRANTS_PATH, ORIGIN_EXTENSION, Origin};
use crate::problem::Problem;

/// The context, the cluster and the file of grant `NAME` are called this.
pub(crate) fn context_name(grant: &str) -> String {
    format!("brevet-{grant}")
}

/// Where a grant is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// At the user's own server, under another path.
    Aggregated,
    /// At the gateway's own address, whose certificate is under `ca`, or under a CA of the system.
    Direct { server: &'a str, ca: Option<&'a Path> },
}

/// The kubeconfig through which `grant` is used.
pub(crate) fn through(
    origin: &Origin,
    grant: &str,
    namespace: Option<&str>,
    way: Way<'_>,
) -> Result<Kubeconfig, Problem> {
    let name = context_name(grant);
    let cluster = match way {
        Way::Aggregated => aggregated(origin, grant)?,
        Way::Direct { server, ca } => direct(origin, grant, server, ca)?,
    };
    Ok(Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), ..NamedCluster::default() }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(Context {
                cluster: name.clone(),
                user: origin.context.user.clone(),
                namespace: namespace.map(str::to_owned),
                extensions: (way != Way::Aggregated).then(|| vec![behind(origin)]),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name),
        ..Kubeconfig::default()
    })
}

/// The user's own cluster, every field of it, with the grant's path.
fn aggregated(origin: &Origin, grant: &str) -> Result<Cluster, Problem> {
    let server = origin.cluster.server.as_deref().map(|server| server.trim_end_matches('/')).unwrap_or_default();
    if server.is_empty() {
        return Err(Problem::failed(format!("cluster `{}` has no server", origin.context.cluster)));
    }
    let mut cluster = origin.cluster.clone();
    cluster.server = Some(format!("{server}{GRANTS_PATH}{grant}/proxy"));
    Ok(cluster)
}

/// Another server, with a CA of its own. Only the way to it is the user's own: what
/// their cluster says of its own certificate means nothing there.
fn direct(origin: &Origin, grant: &str, server: &str, ca: Option<&Path>) -> Result<Cluster, Problem> {
    let ca = ca.map(std::path::absolute).transpose();
    let ca = ca.map_err(|error| Problem::failed("cannot find the CA of the direct address").why(error.to_string()))?;
    if let Some(missing) = ca.as_ref().filter(|ca| !ca.exists()) {
        return Err(Problem::failed(format!("there is no file `{}`", missing.display()))
            .next("name the CA of the direct address: --direct-ca FILE"));
    }
    Ok(Cluster {
        server: Some(format!("{server}/grants/{grant}")),
        certificate_authority: ca.map(|ca| ca.to_string_lossy().into_owned()),
        proxy_url: origin.cluster.proxy_url.clone(),
        disable_compression: origin.cluster.disable_compression,
        ..Cluster::default()
    })
}

/// Says which context is behind the grant's, for verbs that are used inside it.
fn behind(origin: &Origin) -> NamedExtension {
    NamedExtension { name: ORIGIN_EXTENSION.to_owned(), extension: json!({"context": origin.context_name}) }
}

/// Writes `config` as `NAME.yaml` into `folder` and returns where it is.
pub(crate) fn write(folder: &Path, grant: &str, config: &Kubeconfig) -> Result<PathBuf, Problem> {
    let mut on_one_line = serde_saphyr::SerializerOptions::default();
    on_one_line.prefer_block_scalars = false;
    let text = serde_saphyr::to_string_with_options(config, on_one_line)
        .map_err(|error| Problem::failed("cannot write the kubeconfig of the grant").why(error.to_string()))?;
    write_text(folder, &format!("{grant}.yaml"), &text)
}

/// Writes a file for our own use into `folder`, as [`write`] does.
pub(crate) fn write_text(folder: &Path, file: &str, text: &str) -> Result<PathBuf, Problem> {
    prepare(folder).map_err(|error| cannot_write(folder, &error))?;
    let path = folder.join(file);
    if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
        return Err(Problem::refused(format!("`{}` is not a plain file", path.display()))
            .why("a symbolic link there would lead the file elsewhere")
            .next(format!("remove it: rm {}", quoted(&path))));
    }
    replace(&path, text).map_err(|error| cannot_write(&path, &error))?;
    Ok(path)
}

/// The value of `$KUBECONFIG` that puts `file` before the user's own files.
pub(crate) fn kubeconfig_list(file: &Path, origin: &Origin) -> Result<OsString, Problem> {
    std::env::join_paths(std::iter::once(file).chain(origin.files.iter().map(PathBuf::as_path)))
        .map_err(|error| Problem::failed("cannot form KUBECONFIG").why(error.to_string()))
}

/// The path, quoted for a POSIX shell where it needs to be.
pub(crate) fn quoted(path: impl AsRef<std::ffi::OsStr>) -> String {
    let text = path.as_ref().to_string_lossy().into_owned();
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:=,@+".contains(c)) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Makes the folder, for its owner alone; refuses one that is a symbolic link.
fn prepare(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::Error::other("it is not a folder, but perhaps a symbolic link; remove it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(folder)?,
        Err(error) => return Err(error),
    }
    only_for_owner(folder, 0o700)
}

/// Writes beside the target, then renames: a reader sees the old file or the new one, whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    // A leftover of a process that died and whose id came back.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(unix)]
fn only_for_owner(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn only_for_owner(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Problem {
    Problem::failed(format!("cannot write `{}`", path.display())).why(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const OWN: &str = "
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster:
    server: https://dev.example:6443/k8s/c-1/
    certificate-authority: pki/ca.crt
    certificate-authority-data: Y2E=
    tls-server-name: kube.internal
    proxy-url: http://proxy:3128
    insecure-skip-tls-verify: false
    disable-compression: true
    a-younger-field: kept
    extensions:
    - {name: client.authentication.k8s.io/exec, extension: {audience: dev}}
contexts:
- {name: dev, context: {cluster: dev, user: alice, namespace: web}}
users:
- name: alice
  user: {token: s3cr3t-token, client-key-data: s3cr3t-key, password: s3cr3t-word, client-certificate: me.crt}
";

    /// The user's own kubeconfig, in a folder of its own.
    fn own(folder: &Path) -> (PathBuf, Origin) {
        let file = folder.join("own").join("config");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, OWN).unwrap();
        let wish = crate::origin::Wish { kubeconfig: Some(file.clone()), context: None };
        (file, Origin::read(&wish).unwrap())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn every_cluster_field_is_kept_and_no_credential() {
        let folder = tempfile::tempdir().unwrap();
        let (file, origin) = own(folder.path());
        let before = fs::read_to_string(&file).unwrap();
        let written = write(
            &folder.path().join("brevet"),
            "logs-x",
            &through(&origin, "logs-x", Some("shop"), Way::Aggregated).unwrap(),
        );
        let text = fs::read_to_string(written.unwrap()).unwrap();

        assert!(!text.contains("s3cr3t") && !text.contains("me.crt"), "{text}");
        let config = Kubeconfig::from_yaml(&text).unwrap();
        assert!(config.auth_infos.is_empty());
        assert_eq!(config.current_context.as_deref(), Some("brevet-logs-x"));
        let context = config.contexts[0].context.as_ref().unwrap();
        assert_eq!((context.user.as_deref(), context.namespace.as_deref()), (Some("alice"), Some("shop")));
        let cluster = serde_json::to_value(config.clusters[0].cluster.as_ref().unwrap()).unwrap();
        assert_eq!(
            cluster,
            serde_json::json!({
                "server": "https://dev.example:6443/k8s/c-1/apis/sessions.brevet.dev/v1alpha1/grants/logs-x/proxy",
                "certificate-authority": folder.path().join("own/pki/ca.crt"),
                "certificate-authority-data": "Y2E=",
                "tls-server-name": "kube.internal",
                "proxy-url": "http://proxy:3128",
                "insecure-skip-tls-verify": false,
                "disable-compression": true,
                "a-younger-field": "kept",
                "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "dev"}}],
            })
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), before, "the user's own file stays as it is");
    }

    #[test]
    fn both_files_together_use_the_grant_as_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let (file, origin) = own(folder.path());
        let grant =
            write(&folder.path().join("brevet"), "x", &through(&origin, "x", None, Way::Aggregated).unwrap()).unwrap();
        assert_eq!(
            kubeconfig_list(&grant, &origin).unwrap().to_string_lossy(),
            format!("{}:{}", grant.display(), file.display())
        );
        let merged = Kubeconfig::read_from(&grant).unwrap().merge(Kubeconfig::read_from(&file).unwrap()).unwrap();
        assert_eq!(merged.current_context.as_deref(), Some("brevet-x"));
        assert!(merged.auth_infos.iter().any(|user| user.name == "alice"));
        assert_eq!(Kubeconfig::read_from(&file).unwrap().current_context.as_deref(), Some("dev"));
    }

    #[test]
    fn at_another_address_nothing_that_was_said_of_the_users_own_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (file, origin) = own(folder.path());
        let ca = folder.path().join("gw.crt");
        let way = Way::Direct { server: "https://gw.example:8443", ca: Some(&ca) };
        assert!(through(&origin, "x", None, way).unwrap_err().to_string().contains("gw.crt"));
        fs::write(&ca, "ca").unwrap();
        let config = through(&origin, "x", None, way).unwrap();
        let cluster = serde_json::to_value(config.clusters[0].cluster.as_ref().unwrap()).unwrap();
        assert_eq!(
            cluster,
            serde_json::json!({
                "server": "https://gw.example:8443/grants/x",
                "certificate-authority": ca,
                "proxy-url": "http://proxy:3128",
                "disable-compression": true,
            })
        );

        let written = write(&folder.path().join("brevet"), "x", &config).unwrap();
        let merged = Kubeconfig::read_from(&written).unwrap().merge(Kubeconfig::read_from(&file).unwrap()).unwrap();
        let inside = Origin::choose(merged, vec![written, file], None).unwrap();
        assert_eq!(inside.context_name, "dev", "verbs inside lead to the user's own cluster");
    }

    #[test]
    fn only_the_owner_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let brevet = folder.path().join(".kube").join("brevet");
        let path = write_text(&brevet, "x.yaml", "a").unwrap();
        assert_eq!((mode(&brevet), mode(&path)), (0o700, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_text(&brevet, "x.yaml", "b").unwrap();
        assert_eq!(mode(&path), 0o600);
        let names = fs::read_dir(&brevet).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(names, ["x.yaml"], "nothing is left beside it");
    }

    #[test]
    fn symbolic_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let brevet = folder.path().join("brevet");
        fs::create_dir(&brevet).unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        std::os::unix::fs::symlink(&precious, brevet.join("x.yaml")).unwrap();
        assert!(write_text(&brevet, "x.yaml", "b").unwrap_err().to_string().contains("not a plain file"));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&brevet, &link).unwrap();
        assert!(write_text(&link, "y.yaml", "b").unwrap_err().to_string().contains("symbolic link"));
    }

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("/home/a/.kube/config"), "/home/a/.kube/config");
        assert_eq!(quoted("/home/it's me/c"), r"'/home/it'\''s me/c'");
    }
}
