//! Acts that are begun and not yet over.

use std::collections::HashMap;

use super::{PLACES_MAX, Why};
use crate::audit::event::{Act, Event, Place};

/// Acts that are followed at once: far more than a gateway has open. Beyond them, acts are not followed any more.
const OPEN_MAX: usize = 1_000_000;

/// Acts whose end is not in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOpen {
    /// How many a crash left: a process began anew before their end was written.
    pub by_crash: u64,
    /// The places of the first of those.
    pub places: Vec<u64>,
    /// How many had no end yet at the end of the log.
    pub at_the_end: u64,
    /// The place from which on there were too many to follow.
    pub not_followed_from: Option<u64>,
}

#[derive(Default)]
pub(super) struct Acts {
    open: HashMap<u64, Act>,
    left: LeftOpen,
    has_stopped: bool,
}

impl Acts {
    /// Whether the last entry was an orderly stop.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Takes in an event; the error says that it belongs to no act.
    pub(super) fn enter(&mut self, seq: u64, event: &Event, is_removed: impl Fn(u64) -> bool) -> Result<(), Why> {
        self.has_stopped = matches!(event, Event::Stop(_));
        let is_followed = self.left.not_followed_from.is_none();
        match event.place() {
            Place::Alone => Ok(()),
            Place::Starts => {
                let mut places: Vec<u64> = self.open.drain().map(|(place, _)| place).collect();
                places.sort_unstable();
                self.left.by_crash += places.len() as u64;
                let room = PLACES_MAX.saturating_sub(self.left.places.len());
                self.left.places.extend(places.into_iter().take(room));
                Ok(())
            }
            Place::Begins(act) if is_followed => {
                self.open.insert(seq, act);
                if self.open.len() > OPEN_MAX {
                    self.left.not_followed_from = Some(seq);
                    self.open = HashMap::new();
                }
                Ok(())
            }
            Place::During(act, intent) if is_followed => {
                let is_its = self.open.get(&intent) == Some(&act) || is_removed(intent);
                if is_its { Ok(()) } else { Err(Why::NoSuchAct(intent)) }
            }
            Place::Completes(completion, intent) if is_followed => match self.open.remove(&intent) {
                Some(act) if completion.fits(act) => Ok(()),
                None if is_removed(intent) => Ok(()),
                _ => Err(Why::NoSuchAct(intent)),
            },
            Place::Begins(_) | Place::During(..) | Place::Completes(..) => Ok(()),
        }
    }

    pub(super) fn finish(&mut self) -> LeftOpen {
        self.left.at_the_end = self.open.len() as u64;
        std::mem::take(&mut self.left)
    }
}
