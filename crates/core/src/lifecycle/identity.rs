//! What an elevation identity is made of, and whether it is as it was made.
//!
//! Promises: an identity counts as whole only if every part is there, unchanged,
//! not being deleted, none is too many, and all are the very objects that were
//! made (by the seal over their uids). The anchor Secret is made last and bears
//! the seal, so an identity without it can neither be used nor mistaken for a
//! whole one.

use std::{collections::BTreeSet, fmt};

use crate::{digest::Digest, terms::Terms};

/// The kind of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKind {
    /// Binds in one namespace.
    RoleBinding,
    /// Binds in the whole cluster.
    ClusterRoleBinding,
    /// The rules in one namespace.
    Role,
    /// The rules in the whole cluster.
    ClusterRole,
    /// The Secret that every token is bound to, in `brevet-elevations`.
    Anchor,
    /// Who acts, in `brevet-elevations`.
    ServiceAccount,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
            Self::Anchor => "Secret",
            Self::ServiceAccount => "ServiceAccount",
        })
    }
}

/// One object of an identity, as found in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Its kind.
    pub kind: PartKind,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whether it is being deleted; a binding in that state still grants.
    pub is_deleting: bool,
    /// Whether rules, subject, reference and label are as they were written.
    pub is_as_written: bool,
    /// The seal it bears, as base32; anchors only.
    pub seal: Option<String>,
}

impl Part {
    fn place(&self) -> (PartKind, &str) {
        (self.kind, &self.namespace)
    }
}

/// Where an identity for `terms` has a part, besides anchor and ServiceAccount: kind and namespace.
#[must_use]
pub fn places(terms: &Terms) -> Vec<(PartKind, String)> {
    if terms.namespaces.is_empty() {
        return vec![(PartKind::ClusterRole, String::new()), (PartKind::ClusterRoleBinding, String::new())];
    }
    let both = |ns: &String| [(PartKind::Role, ns.clone()), (PartKind::RoleBinding, ns.clone())];
    terms.namespaces.iter().flat_map(both).collect()
}

/// The seal over the uids of everything but the anchor.
#[must_use]
pub fn seal<'a>(uids: impl IntoIterator<Item = &'a str>) -> Digest {
    let sorted: BTreeSet<&str> = uids.into_iter().collect();
    let mut text = String::new();
    for uid in sorted {
        text.push_str(uid);
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}

/// What is wrong with the identity that should carry `terms` as ServiceAccount `uid`; `None`: nothing.
#[must_use]
pub fn fault(terms: &Terms, uid: &str, parts: &[Part]) -> Option<String> {
    if let Some(part) = parts.iter().find(|p| p.is_deleting || !p.is_as_written) {
        let what = if part.is_deleting { "is being deleted" } else { "was changed" };
        return Some(format!("the {} of its identity {}{what}", part.kind, told_place(&part.namespace)));
    }
    let mut expected: BTreeSet<(PartKind, String)> = places(terms).into_iter().collect();
    expected.insert((PartKind::ServiceAccount, String::new()));
    expected.insert((PartKind::Anchor, String::new()));
    for part in parts {
        let (kind, namespace) = part.place();
        let namespace = if matches!(kind, PartKind::Anchor | PartKind::ServiceAccount) { "" } else { namespace };
        if !expected.remove(&(kind, namespace.to_owned())) {
            return Some(format!("there is a {kind} {}too many with the label of its identity", told_place(namespace)));
        }
    }
    if let Some((kind, namespace)) = expected.first() {
        return Some(format!("the {kind} of its identity {}is missing", told_place(namespace)));
    }
    if !parts.iter().any(|p| p.kind == PartKind::ServiceAccount && p.uid == uid) {
        return Some("the ServiceAccount of its identity was recreated".to_owned());
    }
    let sealed = seal(parts.iter().filter(|p| p.kind != PartKind::Anchor).map(|p| p.uid.as_str()));
    let borne = parts.iter().find(|p| p.kind == PartKind::Anchor).and_then(|p| p.seal.clone());
    (borne != Some(sealed.base32())).then(|| "a part of its identity was recreated".to_owned())
}

fn told_place(namespace: &str) -> String {
    if namespace.is_empty() { String::new() } else { format!("in `{namespace}` ") }
}
