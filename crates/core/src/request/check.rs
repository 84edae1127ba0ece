//! Everything that must hold before a person sees a request.
//!
//! Promises: what is proposed is within the role and the ask, reaches no place
//! that is never a target, and holds no forbidden rule; nothing is cut short
//! silently. A refusal whose reason is transient means that nothing could be
//! decided yet.
//!
//! Left out on purpose: whether the named objects exist (that would be an
//! oracle), and who may ask (RBAC says).

use jiff::Timestamp;

use super::{Ground, NamespaceState, Request, RoleState, TypeScope, Types};
use crate::length::Length;
use crate::reason::{Reason, Refusal};
use crate::role::{Delivery, Names, Risk, Role, Scope, forbidden, lint};
use crate::rules::{Ask, Dropped, NAMES_MAX, Rules, fits, narrow};
use crate::terms::Terms;

/// What may be put before an approver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The exact terms.
    pub terms: Terms,
    /// What was asked for and is not in them.
    pub dropped: Vec<Dropped>,
}

/// Namespaces that are never a target: Brevet's own.
pub const OWN_NAMESPACES: [&str; 2] = ["brevet-system", "brevet-elevations"];

/// Namespaces a request may name (design §4; admission has a slot for each).
const NAMESPACES_MAX: usize = 16;

/// Seconds from asking to `startAt` at most.
pub(crate) const START_AHEAD_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;

/// Checks a request against the cluster.
///
/// # Errors
/// The first thing that stands against it, with the field it stands in; with a
/// transient reason when the cluster could not be seen.
pub fn check(request: &Request, ground: &Ground, now: Timestamp) -> Result<Proposal, Refusal> {
    let role = sound_role(request, &ground.role)?;
    let duration = duration(request, role)?;
    check_start(request, duration, now)?;
    let delivery = delivery(request, role)?;
    check_namespaces(request, role, ground)?;
    check_asks(request, role, &ground.types)?;
    let effective = narrow(&role.ceiling, request.resources.as_deref())?;
    if effective.rules.is_empty() {
        return Err(Refusal::new(Reason::OutsideRole, "spec.role", format!("`{}` allows nothing", role.name)));
    }
    let names_objects = request.resources.iter().flatten().any(|ask| !ask.names.is_empty());
    let companions = if names_objects { fits(&role.companions)? } else { Rules::default() };
    for rules in [&effective.rules, &companions] {
        refuse_forbidden(rules)?;
        check_scopes(rules, role, &ground.types)?;
    }
    let mut namespaces = request.namespaces.clone();
    namespaces.sort();
    namespaces.dedup();
    let terms = Terms {
        requester: request.requester.username.clone(),
        requester_uid: request.requester.uid.clone(),
        role: role.name.clone(),
        rules: effective.rules,
        companions,
        namespaces,
        duration,
        start_at: request.start_at,
        delivery,
    };
    Ok(Proposal { terms, dropped: effective.dropped })
}

fn unseen(field: &str, what: &str) -> Refusal {
    Refusal::new(Reason::Stale, field, format!("{what} could not be seen; nothing was decided yet"))
}

fn sound_role<'a>(request: &Request, state: &'a RoleState) -> Result<&'a Role, Refusal> {
    let name = &request.role;
    let refuse = |reason, message| Err(Refusal::new(reason, "spec.role", message));
    match state {
        RoleState::Unknown => Err(unseen("spec.role", "the role")),
        RoleState::Missing => {
            refuse(Reason::RoleNotFound, format!("there is no role `{name}`; `kubectl brevet roles` lists them"))
        }
        RoleState::Unsound(why) => {
            refuse(Reason::RoleNotAccepted, format!("`{name}` cannot be used: {why}; tell its author"))
        }
        RoleState::Found(role) => match lint(role).first() {
            Some(finding) => {
                refuse(Reason::RoleNotAccepted, format!("`{name}` cannot be used: {finding}; tell its author"))
            }
            None => Ok(role),
        },
    }
}

