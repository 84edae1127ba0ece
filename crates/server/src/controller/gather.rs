//! Everything known about one request: from the watches, or from the API
//! server itself.
//!
//! Promises: reads and decides nothing. What [`Gatherer::by_source`] gathers
//! rests on no cache where absence matters, and an error there is an error,
//! never absence.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use brevet_api::{AccessDecision, AccessGrant, AccessPolicy, AccessRequest, AccessRole, AccessSwitch};
use brevet_core::{
    decision::Decision,
    grant::{Grant, IdentityRef},
    lifecycle::{
        Acknowledgement, GrantSeen, Grounded, Limits, Observed, Ruled, UnreadRequest,
        identity::{self, Part, PartKind},
    },
    policy::{Policies, Usage, Use, UseState},
    request::{NamespaceState, Request, RoleState, Types},
    switch::Switches,
};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::sync::watch;

use super::{
    bounds,
    identities::Identities,
    index::{Index, SeenGrant, SeenRequest, Tables},
    parts::{self, Found, PartObject},
    wire,
};
use crate::{
    call::{self, CallError},
    ground::{self, Born, Place},
    guard::Guard,
    switches::{self, CLUSTER},
};

/// A Lease not renewed for so long is of a dead replica; 30 s after its last contact it has cut its
/// streams by itself (I11).
pub(super) const GATEWAY_DEAD_AFTER: Duration = Duration::from_secs(35);

/// What is known of one key, with the objects that writes go to.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) observed: Observed,
    pub(super) request: Option<Arc<AccessRequest>>,
    pub(super) grant: Option<Arc<AccessGrant>>,
}

/// Gathers.
pub(super) struct Gatherer {
    pub(super) client: Client,
    pub(super) index: Arc<Index>,
    pub(super) identities: Arc<Identities>,
    pub(super) ground: ground::Reader,
    pub(super) limits: Limits,
    pub(super) guard: watch::Receiver<Guard>,
}

impl Gatherer {
    /// From the watches; but of an end that is not confirmed, the parts as they are now.
    pub(super) async fn by_watches(&self, key: &str, now: Timestamp) -> Result<Case, CallError> {
        let needs_types = !self.index.read().grants.contains_key(key);
        let types = if needs_types { self.ground.recent_types().await } else { Types::default() };
        let mut case = self.assemble(key, types, now);
        self.add_ending_parts(&mut case).await?;
        Ok(case)
    }

    /// From the API server, without any cache.
    pub(super) async fn by_source(&self, key: &str, now: Timestamp) -> Result<Case, CallError> {
        let mut case = self.assemble(key, Types::unseen(), now);
        let name = case.grant.as_ref().map(|grant| grant.name_any());
        let name = name.or_else(|| case.request.as_ref().map(|request| request.name_any()));
        if let Some(name) = &name {
            let request = call::read(&Api::<AccessRequest>::all(self.client.clone()), name).await?;
            let grant = call::read(&Api::<AccessGrant>::all(self.client.clone()), name).await?;
            let mut tables = self.index.write();
            // What is newer than the watches know is news to them, too.
            request.iter().for_each(|object| drop(tables.put_request(object)));
            grant.iter().for_each(|object| drop(tables.put_grant(object)));
            drop(tables);
            case = self.assemble(key, Types::unseen(), now);
            if request.and_then(|object| object.uid()).as_deref() != Some(key) {
                case.request = None;
                (case.observed.request, case.observed.unread, case.observed.written) = (None, None, None);
            }
            if grant.and_then(|object| object.uid()) != case.grant.as_ref().and_then(|object| object.uid()) {
                (case.grant, case.observed.grant) = (None, None);
            }
        }
        case.observed.ruled.policies = self.policies().await?;
        case.observed.ruled.switches = self.switches(&case).await?;
        case.observed.decisions = self.decisions(&case).await?;
        let asked = case.observed.request.as_ref().map(|r| (r.role.clone(), r.namespaces.clone()));
        let given =
            case.observed.grant.as_ref().map(|g| (g.grant.terms.role.clone(), g.grant.terms.namespaces.clone()));
        if let Some((role, namespaces)) = given.or(asked) {
            case.observed.ground = Some(self.ground.ground(&role, &namespaces).await);
        }
        self.add_ending_parts(&mut case).await?;
        if let Some(seen) = &mut case.observed.grant
            && let (Some(identity), None) = (&seen.grant.identity, &seen.grant.ended)
        {
            seen.parts = Some(self.parts(&seen.grant, identity).await?);
        }
        Ok(case)
    }

