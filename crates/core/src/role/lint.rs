//! The linter: what a role must own up to before it is accepted.
//!
//! Promises: every finding says in words what could go wrong; a role without
//! findings holds nothing by which access outlives or exceeds its grant, or
//! says `risk: Critical`.
//!
//! Left out on purpose: third-party resources, whose effect nobody can know
//! here; their authors choose the risk.

use std::fmt;

use super::{Risk, Role, Scope, forbidden};
use crate::rules::{Rule, Rules};

/// One thing wrong with a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule or field.
    pub what: String,
    /// What could go wrong, in a sentence.
    pub why: String,
    /// The least risk the role must state for it; `None`: never acceptable.
    pub needs: Option<Risk>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.needs {
            Some(risk) => write!(f, "{}: {}; the role must say `risk: {risk:?}`", self.what, self.why),
            None => write!(f, "{}: {}; take it out", self.what, self.why),
        }
    }
}

/// Everything that stands against accepting the role.
#[must_use]
pub fn lint(role: &Role) -> Vec<Finding> {
    let mut found = unsound(role);
    for (part, rules) in [("clusterRoles", &role.ceiling), ("companions", &role.companions)] {
        found.extend(rules.0.iter().filter_map(|rule| {
            let why = forbidden::why(rule)?;
            Some(Finding { what: part.to_owned(), why, needs: None })
        }));
        for danger in DANGERS {
            let is_in_scope = !danger.cluster_only || role.scope == Scope::Cluster;
            let is_owned_up = danger.needs.is_some_and(|needs| role.risk >= needs);
            if let (true, false, Some(what)) = (is_in_scope, is_owned_up, danger.find(rules)) {
                found.push(Finding {
                    what: format!("{part}: {what}"),
                    why: danger.why.to_owned(),
                    needs: danger.needs,
                });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn unsound(role: &Role) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |what: &str, why: &str| {
        found.push(Finding { what: what.to_owned(), why: why.to_owned(), needs: None });
    };
    if role.ceiling.is_empty() {
        add("clusterRoles", "the ceiling is empty: a role that is filled later would never have been read");
    }
    if role.default_duration > role.max_duration {
        add("defaultDuration", "it is longer than maxDuration, so every request without a duration would be refused");
    }
    if role.deliveries.is_empty() {
        add("deliveries", "no way of delivery is allowed");
    }
    found
}

/// A kind of rule, what it can do, and the risk that owns up to it.
struct Danger {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Also when the rule names its objects.
    even_named: bool,
    /// Only where the rules apply to the whole cluster.
    cluster_only: bool,
    needs: Option<Risk>,
    why: &'static str,
}

impl Danger {
    /// The first (resource, verb) of the rules that matches.
    fn find(&self, rules: &Rules) -> Option<String> {
        rules.0.iter().find_map(|rule| self.find_in(rule))
    }

    fn find_in(&self, rule: &Rule) -> Option<String> {
        if !self.even_named && !rule.resource_names.is_empty() {
            return None;
        }
        rule.api_groups.iter().find(|group| self.groups.contains(&group.as_str()))?;
        let resource = rule.resources.iter().find(|resource| self.resources.contains(&resource.as_str()))?;
        let verb = rule.verbs.iter().find(|verb| self.verbs.contains(&verb.as_str()))?;
        Some(format!("`{verb} {resource}`"))
    }
}

const WRITES: &[&str] = &["create", "update", "patch"];
const CHANGES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ANY: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const CRITICAL: Option<Risk> = Some(Risk::Critical);
const HIGH: Option<Risk> = Some(Risk::High);

/// By effect, not by name.
const DANGERS: &[Danger] = &[
    Danger {
        groups: &["", "apps", "batch", "extensions"],
        resources: &[
            "pods",
            "replicationcontrollers",
            "podtemplates",
            "deployments",
            "replicasets",
            "statefulsets",
            "daemonsets",
            "jobs",
            "cronjobs",
        ],
        verbs: WRITES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "a pod or its template can mount any secret, run as any service account of the namespace and go on after the grant",
    },
    Danger {
        groups: &[""],
        resources: &["secrets"],
        verbs: &["list", "watch"],
        even_named: false,
        cluster_only: false,
        needs: CRITICAL,
        why: "listing secrets reads all of them, tokens without end included",
    },
    Danger {
        groups: &[""],
        resources: &["secrets"],
        verbs: WRITES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "writing a secret can mint a service account token without end, or replace a credential that others use",
    },
    Danger {
        groups: &[""],
        resources: &["secrets"],
        verbs: ANY,
        even_named: true,
        cluster_only: true,
        needs: None,
        why: "secrets of every namespace include those that Brevet and the cluster itself rest on",
    },
    Danger {
        groups: &[""],
        resources: &["secrets"],
        verbs: &["get"],
        even_named: true,
        cluster_only: false,
        needs: HIGH,
        why: "a secret that was read is known after the grant",
    },
    Danger {
        groups: &[""],
        resources: &["serviceaccounts"],
        verbs: CHANGES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "a service account is an identity: made or changed, it outlives the grant",
    },
    Danger {
        groups: &[""],
        resources: &["pods/exec", "pods/attach", "pods/ephemeralcontainers"],
        verbs: &["get", "create", "update", "patch"],
        even_named: true,
        cluster_only: false,
        needs: HIGH,
        why: "a shell in a pod has its secrets and the token of its service account, and what it starts goes on after the grant",
    },
    Danger {
        groups: &[""],
        resources: &["pods/proxy", "services/proxy"],
        verbs: ANY,
        even_named: true,
        cluster_only: false,
        needs: HIGH,
        why: "the proxy reaches any port behind it with the API server as sender, past network policy",
    },
    Danger {
        groups: &[""],
        resources: &["nodes"],
        verbs: CHANGES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "labels, taints and status of a node decide which pods come to it, and where the API server calls",
    },
    Danger {
        groups: &[""],
        resources: &["nodes/status", "pods/status", "pods/binding", "bindings", "services/status"],
        verbs: WRITES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "a status or binding is believed by the API server and the scheduler: it moves pods and redirects traffic",
    },
    Danger {
        groups: &[""],
        resources: &["namespaces", "namespaces/finalize", "namespaces/status"],
        verbs: CHANGES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "a namespace's labels switch its pod security and policies; deleting it deletes all it holds",
    },
    Danger {
        groups: &[""],
        resources: &["persistentvolumes"],
        verbs: WRITES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "a volume can mount a path of the node",
    },
    Danger {
        groups: &["apps", "extensions", "batch", "autoscaling", "policy", "networking.k8s.io", ""],
        resources: &["networkpolicies", "resourcequotas", "limitranges", "poddisruptionbudgets"],
        verbs: CHANGES,
        even_named: true,
        cluster_only: false,
        needs: HIGH,
        why: "it takes away a protection of everything else in the namespace",
    },
    Danger {
        groups: &["authentication.k8s.io", "authorization.k8s.io"],
        resources: &["tokenreviews", "subjectaccessreviews", "localsubjectaccessreviews"],
        verbs: &["create"],
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "it tells whose a token is and what others may do",
    },
    Danger {
        groups: &[
            "flowcontrol.apiserver.k8s.io",
            "storage.k8s.io",
            "scheduling.k8s.io",
            "node.k8s.io",
            "coordination.k8s.io",
        ],
        resources: &[
            "flowschemas",
            "prioritylevelconfigurations",
            "storageclasses",
            "csidrivers",
            "csinodes",
            "priorityclasses",
            "runtimeclasses",
            "leases",
        ],
        verbs: CHANGES,
        even_named: true,
        cluster_only: false,
        needs: CRITICAL,
        why: "it changes how the whole cluster is served, scheduled or led",
    },
];