fn duration(request: &Request, role: &Role) -> Result<Length, Refusal> {
    let asked = request.duration.unwrap_or(role.default_duration);
    if asked > role.max_duration {
        let (name, max) = (&role.name, role.max_duration);
        let message = format!("`{name}` allows at most `{max}`, not `{asked}`; ask for `{max}` or less");
        return Err(Refusal::new(Reason::DurationTooLong, "spec.duration", message));
    }
    Ok(asked)
}

fn check_start(request: &Request, duration: Length, now: Timestamp) -> Result<(), Refusal> {
    let Some(start) = request.start_at else {
        return Ok(());
    };
    let refuse = |reason, message: &str| Err(Refusal::new(reason, "spec.startAt", message));
    if start < request.created_at {
        return refuse(Reason::StartOutOfRange, "`startAt` lies in the past; leave it out to start on approval");
    }
    if start.duration_since(request.created_at).as_secs() > START_AHEAD_SECONDS_MAX {
        return refuse(Reason::StartOutOfRange, "`startAt` lies more than 30 days ahead; ask again nearer to it");
    }
    match start.checked_add(duration.span()) {
        Ok(end) if now < end => Ok(()),
        _ => refuse(Reason::WindowMissed, "the time asked for is over; ask again with a later `startAt`"),
    }
}

fn delivery(request: &Request, role: &Role) -> Result<Delivery, Refusal> {
    let chosen = request.delivery.or(role.deliveries.first().copied()).unwrap_or(Delivery::Gateway);
    let refuse = |reason, message: String| Err(Refusal::new(reason, "spec.delivery", message));
    match chosen {
        Delivery::Token => {
            refuse(Reason::DeliveryUnavailable, "`Token` is not available yet; leave `delivery` out".to_owned())
        }
        Delivery::Gateway if !role.deliveries.contains(&chosen) => {
            refuse(Reason::DeliveryNotAllowed, format!("`{}` does not allow `{chosen:?}`; leave it out", role.name))
        }
        Delivery::Gateway => Ok(chosen),
    }
}

fn check_namespaces(request: &Request, role: &Role, ground: &Ground) -> Result<(), Refusal> {
    let refuse = |reason, message: String| Err(Refusal::new(reason, "spec.namespaces", message));
    let name = &role.name;
    match (role.scope, request.namespaces.len()) {
        (Scope::Cluster, 0) => return Ok(()),
        (Scope::Cluster, _) => {
            return refuse(
                Reason::NamespacesNotAllowed,
                format!("`{name}` applies to the cluster; leave `namespaces` out"),
            );
        }
        (Scope::Namespaced, 0) => {
            return refuse(
                Reason::NamespacesRequired,
                format!("`{name}` applies to namespaces; name at least one with `-n`"),
            );
        }
        (Scope::Namespaced, count) if count > NAMESPACES_MAX => {
            return refuse(
                Reason::TooBroad,
                format!("at most {NAMESPACES_MAX} namespaces, not {count}; split the request"),
            );
        }
        (Scope::Namespaced, _) => {}
    }
    for namespace in &request.namespaces {
        if OWN_NAMESPACES.contains(&namespace.as_str()) {
            return refuse(Reason::NamespaceForbidden, format!("`{namespace}` is Brevet's own and never a target"));
        }
        if namespace == "kube-system" && role.risk < Risk::Critical {
            let message = format!("`kube-system` is a target for Critical roles only, and `{name}` is {:?}", role.risk);
            return refuse(Reason::NamespaceForbidden, message);
        }
        match ground.namespaces.get(namespace).copied().unwrap_or(NamespaceState::Unknown) {
            NamespaceState::Active => {}
            NamespaceState::Unknown => return Err(unseen("spec.namespaces", &format!("namespace `{namespace}`"))),
            NamespaceState::Missing | NamespaceState::Terminating => {
                let message = format!("there is no namespace `{}`; check its name", namespace.escape_default());
                return refuse(Reason::NamespaceNotFound, message);
            }
        }
    }
    Ok(())
}

