//! `cargo bench -p brevet-verify`: what an entry of the audit log costs, and how
//! fast a log is checked, beside the bare hash of the same bytes.
//!
//! In CPU time of this process, so that a busy machine does not change it; five
//! rounds taking turns, medians. Figures are read, not judged.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on fails")]

use std::{fs, hint::black_box, io::Write as _, process::Command};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use brevet_core::{
    audit::{
        Chain, ChainId, Event, Record,
        event::{CallBegun, CallDone, CallOutcome, CallTarget, Caller, ObjectRef},
        key::{PublicKey, Signer},
        text::Text,
        tree::leaf,
    },
    call::Call,
};
use brevet_verify::{Trust, verify};
use jiff::Timestamp;

/// Entries of each round.
const ENTRIES: u64 = 200_000;
/// Entries of the log that is checked from files, to see what memory it takes.
const LONG: u64 = 1_000_000;
/// Entries between two checkpoints: about one a second at the rate of a busy gateway.
const EVERY: u64 = 10_000;
const ROUNDS: usize = 5;

struct Key {
    public: PublicKey,
    pair: Ed25519KeyPair,
}

impl Signer for Key {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }
}

fn main() {
    // First, while nothing else has taken memory.
    let checked = from_files();
    let mut taken: [Vec<f64>; 4] = Default::default();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let mut chain = begin();
        let (append, lines) = timed(|| (0..ENTRIES).map(|seq| next(&mut chain, seq)).collect::<Vec<_>>());
        bytes = lines.iter().map(Vec::len).sum::<usize>() / lines.len();
        let (hash, _) = timed(|| lines.iter().for_each(|line| _ = black_box(leaf(line))));
        let (read, _) = timed(|| lines.iter().for_each(|line| drop(black_box(Record::read(line).unwrap()))));
        let mut chain = begin();
        let (follow, _) = timed(|| lines.iter().for_each(|line| drop(chain.take_up(line).unwrap())));
        for (all, one) in taken.iter_mut().zip([append, hash, read, follow]) {
            all.push(one / per(ENTRIES));
        }
    }
    let [append, hash, read, follow] = taken.map(median);
    println!("entries of {bytes} bytes on average, CPU time each:");
    println!("  hash alone      {hash:.2} µs");
    println!("  append          {append:.2} µs, the making of the event included");
    println!("  read            {read:.2} µs");
    println!("  read and link   {follow:.2} µs");
    let each = checked.micros / per(LONG);
    println!("an export of {LONG} entries, checked from files:");
    println!("  {:.0} entries a second and core, {each:.2} µs each", 1e6 / each);
    println!("  {:.0} % of the speed of the hash alone", 100.0 * hash / each);
    if let Some(sum) = checked.sha256sum_micros {
        println!("  {:.0} % of the speed of sha256sum over the same file", 100.0 * sum / checked.micros);
    }
    println!("  {} of memory at most, the making of the export included", checked.peak);
}

struct Checked {
    micros: f64,
    sha256sum_micros: Option<f64>,
    peak: String,
}

/// A whole export, as `brevet-verify` reads it.
fn from_files() -> Checked {
    let folder = tempfile::tempdir().unwrap();
    let of_chain = folder.path().join("chains/bench");
    fs::create_dir_all(of_chain.join("entries")).unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let public = PublicKey::new("bench", pair.public_key().as_ref().try_into().unwrap()).unwrap();
    let key = Key { public, pair };
    fs::write(folder.path().join("keys"), key.public.to_string()).unwrap();
    let manifest = r#"{"format":"brevet.dev/audit-export/v1","chains":["bench"]}"#;
    fs::write(folder.path().join("export.json"), manifest).unwrap();
    let mut chain = begin();
    let mut notes = Vec::new();
    let file = fs::File::create(of_chain.join("entries/0.jsonl")).unwrap();
    let mut file = std::io::BufWriter::new(file);
    for seq in 0..LONG {
        file.write_all(&next(&mut chain, seq)).unwrap();
        file.write_all(b"\n").unwrap();
        if (seq + 1) % EVERY == 0 {
            notes.push(chain.checkpoint(Timestamp::UNIX_EPOCH).sign(&key).to_string());
        }
    }
    file.into_inner().unwrap().sync_all().unwrap();
    fs::write(of_chain.join("checkpoints"), notes.join("\n")).unwrap();

    let (check, verdict) = timed(|| verify(folder.path(), &Trust::default()).unwrap());
    assert!(verdict.is_whole(), "{verdict}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    let entries = of_chain.join("entries/0.jsonl");
    let sha256sum_micros = children(|| Command::new("sha256sum").arg(&entries).output().is_ok());
    Checked { micros: check, sha256sum_micros, peak }
}

fn begin() -> Chain {
    Chain::begin(ChainId::parse("bench").unwrap())
}

/// A call, then its end, and so on.
fn next(chain: &mut Chain, seq: u64) -> Vec<u8> {
    const PATH: &str = "/api/v1/namespaces/shop/pods/web-1";
    let event: Event = if seq.is_multiple_of(2) {
        CallBegun {
            caller: Caller { username: Text::new("alice@example.com"), uid: None },
            grant: ObjectRef::new("view-logs-x7k2p", "0b7c0004-0000-4000-8000-000000000004"),
            call: CallTarget::new(&Call::read("GET", PATH, "").unwrap(), PATH),
            is_stream: false,
            command: [""; 0].into_iter().collect(),
            user_agent: Text::new("kubectl/v1.36.3 (linux/amd64) kubernetes/0c1d2e3"),
            source: Text::new("10.0.0.7:51234"),
            audit_id: "019abc00-0000-7000-8000-000000000007".into(),
            client_audit_id: Text::new("b7e6c1d2-0000-4000-8000-000000000008"),
        }
        .into()
    } else {
        let (intent, outcome) = (seq - 1, CallOutcome::Answered);
        CallDone { intent, outcome, status: 200, bytes_up: 0, bytes_down: 4096, duration_micros: 1000 + seq % 100 }
            .into()
    };
    chain.append(&event, Timestamp::UNIX_EPOCH).line
}

/// Microseconds on a CPU, and what came of them.
fn timed<T>(what: impl FnOnce() -> T) -> (f64, T) {
    let before = spent();
    let done = what();
    (spent() - before, done)
}

/// Microseconds this thread has spent on a CPU.
fn spent() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0
}

/// Microseconds that a child process has spent; `None`: it could not run.
fn children(run: impl FnOnce() -> bool) -> Option<f64> {
    // Fields 16 and 17 of stat, behind the name in brackets: user and system time of children, in ticks of 10 ms.
    let ticks = || {
        let text = fs::read_to_string("/proc/self/stat").unwrap();
        let fields = text.rsplit_once(") ").unwrap().1.split(' ');
        fields.skip(13).take(2).map(|field| field.parse::<f64>().unwrap()).sum::<f64>()
    };
    let before = ticks();
    run().then(|| (ticks() - before) * 10_000.0)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per(entries: u64) -> f64 {
    entries as f64
}