    /// The parts of an identity whose grant is over: only the API server's own word tells that they are gone.
    async fn add_ending_parts(&self, case: &mut Case) -> Result<(), CallError> {
        if let Some(seen) = &mut case.observed.grant
            && let Some(identity) = &seen.grant.identity
            && seen.grant.ended.is_some()
            && !seen.grant.is_end_confirmed
        {
            seen.parts = Some(self.parts(&seen.grant, identity).await?);
        }
        Ok(())
    }

    /// The policies, as they are now.
    async fn policies(&self) -> Result<Arc<Policies>, CallError> {
        let api = Api::<AccessPolicy>::all(self.client.clone());
        let listed = call::within(call::CALL_TIMEOUT, api.list(&ListParams::default())).await?;
        let book = Arc::clone(&self.index.read().book);
        Ok(Arc::new(Policies::new(listed.items.iter().map(|object| book.read(object)).collect())))
    }

    /// The switches that concern the case, as they are now.
    async fn switches(&self, case: &Case) -> Result<Arc<Switches>, CallError> {
        let cluster = call::read(&Api::<AccessSwitch>::all(self.client.clone()), CLUSTER).await?;
        let (cluster, words) = cluster.as_ref().map_or_else(Default::default, switches::read_cluster);
        let asked = case.observed.request.as_ref().map(|request| request.role.clone());
        let given = case.observed.grant.as_ref().map(|seen| seen.grant.terms.role.clone());
        let mut roles = BTreeMap::new();
        if let Some(name) = given.or(asked) {
            let role = call::read(&Api::<AccessRole>::all(self.client.clone()), &name).await?;
            roles.insert(name, role.as_ref().map(switches::of_role).unwrap_or_default());
        }
        Ok(Arc::new(Switches { cluster, words, roles }))
    }

    /// The decisions that the watches know or the grant names, as they are now.
    async fn decisions(&self, case: &Case) -> Result<Vec<Decision>, CallError> {
        let known = case.observed.decisions.iter().map(|d| (d.name.clone(), d.uid.clone()));
        let named = case.observed.grant.iter().flat_map(|seen| &seen.grant.approvals);
        let named = named.map(|approval| (approval.decision_name.clone(), approval.decision_uid.clone()));
        let all: BTreeSet<(String, String)> = known.chain(named).collect();
        let api = Api::<AccessDecision>::all(self.client.clone());
        let read = all.iter().map(async |(name, uid)| {
            let found = call::read(&api, name).await?.filter(|object| object.uid().as_ref() == Some(uid));
            Ok::<_, CallError>(found.and_then(|object| Decision::try_from(&object).ok()))
        });
        Ok(try_join_all(read).await?.into_iter().flatten().collect())
    }

    /// What there is of an identity now: where its parts belong, and where the watches have seen any.
    pub(super) async fn parts(&self, grant: &Grant, identity: &IdentityRef) -> Result<Vec<Part>, CallError> {
        let mut places: BTreeSet<(PartKind, String)> = identity::places(&grant.terms).into_iter().collect();
        places.insert((PartKind::Anchor, parts::NAMESPACE.to_owned()));
        places.insert((PartKind::ServiceAccount, parts::NAMESPACE.to_owned()));
        for found in self.index.read().parts.get(&identity.name).into_iter().flat_map(BTreeMap::values) {
            let (kind, namespace, _) = found.place();
            places.insert((kind, namespace));
        }
        let all = places.iter().map(|(kind, namespace)| read_part(&self.client, *kind, namespace, &identity.name));
        Ok(try_join_all(all).await?.into_iter().flatten().map(|found| found.part(&grant.terms)).collect())
    }

