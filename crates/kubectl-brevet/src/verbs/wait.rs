//! `wait`: until a request is active, or over.

use brevet_api::Phase;
use tokio::time::Instant;

use super::{Code, DONE};
use crate::cli::{Format, Until, WaitArgs};
use crate::clock::now;
use crate::cluster::Cluster;
use crate::entry::{Entry, is_over, phase};
use crate::follow::{self, Awaited};
use crate::prepare::read_length;
use crate::print;
use crate::problem::Problem;
use crate::{outcome, spans};

pub(super) async fn run(cluster: &Cluster, args: &WaitArgs) -> anyhow::Result<Code> {
    let timeout = args.timeout.as_deref().map(|text| read_length("--timeout", text)).transpose()?;
    let name = &args.name;
    let awaited = Awaited {
        name,
        uid: None,
        deadline: timeout.map(|length| Instant::now() + std::time::Duration::from_secs(length.seconds().into())),
        saying: None,
    };
    let is_done = |request: &brevet_api::sessions::Request| {
        let phase = phase(request);
        match args.until {
            Until::Active => phase == Phase::Active || phase == Phase::Revoking || is_over(phase),
            Until::Ended => is_over(phase),
        }
    };
    let mut last = Phase::Pending;
    let reached = follow::until(cluster, &awaited, |request| {
        last = phase(request);
        is_done(request)
    })
    .await?;
    let Some(request) = reached else {
        let what = if args.until == Until::Active { "active" } else { "over" };
        return Err(Problem::failed(format!("`{name}` is not {what} in time"))
            .why(format!("it is {last}"))
            .next(format!("see what it waits for: kubectl brevet get {name}"))
            .into());
    };
    let grant = cluster.grant_of(&request).await?;
    let entry = Entry::new(request, grant);
    tell(args, &entry)?;
    match (args.until, entry.phase()) {
        (Until::Active, Phase::Active) | (Until::Ended, _) => Ok(DONE),
        _ => Err(outcome::not_granted(&entry).into()),
    }
}

fn tell(args: &WaitArgs, entry: &Entry) -> anyhow::Result<()> {
    match args.output.format() {
        Format::Json => print::result(&print::json(entry)?),
        Format::Yaml => print::result(&print::yaml(entry)?),
        Format::Name => print::result(&entry.qualified_name()),
        Format::Table | Format::Wide => {
            let until = match (entry.phase(), entry.until(), entry.ended_at()) {
                (Phase::Active, Some(until), _) => format!(" until {}", spans::utc_and_distance(until, now())),
                (_, _, Some(ended)) => format!(" since {}", spans::utc(ended)),
                _ => String::new(),
            };
            print::result(&format!("{} is {}{until}", entry.name(), entry.phase().as_str().to_ascii_lowercase()))
        }
    }
}
