//! What was found, in words and as JSON.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use brevet_core::audit::{
    ChainId, SignedCheckpoint,
    key::PublicKey,
    verify::{Fault, Report},
};
use serde_json::{Value, json};

use crate::{Ed25519, lines::Lines};

/// Whose word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The keys that were given to the program.
    Given,
    /// The export's own: they prove that nothing was changed since it was signed, not who signed it.
    Export,
}

/// What is known of an export.
#[derive(Debug)]
pub struct Verdict {
    /// Where it is.
    pub folder: PathBuf,
    /// The keys it was checked with.
    pub keys: Vec<PublicKey>,
    /// Where they come from.
    pub source: KeySource,
    /// Its chains.
    pub chains: Vec<ChainVerdict>,
    /// Folders of chains that it does not speak of.
    pub stray: Vec<String>,
}

/// What is known of a chain.
#[derive(Debug)]
pub enum ChainVerdict {
    /// Nothing is wrong.
    Whole(Box<Report>),
    /// Something is.
    Wrong(Box<Found>),
}

/// The first thing that is wrong.
#[derive(Debug)]
pub struct Found {
    /// What, and which entry.
    pub fault: Fault,
    /// The file and line in which it shows, where it shows in one.
    pub place: Option<(PathBuf, u64)>,
}

impl ChainVerdict {
    pub(crate) fn wrong(fault: Fault, lines: &Lines) -> Self {
        let place = lines.place(fault.line).map(|(path, line)| (path.to_owned(), line));
        Self::Wrong(Box::new(Found { fault, place }))
    }
}

/// A chain of which there is nothing but checkpoints that others have kept.
pub(crate) fn absent(id: ChainId, keys: &[PublicKey], witnessed: Vec<SignedCheckpoint>) -> ChainVerdict {
    let against = brevet_core::audit::verify::Against {
        keys: keys.to_vec(),
        check: &Ed25519,
        checkpoints: Box::new(witnessed.into_iter().map(Ok)),
        texts: Box::new(std::iter::empty()),
        claims: Vec::new(),
    };
    match brevet_core::audit::verify::Verifier::new(id, against).finish() {
        Ok(report) => ChainVerdict::Whole(Box::new(report)),
        Err(fault) => ChainVerdict::Wrong(Box::new(Found { fault, place: None })),
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.chains.is_empty()
            && self.stray.is_empty()
            && self.chains.iter().all(|chain| matches!(chain, ChainVerdict::Whole(_)))
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "verified": self.is_whole(),
            "keySource": match self.source { KeySource::Given => "Given", KeySource::Export => "Export" },
            "keys": self.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "chains": self.chains.iter().map(|chain| chain.json(&self.folder)).collect::<Vec<_>>(),
            "unlistedChains": self.stray,
        })
    }
}

impl ChainVerdict {
    fn json(&self, folder: &Path) -> Value {
        match self {
            Self::Whole(report) => json!({
                "chain": report.chain.as_str(),
                "entries": report.entries,
                "proven": report.proven,
                "checkpoints": report.signatures.trusted,
                "checkpointsByUnknownKeys": report.signatures.unknown,
                "checkpointsInHoles": report.signatures.in_holes,
                "keysHandedOver": report.signatures.handed_over.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "firstTime": report.span.map(|(first, _)| first.to_string()),
                "lastTime": report.span.map(|(_, last)| last.to_string()),
                "removed": report.removed,
                "texts": report.texts,
                "textsAbsent": report.texts_absent,
                "gaps": report.gap_count,
                "firstGaps": report.gaps,
                "crashes": report.crashes,
                "actsLeftByCrash": report.left_open.by_crash,
                "firstActsLeftByCrash": report.left_open.places,
                "actsOpenAtTheEnd": report.left_open.at_the_end,
                "actsNotFollowedFrom": report.left_open.not_followed_from,
                "clockWentBack": report.clock_back.0,
                "clockWentBackFirstAt": report.clock_back.1,
                "fault": null,
            }),
            Self::Wrong(found) => json!({
                "chain": found.fault.chain.as_str(),
                "fault": {
                    "reason": found.fault.reason(),
                    "firstEntry": found.fault.first,
                    "lastEntry": found.fault.last,
                    "message": found.fault.to_string(),
                    "file": found.place.as_ref().map(|(path, _)| shown(path, folder)),
                    "line": found.place.as_ref().map(|(_, line)| line),
                },
            }),
        }
    }
}

/// A path inside the export, harmless to print.
fn shown(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().escape_default().to_string()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            match chain {
                ChainVerdict::Whole(report) => tell(report, f)?,
                ChainVerdict::Wrong(found) => {
                    writeln!(f, "chain `{}`: WRONG", found.fault.chain)?;
                    writeln!(f, "  {}", found.fault)?;
                    if let Some((path, line)) = &found.place {
                        writeln!(f, "  seen in {}, line {line}", shown(path, &self.folder))?;
                    }
                }
            }
        }
        for name in &self.stray {
            writeln!(f, "chain folder `{}`: WRONG\n  the export does not speak of it", name.escape_default())?;
        }
        if self.chains.is_empty() {
            writeln!(f, "there is no chain in it")?;
        }
        for key in &self.keys {
            writeln!(f, "key {key}")?;
        }
        if self.source == KeySource::Export {
            writeln!(
                f,
                "these are the export's own keys: they prove that nothing was changed since they signed, \
                 not whose they are; give yours with --key FILE"
            )?;
        }
        write!(f, "{}", if self.is_whole() { "verified" } else { "NOT verified" })
    }
}

/// A chain that is whole, and what an auditor should know of it.
fn tell(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "chain `{}`: {} entries", report.chain, report.entries)?;
    if let Some((first, last)) = report.span {
        write!(f, ", from {first} to {last}")?;
    }
    writeln!(f)?;
    writeln!(f, "  {} proven by {} checkpoints", report.proven, report.signatures.trusted)?;
    let behind = report.entries - report.proven;
    let notes = [
        (behind, "stand behind the newest checkpoint: linked, not yet signed"),
        (report.removed, "were removed by the rules of retention, under tombstones"),
        (report.gap_count, "say that something is missing there"),
        (report.crashes, "starts without an orderly stop before"),
        (report.left_open.by_crash, "acts were begun and cut short by a crash: whether they happened is not recorded"),
        (report.left_open.at_the_end, "acts had no end yet when the log ends"),
        (report.clock_back.0, "were written after the clock had gone back"),
        (report.texts_absent, "personal texts are not there: erased, or not handed over"),
        (report.signatures.unknown, "checkpoints are signed by unknown keys, and prove nothing"),
        (report.signatures.in_holes, "checkpoints lie where entries were removed, and cannot be compared"),
    ];
    for (count, note) in notes {
        if count > 0 {
            writeln!(f, "  note: {count} {note}")?;
        }
    }
    let gaps: Vec<String> = report.gaps.iter().map(ToString::to_string).collect();
    if !gaps.is_empty() {
        writeln!(f, "  gaps at entries {}", gaps.join(", "))?;
    }
    for key in &report.signatures.handed_over {
        writeln!(f, "  handed over to key {key}")?;
    }
    if let Some(from) = report.left_open.not_followed_from {
        writeln!(f, "  note: from entry {from} on there were too many open acts to follow")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_harmless() {
        let path = Path::new("/export/chains/a/entries/\u{1b}[2J.jsonl");
        assert_eq!(shown(path, Path::new("/export")), "chains/a/entries/\\u{1b}[2J.jsonl");
    }
}