    fn assemble(&self, key: &str, types: Types, now: Timestamp) -> Case {
        let tables = self.index.read();
        let request = tables.requests.get(key);
        let seen = tables.grants.get(key).and_then(|all| all.values().next());
        let readable = request.and_then(|seen| seen.read.as_ref().ok()).cloned();
        let grant = seen.and_then(|seen| self.grant_seen(&tables, seen, now));
        let terms = grant.as_ref().map(|seen| &seen.grant.terms);
        let asked = readable.as_ref().map(|request| (request.role.as_str(), request.namespaces.as_slice()));
        let place = terms.map(|terms| (terms.role.as_str(), terms.namespaces.as_slice())).or(asked);
        let observed = Observed {
            limits: self.limits,
            written: request.and_then(|seen| seen.written.clone()),
            unread: request.and_then(unread),
            is_excess: readable.as_ref().is_some_and(|request| bounds::is_excess(&tables, request)),
            is_crowded_out: request.is_some_and(|seen| {
                !seen.is_open() && bounds::crowded_out(&tables, &seen.object.spec.requester.username).contains(key)
            }),
            decisions: tables.decisions_about(key).cloned().collect(),
            beyond: tables.beyond(key),
            is_name_taken: seen.is_none()
                && readable.as_ref().is_some_and(|request| is_name_taken(&tables, key, &request.name)),
            ground: place.map(|(role, namespaces)| known_ground(&tables, role, namespaces, types)),
            ruled: Ruled {
                policies: tables.book.policies(),
                conditions: tables.book.conditions(),
                usage: readable.as_ref().map(|request| usage(&tables, request)).unwrap_or_default(),
                switches: tables.switches.switches(),
            },
            trusted_since: self.guard.borrow().trusted_since(),
            joinable: seen.and_then(|seen| self.joinable(&tables, seen, now)),
            request: readable,
            grant,
        };
        Case { observed, request: request.map(|seen| seen.object.clone()), grant: seen.map(|seen| seen.object.clone()) }
    }

    fn grant_seen(&self, tables: &Tables, seen: &SeenGrant, now: Timestamp) -> Option<GrantSeen> {
        let grant = seen.read.as_ref().ok()?.clone();
        let identity = grant.identity.clone();
        let shares =
            |other: &SeenGrant| other.live().is_some_and(|other| other.uid != grant.uid && other.identity == identity);
        Some(GrantSeen {
            is_announced: seen.object.status.as_ref().is_some_and(|status| status.phase.is_some()),
            ground: seen.object.annotations().get(wire::GROUND).cloned(),
            is_held: seen.object.finalizers().iter().any(|finalizer| finalizer == wire::FINALIZER),
            parts: identity.as_ref().map(|identity| known_parts(tables, &grant, identity)),
            end_message: wire::end_message(&seen.object),
            is_identity_shared: identity.as_ref().is_some_and(|identity| tables.carried(&identity.name).any(shares)),
            gateways: gateways(tables, now),
            grant,
        })
    }

    /// An identity of a live grant with equal rules: whole, and not retired.
    fn joinable(&self, tables: &Tables, seen: &SeenGrant, now: Timestamp) -> Option<IdentityRef> {
        let others = tables.sharing(&seen.rules).filter_map(SeenGrant::live);
        let mut usable = others.filter(|other| !other.window.is_over(now)).filter_map(|other| {
            let identity = other.identity.clone()?;
            let is_whole =
                identity::fault(&other.terms, &identity.uid, &known_parts(tables, other, &identity)).is_none();
            (is_whole && !self.identities.is_retired(&identity.uid)).then_some(identity)
        });
        usable.next()
    }
}

/// Why a request cannot be read, if it cannot.
fn unread(seen: &SeenRequest) -> Option<UnreadRequest> {
    let why = seen.read.as_ref().err()?.clone();
    Some(UnreadRequest { why, is_deleting: seen.object.metadata.deletion_timestamp.is_some() })
}

