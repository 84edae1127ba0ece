//! kill -9 under load.
//!
//! A child process writes and says on its standard output what it was told;
//! it is killed at a random moment, again and again over one folder. A power cut
//! is played by also losing or spoiling what was not synced.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use brevet_server::{probes::Health, record::Limits, telemetry::Metrics};
use rand::Rng as _;

use super::scene::{agent, entries, event, open, segments};

/// Tells the child where to write.
const FOLDER: &str = "BREVET_TEST_RECORD_FOLDER";
/// Kills in `make test`.
const ROUNDS: usize = 30;
/// Random cases of a property in `make soak` for each kill there.
const CASES_PER_ROUND: usize = 20;
/// Kills over one folder.
const ROUNDS_PER_FOLDER: usize = 10;

/// Small, so that kills also meet the change from one segment to the next.
const LIMITS: Limits = Limits { segment_bytes_max: 300_000, segment_age_max: Duration::from_secs(3600) };

fn rounds() -> usize {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<usize>().ok());
    cases.map_or(ROUNDS, |cases| ROUNDS.max(cases / CASES_PER_ROUND))
}

/// The child; nothing to do when the tests run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_writes_until_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let log = open(Path::new(&folder), LIMITS, &Arc::default(), &Health::default(), &Metrics::default()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let recorder = log.recorder();
        tasks.spawn(async move {
            for number in 0.. {
                let name = format!("{}-{writer}-{number}", std::process::id());
                let pending = recorder.append(event(&name)).unwrap();
                let (strength, seq) = if writer % 2 == 0 {
                    ("written", pending.written().await.unwrap().seq())
                } else {
                    ("synced", pending.synced().await.unwrap().seq())
                };
                let told = format!("told {strength} {seq} {name}\n");
                std::io::stdout().lock().write_all(told.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_writes_until_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a child was told, by place, until it was killed after about so many bytes of it.
fn told_until_killed(folder: &Path, bytes: usize, strengths: &[&str]) -> BTreeMap<u64, String> {
    let mut child = start(folder);
    let mut output = child.stdout.take().unwrap();
    let mut text = vec![0; bytes];
    output.read_exact(&mut text).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_end(&mut text).unwrap();
    let text = String::from_utf8_lossy(&text);
    let mut told = BTreeMap::new();
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let ["told", strength, seq, name] = line.split(' ').collect::<Vec<_>>()[..]
            && strengths.contains(&strength)
        {
            told.insert(seq.parse().unwrap(), name.to_owned());
        }
    }
    told
}

/// Entries by place, of a log whose end may be torn.
fn kept(folder: &Path) -> BTreeMap<u64, String> {
    entries(folder).iter().map(|record| (record.seq, agent(record).to_owned())).collect()
}

fn missing(told: &BTreeMap<u64, String>, kept: &BTreeMap<u64, String>) -> Vec<(u64, String)> {
    let is_missing = |(seq, name): &(&u64, &String)| kept.get(seq) != Some(name);
    told.iter().filter(is_missing).map(|(seq, name)| (*seq, name.clone())).collect()
}

#[tokio::test]
async fn a_kill_loses_no_entry_that_was_acknowledged() {
    let mut random = rand::rng();
    let mut folder = tempfile::tempdir().unwrap();
    let mut told = BTreeMap::new();
    for round in 0..rounds() {
        if round % ROUNDS_PER_FOLDER == 0 {
            folder = tempfile::tempdir().unwrap();
            told.clear();
        }
        let bytes = random.random_range(60..6_000);
        told.extend(told_until_killed(folder.path(), bytes, &["written", "synced"]));
        // The next start cuts what is torn; nothing of what was told may be in it.
        open(folder.path(), LIMITS, &Arc::default(), &Health::default(), &Metrics::default())
            .unwrap()
            .close("test")
            .await;
        let kept = kept(folder.path());
        assert_eq!(missing(&told, &kept), [], "round {round}, of {} told", told.len());
    }
}

#[tokio::test]
async fn a_power_cut_loses_no_entry_that_was_synced() {
    let mut random = rand::rng();
    for round in 0..rounds() / 3 {
        let folder = tempfile::tempdir().unwrap();
        let bytes = random.random_range(60..6_000);
        let told = told_until_killed(folder.path(), bytes, &["synced"]);
        spoil(folder.path(), &mut random);
        open(folder.path(), LIMITS, &Arc::default(), &Health::default(), &Metrics::default())
            .unwrap()
            .close("test")
            .await;
        assert_eq!(missing(&told, &kept(folder.path())), [], "round {round}");
    }
}

/// Loses or spoils some of what lies behind the mark.
fn spoil(folder: &Path, random: &mut impl rand::Rng) {
    let mark = fs::read_to_string(folder.join("synced")).unwrap();
    let mut mark: Vec<usize> = mark.split_whitespace().map(|word| word.parse().unwrap()).collect();
    // Nothing is marked before the first sync.
    mark.resize(3, 0);
    let last = segments(folder).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    // A segment that is named in no mark yet was synced with its head.
    let is_marked = mark[1] > 0 && last.file_name().unwrap().to_str().unwrap().starts_with(&format!("{:08}-", mark[0]));
    let head = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let synced = if is_marked { mark[1] } else { head };
    if synced >= bytes.len() {
        return;
    }
    let from = random.random_range(synced..bytes.len());
    if random.random() {
        bytes.truncate(from);
    } else {
        let to = random.random_range(from..bytes.len());
        bytes[from..=to].fill(0);
    }
    fs::write(&last, &bytes).unwrap();
}
