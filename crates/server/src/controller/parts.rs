//! The objects an elevation identity is made of, as Kubernetes keeps them.
//!
//! Promises: an object is "as written" only if nothing in it that means anything
//! differs from what [`super::act`] writes: rules, subjects, reference, label.

use brevet_api::border;
use brevet_core::{
    lifecycle::identity::{Part, PartKind},
    rules::Rules,
    terms::Terms,
};
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
};
use kube::{ResourceExt, core::ObjectMeta};

/// The namespace of ServiceAccounts and anchors.
pub(super) const NAMESPACE: &str = "brevet-elevations";
/// On every part: the identity's name.
pub(super) const IDENTITY_LABEL: &str = "brevet.dev/identity";
/// On the ServiceAccount: the digest of the rules it carries.
pub(super) const RULES_LABEL: &str = "brevet.dev/rules";
/// On the anchor: the seal over the other parts' uids.
pub(super) const SEAL_LABEL: &str = "brevet.dev/seal";

/// One part as found, with what it takes to tell whether it is as written.
#[derive(Clone, Debug)]
pub(super) struct Found {
    kind: PartKind,
    namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// The identity it says it belongs to.
    pub(super) identity: String,
    is_deleting: bool,
    is_shapely: bool,
    /// Roles only; `None` also where a rule cannot be one of ours.
    rules: Option<Rules>,
    seal: Option<String>,
}

impl Found {
    /// Where it is: no two parts are in the same place.
    pub(super) fn place(&self) -> (PartKind, String, String) {
        (self.kind, self.namespace.clone(), self.name.clone())
    }

    /// As a part of an identity that should carry `terms`.
    pub(super) fn part(&self, terms: &Terms) -> Part {
        let is_role = matches!(self.kind, PartKind::Role | PartKind::ClusterRole);
        let has_its_rules = !is_role || self.rules.as_ref() == Some(&terms.rules.union(&terms.companions));
        Part { is_as_written: self.is_shapely && has_its_rules, ..self.bare() }
    }

    /// As something to be removed, whatever it should have been.
    pub(super) fn bare(&self) -> Part {
        Part {
            kind: self.kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            is_deleting: self.is_deleting,
            is_as_written: false,
            seal: self.seal.clone(),
        }
    }
}

/// A Kubernetes kind of which identities have parts.
pub(super) trait PartObject: ResourceExt {
    /// Which.
    const KIND: PartKind;
    /// Whether shape and references are those of a part of `identity`.
    fn is_shapely(&self, identity: &str) -> bool;
    /// The rules, where the kind has them and they can be ours.
    fn rules(&self) -> Option<Rules> {
        None
    }
    /// The object as found; `None` for one without our label.
    fn found(&self) -> Option<Found> {
        let identity = self.labels().get(IDENTITY_LABEL)?.clone();
        Some(self.found_as(identity))
    }
    /// The object found where a part of `identity` belongs, whatever its label says.
    fn found_as(&self, identity: String) -> Found {
        let has_label = self.labels().get(IDENTITY_LABEL) == Some(&identity);
        let has_owners = !self.owner_references().is_empty();
        Found {
            kind: Self::KIND,
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
            uid: self.uid().unwrap_or_default(),
            is_deleting: self.meta().deletion_timestamp.is_some(),
            is_shapely: has_label && !has_owners && self.finalizers().is_empty() && self.is_shapely(&identity),
            rules: self.rules(),
            seal: self.labels().get(SEAL_LABEL).cloned(),
            identity,
        }
    }
}

/// The name of roles and bindings.
pub(super) fn rbac_name(identity: &str) -> String {
    format!("brevet:{identity}")
}

/// The name of a part of that kind.
pub(super) fn name_of(kind: PartKind, identity: &str) -> String {
    match kind {
        PartKind::Anchor | PartKind::ServiceAccount => identity.to_owned(),
        _ => rbac_name(identity),
    }
}

/// Metadata of a part.
pub(super) fn metadata(name: String, identity: &str, more: &[(&str, String)]) -> ObjectMeta {
    let own = [(IDENTITY_LABEL.to_owned(), identity.to_owned())];
    let more = more.iter().map(|(label, value)| ((*label).to_owned(), value.clone()));
    ObjectMeta { name: Some(name), labels: Some(own.into_iter().chain(more).collect()), ..ObjectMeta::default() }
}

/// The one subject of a binding.
pub(super) fn subject(identity: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: identity.to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        api_group: None,
    }
}

/// The reference of a binding to the role of its name.
pub(super) fn role_ref(kind: &str, identity: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".to_owned(), kind: kind.to_owned(), name: rbac_name(identity) }
}

/// `None` if a rule speaks of more than resources: then it is none of ours.
fn own_rules(rules: Option<&Vec<PolicyRule>>) -> Option<Rules> {
    let rules = rules.map(Vec::as_slice).unwrap_or_default();
    let is_plain = |rule: &PolicyRule| rule.non_resource_urls.as_ref().is_none_or(Vec::is_empty);
    rules.iter().all(is_plain).then(|| border::rules(rules))
}

fn binds(subjects: Option<&Vec<Subject>>, found: &RoleRef, kind: &str, identity: &str) -> bool {
    let is_it =
        |s: &Subject| s.kind == "ServiceAccount" && s.name == identity && s.namespace.as_deref() == Some(NAMESPACE);
    subjects.is_some_and(|all| all.len() == 1 && all.iter().all(is_it)) && *found == role_ref(kind, identity)
}

impl PartObject for Role {
    const KIND: PartKind = PartKind::Role;
    fn is_shapely(&self, identity: &str) -> bool {
        self.name_any() == rbac_name(identity)
    }
    fn rules(&self) -> Option<Rules> {
        own_rules(self.rules.as_ref())
    }
}

impl PartObject for ClusterRole {
    const KIND: PartKind = PartKind::ClusterRole;
    fn is_shapely(&self, identity: &str) -> bool {
        self.name_any() == rbac_name(identity) && self.aggregation_rule.is_none()
    }
    fn rules(&self) -> Option<Rules> {
        own_rules(self.rules.as_ref())
    }
}

impl PartObject for RoleBinding {
    const KIND: PartKind = PartKind::RoleBinding;
    fn is_shapely(&self, identity: &str) -> bool {
        self.name_any() == rbac_name(identity) && binds(self.subjects.as_ref(), &self.role_ref, "Role", identity)
    }
}

impl PartObject for ClusterRoleBinding {
    const KIND: PartKind = PartKind::ClusterRoleBinding;
    fn is_shapely(&self, identity: &str) -> bool {
        self.name_any() == rbac_name(identity) && binds(self.subjects.as_ref(), &self.role_ref, "ClusterRole", identity)
    }
}

impl PartObject for ServiceAccount {
    const KIND: PartKind = PartKind::ServiceAccount;
    fn is_shapely(&self, identity: &str) -> bool {
        self.name_any() == identity
    }
}

impl PartObject for Secret {
    const KIND: PartKind = PartKind::Anchor;
    fn is_shapely(&self, identity: &str) -> bool {
        let is_empty = self.data.as_ref().is_none_or(|data| data.is_empty());
        self.name_any() == identity && is_empty && self.type_.as_deref() == Some("Opaque")
    }
}