fn check_asks(request: &Request, role: &Role, types: &Types) -> Result<(), Refusal> {
    let asks = request.resources.as_deref().unwrap_or_default();
    let names_required = role.names == Names::Required;
    if names_required && asks.is_empty() {
        return Err(names_missing("spec.resources", role));
    }
    if asks.iter().map(|ask| ask.names.len()).sum::<usize>() > NAMES_MAX {
        let message = format!("a request names at most {NAMES_MAX} objects; split it");
        return Err(Refusal::new(Reason::TooBroad, "spec.resources", message));
    }
    for (index, ask) in asks.iter().enumerate() {
        let field = format!("spec.resources[{index}]");
        if names_required && ask.names.is_empty() {
            return Err(names_missing(&field, role));
        }
        check_ask(&field, ask, types)?;
    }
    Ok(())
}

fn names_missing(field: &str, role: &Role) -> Refusal {
    let message = format!("`{}` is given on named objects only; name them, e.g. with `--pod NAME`", role.name);
    Refusal::new(Reason::NamesRequired, field, message)
}

fn check_ask(field: &str, ask: &Ask, types: &Types) -> Result<(), Refusal> {
    if let Some(name) = ask.names.iter().find(|name| !is_object_name(name)) {
        let message = format!("no object can have the name `{}`; check it", name.escape_default());
        return Err(Refusal::new(Reason::NameMalformed, format!("{field}.names"), message));
    }
    match types.lookup(&ask.api_group, &ask.resource) {
        Some(TypeScope::Unknown) => Err(unseen(field, &format!("what API group `{}` serves", ask.api_group))),
        Some(_) => Ok(()),
        // Wildcards and the like are refused with their own words by `narrow`.
        None if ask.resource.contains('*') || ask.api_group.contains('*') => Ok(()),
        None => {
            let message = format!(
                "the cluster serves no `{}` in API group `{}`; `kubectl api-resources` lists what it serves",
                ask.resource.escape_default(),
                ask.api_group.escape_default()
            );
            Err(Refusal::new(Reason::ResourceUnknown, field, message))
        }
    }
}

/// What fits one path segment and reads in one way only.
fn is_object_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:@+~".contains(c);
    (1..=253).contains(&name.len()) && name != "." && name != ".." && name.chars().all(is_plain)
}

fn refuse_forbidden(rules: &Rules) -> Result<(), Refusal> {
    match forbidden::first(rules) {
        None => Ok(()),
        Some(why) => {
            let message =
                format!("this may never be part of an elevation: {why}; ask for less, or tell the role's author");
            Err(Refusal::new(Reason::ForbiddenRule, "spec.resources", message))
        }
    }
}

/// Whether each type lives where the role applies. A type that is not served
/// grants nothing today and is shown to the approver, so it may stand.
fn check_scopes(rules: &Rules, role: &Role, types: &Types) -> Result<(), Refusal> {
    for rule in &rules.0 {
        let only_reads = rule.verbs.iter().all(|verb| forbidden::READING_VERBS.contains(&verb.as_str()));
        let least = if only_reads { Risk::Medium } else { Risk::Critical };
        for group in &rule.api_groups {
            for resource in &rule.resources {
                check_scope(group, resource, role, least, types)?;
            }
        }
    }
    Ok(())
}

fn check_scope(group: &str, resource: &str, role: &Role, least: Risk, types: &Types) -> Result<(), Refusal> {
    // A Role in namespace `x` does govern the object `namespaces/x`.
    let is_namespace_itself = group.is_empty() && resource.split('/').next() == Some("namespaces");
    let refuse = |message: String| Err(Refusal::new(Reason::ResourceScope, "spec.role", message));
    match (types.lookup(group, resource), role.scope) {
        (Some(TypeScope::Unknown), Scope::Cluster) => {
            Err(unseen("spec.role", &format!("what API group `{group}` serves")))
        }
        (Some(TypeScope::Cluster), Scope::Namespaced) if !is_namespace_itself => refuse(format!(
            "`{resource}` is not in namespaces, and `{}` applies to namespaces; tell its author",
            role.name
        )),
        (Some(TypeScope::Namespaced), Scope::Cluster) if role.risk < least => refuse(format!(
            "`{resource}` would be granted in every namespace, which takes a role of risk {least:?}; \
             tell the author of `{}`",
            role.name
        )),
        _ => Ok(()),
    }
}
