//! Makes and unmakes elevation identities.
//!
//! Promises: a name is used once; what exists already under it is never taken
//! for ours. The anchor is made last, with the seal, so nothing usable exists
//! before everything was read back as written. A making that fails is taken
//! back; one that is cut off leaves orphans, which are found from the cluster.

use brevet_api::{AccessGrant, border};
use brevet_core::{
    grant::{Grant, IdentityRef},
    lifecycle::identity::{self, Part, PartKind},
};
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, PostParams},
};
use rand::Rng as _;
use serde::{Serialize, de::DeserializeOwned};

use super::{ActError, Actor, Doing as _, Writer, grant_of};
use crate::{
    call::{self, CALL_TIMEOUT, CallError},
    controller::{
        gather::{Case, read_part},
        index::{SeenGrant, sharing_digest},
        parts::{self, Found, PartObject},
        wire::GrantWrite,
    },
};

/// Characters of a name that come from the rules' digest.
const DIGEST_CHARS: usize = 16;
/// Characters that come from chance; with them no name recurs.
const NONCE_CHARS: usize = 10;
/// Grants asked for one by one; for more, all are listed.
const OTHERS_MAX: usize = 16;
/// How long a list of all grants may take.
const LIST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

impl Actor {
    /// Brings the grant into force on `join`, or on an identity of its own making.
    pub(super) async fn activate(
        &self,
        case: &Case,
        join: Option<&IdentityRef>,
        now: Timestamp,
    ) -> Result<(IdentityRef, Vec<Part>), ActError> {
        // The source's own copy: its resourceVersion is what the last write stands or falls with.
        let known = grant_of(case)?;
        let api = Api::<AccessGrant>::all(self.writer.client());
        let found = call::read(&api, &known.name_any()).await.doing("read the grant")?;
        let object = found.filter(|found| found.uid() == known.uid()).ok_or(ActError::Outdated("the grant is gone"))?;
        let grant = Grant::try_from(&object).map_err(|_| ActError::Outdated("the grant cannot be read"))?;
        if grant.ended.is_some() || grant.is_deleting || grant.is_ready || grant.window.is_over(now) {
            self.index.write().put_grant(&object);
            return Err(ActError::Outdated("the grant is in force or over"));
        }
        let carried = match join {
            Some(identity) => {
                let Some(_joining) = self.gatherer.identities.join(&identity.uid) else {
                    return Err(ActError::Outdated("the identity is retired"));
                };
                let parts = self.gatherer.parts(&grant, identity).await.doing("read an identity")?;
                if let Some(fault) = identity::fault(&grant.terms, &identity.uid, &parts) {
                    return Err(ActError::Unconfirmed(fault));
                }
                self.write_grant(&object, &GrantWrite::Ready(identity), now).await?;
                (identity.clone(), parts)
            }
            None => self.make(&object, &grant, now).await?,
        };
        let waited = crate::clock::now().duration_since(grant.window.not_before);
        self.metrics.activated(waited, join.is_some());
        tracing::info!(
            request.uid = grant.request_uid,
            grant.uid = grant.uid,
            joined = join.is_some(),
            "a grant is in force"
        );
        Ok(carried)
    }

