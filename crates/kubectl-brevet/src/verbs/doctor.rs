//! `doctor`: whether Brevet works here, and for whoever asks.
//!
//! Promises: one line a check, each with its remedy; only what the caller may read is read, and what
//! may not be read is said to be unknown, never to be well; nothing is changed (one request is
//! created as a dry run, in another's name, to see it refused).
//!
//! Left out on purpose: repairs.

use brevet_api::{AccessRequest, AccessRequestSpec, SubjectBlock};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use owo_colors::OwoColorize as _;

use super::list::may;
use super::{Code, DONE};
use crate::cli::DoctorArgs;
use crate::cluster::{Cluster, call};
use crate::plain::plain;
use crate::print;
use crate::problem::{Outcome, Problem};

/// The oldest Kubernetes whose admission policies are as they are used here.
const MINOR_MIN: u32 = 30;

/// The custom resources that must be served.
const KINDS: [&str; 4] = ["accessroles", "accessrequests", "accessdecisions", "accessgrants"];

/// The policies that carry identity, immutability and the locks, as in `deploy/admission`.
const POLICIES: [&str; 13] = [
    "apiservice.brevet.dev",
    "bindings.brevet.dev",
    "catalogue.brevet.dev",
    "controller-rbac.brevet.dev",
    "controller-reach.brevet.dev",
    "decisions.brevet.dev",
    "elevations.brevet.dev",
    "gateway-reach.brevet.dev",
    "grants.brevet.dev",
    "persistence.brevet.dev",
    "plain.brevet.dev",
    "record.brevet.dev",
    "requests.brevet.dev",
];

/// The ConfigMap that says since when the policies stand.
const RECORD: &str = "admission-record";

const APISERVICE: &str = "v1alpha1.sessions.brevet.dev";

/// What a check found.
enum Finding {
    Ok(String),
    /// What is wrong, and what to do.
    Failed(String, String),
    /// What the caller may not see or do; no fault.
    Note(String),
}

use Finding::{Failed, Note, Ok as Well};

pub(super) async fn run(cluster: &Cluster, args: &DoctorArgs) -> anyhow::Result<Code> {
    let version = answers(cluster).await;
    let is_reached = !matches!(version, Failed(..));
    let mut findings = vec![version];
    if is_reached {
        findings.push(kinds(cluster).await);
        findings.push(policies(cluster).await);
        findings.extend(record(cluster).await);
        findings.push(forgery(cluster).await);
        findings.extend(gateway(cluster).await);
        findings.push(roles(cluster).await);
        let namespace = args.namespace.clone().unwrap_or_else(|| cluster.origin.namespace());
        findings.extend(rights(cluster, &namespace).await);
    }
    let mut failed = 0_usize;
    for finding in &findings {
        failed += usize::from(matches!(finding, Failed(..)));
        show(finding)?;
    }
    if failed == 0 {
        return Ok(DONE);
    }
    print::say(&format!("{failed} of {} checks failed", findings.len()));
    Ok(Outcome::Failed.code())
}

fn show(finding: &Finding) -> anyhow::Result<()> {
    match finding {
        Well(what) => print::result(&format!("{}      {}", "ok".green(), plain(what))),
        Note(what) => print::result(&format!("{}    {}", "note".yellow(), plain(what))),
        Failed(what, next) => {
            print::result(&format!("{}  {}", "failed".red().bold(), plain(what)))?;
            print::result(&format!("        next: {}", plain(next)))
        }
    }
}

async fn answers(cluster: &Cluster) -> Finding {
    let server = cluster.origin.cluster.server.clone().unwrap_or_default();
    match call("reach the cluster", cluster.client.apiserver_version()).await {
        Err(problem) => Failed(
            format!("the cluster at {server} does not answer: {}", because(&problem)),
            "see whether kubectl reaches it: kubectl version".to_owned(),
        ),
        Ok(version) => {
            let minor = version.minor.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>();
            if version.major == "1" && minor.is_ok_and(|minor| minor < MINOR_MIN) {
                return Failed(
                    format!("Kubernetes {} is too old", version.git_version),
                    format!("upgrade to 1.{MINOR_MIN} or later: older servers lack the admission policies"),
                );
            }
            Well(format!("the cluster answers: Kubernetes {}", version.git_version))
        }
    }
}

async fn kinds(cluster: &Cluster) -> Finding {
    let group = format!("{}/{}", brevet_api::GROUP, brevet_api::VERSION);
    let install = "install the definitions: kubectl apply -f deploy/crds/".to_owned();
    match call("read what is served", cluster.client.list_api_group_resources(&group)).await {
        Err(problem) => Failed(format!("{group} is not served: {}", because(&problem)), install),
        Ok(served) => {
            let missing = KINDS.iter().filter(|kind| !served.resources.iter().any(|found| found.name == **kind));
            let missing = missing.copied().collect::<Vec<_>>();
            if missing.is_empty() {
                return Well(format!("the kinds are served: {}", KINDS.join(", ")));
            }
            Failed(format!("not served: {}", missing.join(", ")), install)
        }
    }
}

