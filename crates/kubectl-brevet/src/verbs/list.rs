//! `list`: my requests, and those I may decide on.

use std::collections::HashMap;
use std::time::Duration;

use brevet_api::Phase;
use futures::TryStreamExt as _;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::{ListParams, PostParams, WatchParams};

use super::{Code, DONE};
use crate::cli::{Format, ListArgs};
use crate::clock::now;
use crate::cluster::{Cluster, call};
use crate::entry::{Entry, joined};
use crate::print;
use crate::problem::Problem;

/// After a change, so that a burst of them is read once.
const SETTLE: Duration = Duration::from_millis(200);

/// One watch lasts this long before everything is read again, seconds.
const WATCH_SECONDS: u32 = 60;

pub(super) async fn run(cluster: &Cluster, args: &ListArgs) -> anyhow::Result<Code> {
    if args.watch {
        return watch(cluster, args).await;
    }
    let entries = chosen(cluster, args, cluster.all_requests().await?).await?;
    show(args, &entries)?;
    Ok(DONE)
}

/// Joins, then keeps what the flags ask for.
async fn chosen(
    cluster: &Cluster,
    args: &ListArgs,
    requests: Vec<brevet_api::sessions::Request>,
) -> Result<Vec<Entry>, Problem> {
    let mut entries = joined(requests, &cluster.all_grants().await?);
    if !args.namespaces.is_empty() {
        entries.retain(|entry| entry.request.spec.namespaces.iter().any(|name| args.namespaces.contains(name)));
    }
    if args.mine {
        let me = cluster.who().await?;
        entries.retain(|entry| entry.request.spec.requester.username == me.username);
    }
    if args.reviewable {
        let me = cluster.who().await?;
        entries.retain(|entry| entry.phase() == Phase::Pending || entry.awaits_review());
        entries.retain(|entry| entry.request.spec.requester.username != me.username);
        let mut rights = Rights::default();
        let mut kept = Vec::new();
        for entry in entries {
            if rights.may_approve(cluster, &entry.request.spec.role, &entry.request.spec.namespaces).await? {
                kept.push(entry);
            }
        }
        entries = kept;
    }
    Ok(entries)
}

fn show(args: &ListArgs, entries: &[Entry]) -> anyhow::Result<()> {
    match args.output.format() {
        Format::Json => print::result(&print::json(&entries)?),
        Format::Yaml => print::result(&print::yaml(&entries)?),
        Format::Name => entries.iter().try_for_each(|entry| print::result(&entry.qualified_name())),
        _ if entries.is_empty() => {
            print::say(if args.reviewable {
                "nothing waits for your decision"
            } else {
                "there are no requests that you may see; ask: kubectl brevet request --help"
            });
            Ok(())
        }
        format => {
            let wide = format == Format::Wide;
            let rows = entries.iter().map(|entry| entry.row(wide, now())).collect::<Vec<_>>();
            print::result(&print::table(Entry::header(wide), &rows))
        }
    }
}

/// What somebody may decide, asked once for each role and namespace.
#[derive(Default)]
struct Rights(HashMap<(String, String), bool>);

impl Rights {
    async fn may_approve(&mut self, cluster: &Cluster, role: &str, namespaces: &[String]) -> Result<bool, Problem> {
        // No namespaces: the right must be held for the whole cluster.
        let everywhere = [String::new()];
        let places = if namespaces.is_empty() { &everywhere[..] } else { namespaces };
        for place in places {
            let key = (role.to_owned(), place.clone());
            let known = self.0.get(&key).copied();
            let allowed = match known {
                Some(allowed) => allowed,
                None => may(cluster, "approve", "accessroles", role, place).await?,
            };
            self.0.insert(key, allowed);
            if !allowed {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether I may, says the cluster.
pub(super) async fn may(
    cluster: &Cluster,
    verb: &str,
    resource: &str,
    name: &str,
    namespace: &str,
) -> Result<bool, Problem> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (resource, group) = resource.split_once('.').unwrap_or((resource, brevet_api::GROUP));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: given(group),
                resource: given(resource),
                subresource: given(subresource),
                verb: given(verb),
                name: given(name),
                namespace: given(namespace),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let answer = call("ask what you may do", reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Prints what is there, then what changes, until interrupted.
async fn watch(cluster: &Cluster, args: &ListArgs) -> anyhow::Result<Code> {
    let mut seen: HashMap<String, (Phase, Option<jiff::Timestamp>)> = HashMap::new();
    let mut is_first = true;
    loop {
        let list = call("list requests", cluster.requests().list(&ListParams::default())).await?;
        let version = list.metadata.resource_version.clone().unwrap_or_default();
        let mut changed = chosen(cluster, args, list.items).await?;
        changed.retain(|entry| {
            let uid = entry.request.metadata.uid.clone().unwrap_or_default();
            let state = (entry.phase(), entry.until());
            seen.insert(uid, state) != Some(state)
        });
        stream(args, &changed, is_first)?;
        is_first = false;
        next_change(cluster, &version).await;
        tokio::time::sleep(SETTLE).await;
    }
}

fn stream(args: &ListArgs, changed: &[Entry], is_first: bool) -> anyhow::Result<()> {
    match args.output.format() {
        Format::Json => changed.iter().try_for_each(|entry| print::result(&print::json_line(entry)?)),
        Format::Yaml => changed.iter().try_for_each(|entry| print::result(&format!("---\n{}", print::yaml(entry)?))),
        Format::Name => changed.iter().try_for_each(|entry| print::result(&entry.qualified_name())),
        format => {
            let wide = format == Format::Wide;
            let rows = changed.iter().map(|entry| entry.row(wide, now())).collect::<Vec<_>>();
            let table = print::table(Entry::header(wide), &rows);
            let lines = table.lines().skip(usize::from(!is_first)).collect::<Vec<_>>();
            if lines.is_empty() { Ok(()) } else { print::result(&lines.join("\n")) }
        }
    }
}

/// Returns at the first event, or when the watch ends for any reason.
async fn next_change(cluster: &Cluster, version: &str) {
    let requests = cluster.requests();
    let watch = async {
        if let Ok(events) = requests.watch(&WatchParams::default().timeout(WATCH_SECONDS), version).await {
            let mut events = std::pin::pin!(events);
            while let Ok(Some(kube::api::WatchEvent::Bookmark(_))) = events.try_next().await {}
        } else {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    // A server that forgets the timeout it was asked for must not hold us.
    let _ = tokio::time::timeout(Duration::from_secs(u64::from(WATCH_SECONDS)), watch).await;
}