    async fn make(
        &self,
        object: &AccessGrant,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<(IdentityRef, Vec<Part>), ActError> {
        let rules = sharing_digest(grant);
        let name = new_name(&rules);
        let Some(_making) = self.gatherer.identities.make(&rules, &name) else {
            return Err(ActError::Outdated("an equal identity is being made"));
        };
        // Between the plan and here was a sync: an equal one may have been made meanwhile.
        let stands = |other: &Grant| {
            let carried = other.identity.as_ref().is_some_and(|i| !self.gatherer.identities.is_retired(&i.uid));
            carried && other.uid != grant.uid && !other.window.is_over(now)
        };
        if self.index.read().sharing(&rules).filter_map(SeenGrant::live).any(stands) {
            return Err(ActError::Outdated("an equal identity has been made"));
        }
        match self.make_parts(grant, &name, &rules).await {
            Ok((identity, parts)) => match self.write_grant(object, &GrantWrite::Ready(&identity), now).await {
                Ok(_) => Ok((identity, parts)),
                Err(error) => {
                    // The answer may have been lost and the grant be in force: the source knows.
                    let stored = call::read(&Api::<AccessGrant>::all(self.writer.client()), &grant.name).await;
                    let is_carried = |object: &AccessGrant| {
                        object
                            .status
                            .as_ref()
                            .and_then(|status| status.identity.as_ref())
                            .is_some_and(|i| i.uid == identity.uid)
                    };
                    if stored.is_ok_and(|stored| !stored.as_ref().is_some_and(is_carried)) {
                        self.take_back(grant, &name).await;
                    }
                    Err(error)
                }
            },
            Err(error) => {
                self.take_back(grant, &name).await;
                Err(error)
            }
        }
    }

    async fn make_parts(&self, grant: &Grant, name: &str, rules: &str) -> Result<(IdentityRef, Vec<Part>), ActError> {
        let policy = border::policy_rules(&grant.terms.rules.union(&grant.terms.companions));
        let account = ServiceAccount {
            metadata: parts::metadata(name.to_owned(), name, &[(parts::RULES_LABEL, rules.to_owned())]),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.writer.client(), parts::NAMESPACE);
        let account = create(&self.writer, &accounts, account);
        // Concurrently: each of these costs the server a tenth of a second.
        let (account, ()) = tokio::try_join!(account, self.make_rbac(grant, name, &policy))?;
        let mut made = self.read_back(grant, name).await?;
        let sealed = identity::seal(made.iter().map(|part| part.uid.as_str()));
        let anchor = Secret {
            metadata: parts::metadata(name.to_owned(), name, &[(parts::SEAL_LABEL, sealed.base32())]),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        let anchors = Api::<Secret>::namespaced(self.writer.client(), parts::NAMESPACE);
        let anchor = create(&self.writer, &anchors, anchor).await?;
        made.extend(anchor.found().map(|found| found.part(&grant.terms)));
        let identity = IdentityRef { name: name.to_owned(), uid: account.uid().unwrap_or_default() };
        match identity::fault(&grant.terms, &identity.uid, &made) {
            Some(fault) => Err(ActError::Unconfirmed(fault)),
            None => Ok((identity, made)),
        }
    }

    async fn make_rbac(&self, grant: &Grant, name: &str, rules: &[PolicyRule]) -> Result<(), ActError> {
        let namespaces = &grant.terms.namespaces;
        if namespaces.is_empty() {
            let metadata = parts::metadata(parts::rbac_name(name), name, &[]);
            let role = ClusterRole { metadata: metadata.clone(), rules: Some(rules.to_vec()), aggregation_rule: None };
            create(&self.writer, &Api::all(self.writer.binder()), role).await?;
            let subjects = Some(vec![parts::subject(name)]);
            let binding = ClusterRoleBinding { metadata, role_ref: parts::role_ref("ClusterRole", name), subjects };
            create(&self.writer, &Api::all(self.writer.binder()), binding).await?;
            return Ok(());
        }
        let each = namespaces.iter().map(async |namespace| {
            let metadata = parts::metadata(parts::rbac_name(name), name, &[]);
            let role = Role { metadata: metadata.clone(), rules: Some(rules.to_vec()) };
            create(&self.writer, &Api::namespaced(self.writer.binder(), namespace), role).await?;
            let subjects = Some(vec![parts::subject(name)]);
            let binding = RoleBinding { metadata, role_ref: parts::role_ref("Role", name), subjects };
            create(&self.writer, &Api::namespaced(self.writer.binder(), namespace), binding).await
        });
        try_join_all(each).await.map(drop)
    }

    /// Everything but the anchor, as etcd has it.
    async fn read_back(&self, grant: &Grant, name: &str) -> Result<Vec<Part>, ActError> {
        let mut places = identity::places(&grant.terms);
        places.push((PartKind::ServiceAccount, parts::NAMESPACE.to_owned()));
        let client = self.writer.client();
        let read = places.iter().map(|(kind, namespace)| read_part(&client, *kind, namespace, name));
        let found = try_join_all(read).await.doing("read back what was made")?;
        Ok(found.into_iter().flatten().map(|found: Found| found.part(&grant.terms)).collect())
    }

    /// Removes what a failed making left, as far as that goes now.
    async fn take_back(&self, grant: &Grant, name: &str) {
        let identity = IdentityRef { name: name.to_owned(), uid: String::new() };
        let taken = match self.gatherer.parts(grant, &identity).await.doing("read what was made") {
            Ok(found) => remove(&self.writer, &found).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            tracing::warn!(
                grant.uid = grant.uid,
                error = call::told(&error),
                "a failed making is left to the sweep for orphans"
            );
        }
    }

    /// Removes the parts of an identity that carries no live grant.
    pub(super) async fn unmake(&self, case: &Case, identity: &IdentityRef, found: &[Part]) -> Result<(), ActError> {
        if !self.gatherer.identities.retire(&identity.uid) {
            return Err(ActError::Outdated("a grant is joining the identity"));
        }
        self.writer.may_write()?;
        let others = self.others(&grant_of(case)?.spec.request.uid, identity).await.doing("read the grants")?;
        let carries = |object: &AccessGrant| {
            Grant::try_from(object).is_ok_and(|grant| {
                grant.ended.is_none()
                    && !grant.is_deleting
                    && grant.identity.as_ref().is_some_and(|i| i.uid == identity.uid)
            })
        };
        if others.iter().any(carries) {
            let mut tables = self.index.write();
            others.iter().for_each(|object| drop(tables.put_grant(object)));
            return Err(ActError::Outdated("another live grant is carried by the identity"));
        }
        remove(&self.writer, found).await
    }

    /// Every grant that may have joined the identity since the watches told of it, as etcd has them: of
    /// equal rules, and not over. There are few, or else one list costs less than asking for each.
    async fn others(&self, key: &str, identity: &IdentityRef) -> Result<Vec<AccessGrant>, CallError> {
        let api = Api::<AccessGrant>::all(self.writer.client());
        let names = self.index.read().may_carry(key, &identity.name);
        if names.len() > OTHERS_MAX {
            return Ok(call::within(LIST_TIMEOUT, api.list(&ListParams::default())).await?.items);
        }
        Ok(try_join_all(names.iter().map(|name| call::read(&api, name))).await?.into_iter().flatten().collect())
    }
}

/// Removes exactly these objects. All are tried, whatever fails.
pub(super) async fn remove(writer: &Writer, found: &[Part]) -> Result<(), ActError> {
    let each = found.iter().map(|part| writer.delete_part(part.kind, &part.namespace, &part.name, &part.uid));
    join_all(each).await.into_iter().collect::<Result<Vec<bool>, ActError>>().map(drop)
}

/// Creates; an object that is there already under that name is an error, never a success.
async fn create<K>(writer: &Writer, api: &Api<K>, object: K) -> Result<K, ActError>
where
    K: Resource + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    writer.may_give()?;
    let made = call::within(CALL_TIMEOUT, api.create(&PostParams::default(), &object)).await;
    match made {
        Err(error) if error.is_conflict() => {
            Err(ActError::Unconfirmed("an object with the new identity's name exists already".to_owned()))
        }
        made => made.doing("make a part of the identity"),
    }
}

/// `e-`, the beginning of the rules' digest, and a nonce.
fn new_name(rules: &str) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    let digest = rules.chars().take(DIGEST_CHARS);
    let nonce =
        (0..NONCE_CHARS).filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())).map(|c| char::from(*c)));
    ["e-".chars().collect::<String>(), digest.collect(), "-".to_owned(), nonce.collect()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_pinned_form_and_differ() {
        let rules = "abcdefghijklmnop".repeat(4);
        let name = new_name(&rules);
        assert_eq!(name.len(), 2 + DIGEST_CHARS + 1 + NONCE_CHARS);
        assert!(name.starts_with("e-abcdefghijklmnop-"));
        assert_ne!(name, new_name(&rules));
    }
}