async fn policies(cluster: &Cluster) -> Finding {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(cluster.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster.client.clone());
    let mut missing = Vec::new();
    for name in POLICIES {
        let there = [
            ("policy", policies.get_metadata_opt(name).await.map(|found| found.is_some())),
            ("binding", bindings.get_metadata_opt(name).await.map(|found| found.is_some())),
        ];
        for (what, found) in there {
            match found {
                Ok(true) => {}
                Ok(false) => missing.push(format!("{what} {name}")),
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    return Note(
                        "whether the admission policies are there you may not read; an administrator may".to_owned(),
                    );
                }
                Err(error) => {
                    let problem = crate::cluster::problem("read the admission policies", &error);
                    return Failed(
                        format!("the admission policies cannot be read: {}", because(&problem)),
                        "try again".to_owned(),
                    );
                }
            }
        }
    }
    if missing.is_empty() {
        return Well(format!("the {} admission policies and their bindings are there", POLICIES.len()));
    }
    Failed(
        format!("missing: {}; Brevet grants nothing while they are", missing.join(", ")),
        "install them: kubectl apply -f deploy/admission/".to_owned(),
    )
}

/// Since when the policies stand, for those who may know.
async fn record(cluster: &Cluster) -> Option<Finding> {
    let records: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), "brevet-system");
    match records.get_metadata_opt(RECORD).await {
        Ok(Some(found)) => {
            let since = found.metadata.creation_timestamp.map(|time| time.0.to_string()).unwrap_or_default();
            Some(Well(format!("the policies are on record since {since}: what was asked before counts for nothing")))
        }
        Ok(None) => Some(Failed(
            "the policies are not on record; Brevet grants nothing until they are".to_owned(),
            "start the controller, which makes the record: kubectl -n brevet-system get pods".to_owned(),
        )),
        Err(kube::Error::Api(status)) if status.code == 403 => None,
        Err(error) => {
            let problem = crate::cluster::problem("read the record of the admission policies", &error);
            Some(Failed(format!("the record cannot be read: {}", because(&problem)), "try again".to_owned()))
        }
    }
}

/// Whether a request in another's name is refused, or stamped with the caller's.
async fn forgery(cluster: &Cluster) -> Finding {
    let forged = SubjectBlock { username: "brevet-doctor:somebody-else".to_owned(), ..SubjectBlock::default() };
    let mut request = AccessRequest::new(
        "",
        AccessRequestSpec {
            requester: forged.clone(),
            role: "doctor".to_owned(),
            namespaces: vec!["default".to_owned()],
            resources: Vec::new(),
            duration: None,
            start_at: None,
            justification: "a dry run of kubectl brevet doctor".to_owned(),
            urgency: None,
            ticket: None,
            delivery: None,
        },
    );
    request.metadata = ObjectMeta { generate_name: Some("doctor-".to_owned()), ..ObjectMeta::default() };
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match cluster.new_requests().create(&dry_run, &request).await {
        Ok(made) if made.spec.requester.username != forged.username => {
            Well("a request in another's name is stamped with yours".to_owned())
        }
        Ok(_) => Failed(
            "a request in another's name is accepted".to_owned(),
            "install the admission policies at once: kubectl apply -f deploy/admission/".to_owned(),
        ),
        Err(kube::Error::Api(status)) if status.message.contains("requester") => {
            Well("a request in another's name is refused".to_owned())
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Note("whether a request in another's name is refused cannot be tried: you may not ask".to_owned())
        }
        Err(error) => {
            let problem = crate::cluster::problem("try a request", &error);
            Failed(format!("a request cannot be tried: {}", because(&problem)), "see the checks above".to_owned())
        }
    }
}

/// The aggregated API: whether it is registered and available, and whether it answers me.
async fn gateway(cluster: &Cluster) -> Vec<Finding> {
    let services: Api<APIService> = Api::all(cluster.client.clone());
    let mut findings = Vec::new();
    match services.get_opt(APISERVICE).await {
        Ok(None) => {
            return vec![Failed(
                format!("the APIService {APISERVICE} is missing"),
                "start the gateway, which creates it: kubectl -n brevet-system get pods".to_owned(),
            )];
        }
        Ok(Some(service)) => findings.push(availability(&service)),
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        Err(error) => {
            let problem = crate::cluster::problem("read the APIService", &error);
            findings
                .push(Failed(format!("the APIService cannot be read: {}", because(&problem)), "try again".to_owned()));
        }
    }
    findings.push(match cluster.requests().list(&ListParams::default().limit(1)).await {
        Ok(_) => Well("the gateway answers".to_owned()),
        Err(kube::Error::Api(status)) if status.code == 403 => Note(format!(
            "you may not read requests.{}: ask to be bound to brevet-requester or brevet-decider",
            brevet_api::sessions::GROUP
        )),
        Err(error) => {
            let problem = crate::cluster::problem("read your requests", &error);
            Failed(format!("the gateway does not answer: {}", because(&problem)), unavailable())
        }
    });
    findings
}