/// What the requester asked for before by rules, `request` not included.
fn usage(tables: &Tables, request: &Request) -> Usage {
    let others =
        || tables.requests_of(&request.requester.username).filter(|seen| seen.uid().as_ref() != Some(&request.uid));
    let uses = others().filter_map(|seen| {
        let written = seen.written.as_ref()?;
        let by = written.policy.as_ref()?;
        let grant = seen.uid().and_then(|uid| tables.grants.get(&uid)).and_then(|all| all.values().next());
        let state = match grant.and_then(|seen| seen.read.as_ref().ok()) {
            Some(grant) => UseState::Granted { window: grant.window, ended_at: grant.ended.as_ref().map(|end| end.at) },
            None if seen.is_open() => UseState::Pending { duration: written.terms.as_ref()?.duration },
            None => return None,
        };
        Some(Use { policy_uid: by.uid.clone(), rule: by.rule.clone(), state, is_unreviewed: written.awaits_review() })
    });
    // As of when it was asked: the mere passing of time changes no answer.
    let is_overdue = |seen: &&SeenRequest| {
        let review = seen.written.as_ref().and_then(|written| written.review.as_ref());
        review.is_some_and(|review| review.is_overdue(request.created_at))
    };
    let overdue_review = others().find(is_overdue).map(|seen| seen.object.name_any());
    Usage { uses: uses.collect(), overdue_review }
}

fn is_name_taken(tables: &Tables, key: &str, name: &str) -> bool {
    tables.grants.iter().any(|(other, all)| other != key && all.values().any(|seen| seen.object.name_any() == name))
}

fn known_parts(tables: &Tables, grant: &Grant, identity: &IdentityRef) -> Vec<Part> {
    let found = tables.parts.get(&identity.name).into_iter().flat_map(BTreeMap::values);
    found.map(|found| found.part(&grant.terms)).collect()
}

fn known_ground(tables: &Tables, role: &str, namespaces: &[String], types: Types) -> Grounded {
    let lookup = |name: &str| tables.cluster_roles.get(name).map(|role| ground::allowed(role));
    let role = match tables.roles.get(role) {
        Some(role) => ground::assemble(role, lookup),
        None => (RoleState::Missing, Born::default()),
    };
    let namespaces = namespaces.iter().map(|name| match tables.namespaces.get(name) {
        Some(seen) => {
            Place { name: name.clone(), state: seen.state, born: seen.born.clone(), labels: Some(seen.labels.clone()) }
        }
        None => Place { name: name.clone(), state: NamespaceState::Missing, born: Born::default(), labels: None },
    });
    ground::join(role, namespaces.collect(), types)
}

/// Every replica that may hold something open.
fn gateways(tables: &Tables, now: Timestamp) -> Vec<Acknowledgement> {
    let live = tables.gateways.iter().filter_map(|(replica, gateway)| {
        let left = GATEWAY_DEAD_AFTER.checked_sub(gateway.since.elapsed())?;
        let left = SignedDuration::try_from(left).ok()?;
        Some(Acknowledgement {
            replica: replica.clone(),
            resource_version: gateway.acknowledged,
            dead_at: now.saturating_add(left).unwrap_or(Timestamp::MAX),
        })
    });
    live.collect()
}

/// The part in that place, as etcd has it.
pub(super) async fn read_part(
    client: &Client,
    kind: PartKind,
    namespace: &str,
    identity: &str,
) -> Result<Option<Found>, CallError> {
    let client = client.clone();
    let name = parts::name_of(kind, identity);
    match kind {
        PartKind::Role => found(&Api::<Role>::namespaced(client, namespace), &name, identity).await,
        PartKind::RoleBinding => found(&Api::<RoleBinding>::namespaced(client, namespace), &name, identity).await,
        PartKind::ClusterRole => found(&Api::<ClusterRole>::all(client), &name, identity).await,
        PartKind::ClusterRoleBinding => found(&Api::<ClusterRoleBinding>::all(client), &name, identity).await,
        PartKind::Anchor => found(&Api::<Secret>::namespaced(client, parts::NAMESPACE), &name, identity).await,
        PartKind::ServiceAccount => {
            found(&Api::<ServiceAccount>::namespaced(client, parts::NAMESPACE), &name, identity).await
        }
    }
}

async fn found<K>(api: &Api<K>, name: &str, identity: &str) -> Result<Option<Found>, CallError>
where
    K: PartObject + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    Ok(call::read(api, name).await?.map(|object| object.found_as(identity.to_owned())))
}
