//! Puts YAML into a cluster, by server-side apply.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope, pinned_kind};
use kube::{Api, Client};

/// Who owns the fields that this kit writes.
const FIELD_OWNER: &str = "brevet-dev";

/// Applies objects of any kind that the server serves.
pub(crate) struct Applier {
    client: Client,
    kinds: HashMap<GroupVersionKind, (ApiResource, Scope)>,
}

impl Applier {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, kinds: HashMap::new() }
    }

    /// Applies every document of every YAML file in `folder`, in the order of the files' names.
    pub(crate) async fn folder(&mut self, folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<()> {
        for file in files(folder)?.into_iter().filter(|file| wanted(file)) {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
            self.text(&text).await.with_context(|| format!("cannot apply `{}`", file.display()))?;
        }
        Ok(())
    }

    /// Applies every document of `text`.
    pub(crate) async fn text(&mut self, text: &str) -> Result<()> {
        for object in documents(text)? {
            self.object(&object).await?;
        }
        Ok(())
    }

    /// Applies one object.
    pub(crate) async fn object(&mut self, object: &DynamicObject) -> Result<()> {
        let name = object.metadata.name.as_deref().context("an object has no name")?;
        let api = self.api(object).await?;
        let params = PatchParams::apply(FIELD_OWNER).force();
        api.patch(name, &params, &Patch::Apply(object)).await.with_context(|| format!("`{name}` was refused"))?;
        Ok(())
    }

    /// Asks the server what it would say to the creation of `object`.
    pub(crate) async fn dry_run(&mut self, object: &DynamicObject) -> Result<kube::Result<DynamicObject>> {
        let api = self.api(object).await?;
        Ok(api.create(&PostParams { dry_run: true, ..PostParams::default() }, object).await)
    }

    async fn api(&mut self, object: &DynamicObject) -> Result<Api<DynamicObject>> {
        let types = object.types.as_ref().context("an object has no kind")?;
        let kind = GroupVersionKind::try_from(types)?;
        if !self.kinds.contains_key(&kind) {
            let (resource, capabilities) = pinned_kind(&self.client, &kind)
                .await
                .with_context(|| format!("the server does not serve `{}`", types.kind))?;
            self.kinds.insert(kind.clone(), (resource, capabilities.scope));
        }
        let (resource, scope) = self.kinds.get(&kind).context("a kind was lost")?;
        let client = self.client.clone();
        Ok(match (scope, &object.metadata.namespace) {
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client, namespace, resource),
            (Scope::Namespaced, None) => Api::default_namespaced_with(client, resource),
            (Scope::Cluster, _) => Api::all_with(client, resource),
        })
    }
}

/// Every document of a YAML text; comments and empty documents are none.
pub(crate) fn documents(text: &str) -> Result<Vec<DynamicObject>> {
    let values: Vec<serde_json::Value> = serde_saphyr::from_multiple(text)?;
    let objects = values.into_iter().filter(|value| !value.is_null());
    objects.map(|value| serde_json::from_value(value).context("not a Kubernetes object")).collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot read `{}`", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}