fn availability(service: &APIService) -> Finding {
    let conditions = service.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let available = conditions.clone().find(|condition| condition.type_ == "Available");
    match available {
        Some(condition) if condition.status == "True" => Well(format!("the APIService {APISERVICE} is available")),
        Some(condition) => Failed(
            format!("the APIService {APISERVICE} is not available: {}", condition.message.clone().unwrap_or_default()),
            unavailable(),
        ),
        None => Failed(format!("the APIService {APISERVICE} is not available yet"), unavailable()),
    }
}

fn unavailable() -> String {
    format!(
        "start the gateway; while it is away namespaces cannot be deleted: if it stays away, kubectl delete apiservice {APISERVICE}"
    )
}

async fn roles(cluster: &Cluster) -> Finding {
    match call("list the roles", cluster.roles().list(&ListParams::default())).await {
        Err(problem) if problem.outcome == Outcome::Refused => {
            Note("you may not list accessroles; ask for one by its name".to_owned())
        }
        Err(problem) => {
            Failed(format!("the roles cannot be listed: {}", because(&problem)), "see the checks above".to_owned())
        }
        Ok(roles) if roles.items.is_empty() => Failed(
            "there is no role to ask for".to_owned(),
            "install the catalogue: kubectl apply -f deploy/catalogue/".to_owned(),
        ),
        Ok(roles) => {
            let unsound = roles.items.iter().filter(|role| {
                let conditions = role.status.iter().flat_map(|status| &status.conditions);
                conditions.clone().any(|condition| condition.type_ == "Accepted" && condition.status == "False")
            });
            let unsound = unsound.filter_map(|role| role.metadata.name.clone()).collect::<Vec<_>>();
            if unsound.is_empty() {
                return Well(format!("{} roles can be asked for", roles.items.len()));
            }
            Failed(
                format!("roles that are not accepted: {}", unsound.join(", ")),
                format!("see why: kubectl describe accessrole {}", unsound.first().cloned().unwrap_or_default()),
            )
        }
    }
}

/// What the caller may do; lacking a right is no fault of the installation.
async fn rights(cluster: &Cluster, namespace: &str) -> Vec<Finding> {
    let me = match cluster.who().await {
        Ok(me) => me.username,
        Err(problem) => {
            return vec![Failed(
                format!("the cluster does not say who you are: {}", because(&problem)),
                "log in again".to_owned(),
            )];
        }
    };
    let proxy = format!("grants/proxy.{}", brevet_api::sessions::GROUP);
    let views = format!("requests.{}", brevet_api::sessions::GROUP);
    let evaluations = format!("evaluations.{}", brevet_api::sessions::GROUP);
    let asked = [
        ("ask for access", "create", "accessrequests", ""),
        ("see your requests", "get", views.as_str(), ""),
        ("ask what would be decided", "create", evaluations.as_str(), ""),
        ("use what was granted", "create", proxy.as_str(), ""),
        ("decide, withdraw and release", "create", "accessdecisions", ""),
        ("approve every role here", "approve", "accessroles", namespace),
        ("revoke every role here", "revoke", "accessroles", namespace),
    ];
    let mut yes = Vec::new();
    let mut no = Vec::new();
    for (what, verb, resource, place) in asked {
        match may(cluster, verb, resource, "", place).await {
            Ok(true) => yes.push(what),
            Ok(false) => no.push(what),
            Err(problem) => {
                return vec![Failed(
                    format!("your rights cannot be read: {}", because(&problem)),
                    "try again".to_owned(),
                )];
            }
        }
    }
    let mut findings = Vec::new();
    if !yes.is_empty() {
        findings.push(Well(format!("you are {me}; in {namespace} you may: {}", yes.join("; "))));
    }
    if !no.is_empty() {
        findings.push(Note(format!("you may not: {}", no.join("; "))));
    }
    findings
}

/// The cause, on one line.
fn because(problem: &Problem) -> String {
    let lines = problem.lines();
    let cause = lines.iter().find(|(label, _)| label.trim() == "why:").or(lines.first());
    cause.map(|(_, text)| text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::POLICIES;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_policy_that_is_shipped_is_looked_for() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/admission");
        let shipped = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with("stamp-")) // served from 1.36 only
            .map(|name| format!("{name}.brevet.dev"))
            .collect::<BTreeSet<_>>();
        assert_eq!(POLICIES.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), shipped);
    }
}
