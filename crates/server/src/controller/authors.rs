//! Who made how many decisions, in the order of time.
//!
//! Promises: told apart by user name alone: who comes again under another uid
//! starts no new count. Nothing here grows with what others decided.

use std::collections::{BTreeSet, HashMap};

use brevet_core::decision::Decision;
use jiff::Timestamp;

use super::queue::Key;

/// An order that never changes: when, and the decision's uid.
type Place = (Timestamp, String);

/// The decisions of each author, with the request each is about.
#[derive(Debug, Default)]
pub(super) struct Authors(HashMap<String, BTreeSet<(Place, Key)>>);

impl Authors {
    /// Puts a decision; returns the key of the one that has more than `max` before it only since now.
    pub(super) fn put(&mut self, decision: &Decision, max: usize) -> Option<Key> {
        let all = self.0.entry(decision.approver.username.clone()).or_default();
        if !all.insert((place(decision), decision.request_uid.clone())) {
            return None;
        }
        all.iter().nth(max).map(|(_, key)| key.clone())
    }

    /// Removes a decision.
    pub(super) fn remove(&mut self, decision: &Decision) {
        if let Some(all) = self.0.get_mut(&decision.approver.username) {
            all.remove(&(place(decision), decision.request_uid.clone()));
            if all.is_empty() {
                self.0.remove(&decision.approver.username);
            }
        }
    }

    /// The uids of those of `decisions` that have at least `max` of their author's before them.
    pub(super) fn beyond<'d>(&self, decisions: impl Iterator<Item = &'d Decision>, max: usize) -> BTreeSet<String> {
        let mut first: HashMap<&str, Option<&Place>> = HashMap::new();
        let mut is_beyond = |decision: &'d Decision| {
            let author = decision.approver.username.as_str();
            let nth = || self.0.get(author).and_then(|all| all.iter().nth(max)).map(|(place, _)| place);
            first.entry(author).or_insert_with(nth).is_some_and(|first| place(decision) >= *first)
        };
        decisions.filter(|decision| is_beyond(decision)).map(|decision| decision.uid.clone()).collect()
    }
}

fn place(decision: &Decision) -> Place {
    (decision.created_at, decision.uid.clone())
}

#[cfg(test)]
mod tests {
    use brevet_core::{decision::Verdict, subject::Subject};

    use super::*;

    /// A decision of `author` at that second.
    fn decision(uid: &str, about: &str, author: &str, second: i64) -> Decision {
        Decision {
            name: uid.to_owned(),
            uid: uid.to_owned(),
            created_at: Timestamp::from_second(second).unwrap(),
            is_deleting: false,
            verdict: Verdict::Withdraw,
            request_name: about.to_owned(),
            request_uid: about.to_owned(),
            digest: None,
            role: "view-logs".to_owned(),
            namespaces: vec![],
            requester: "alice".to_owned(),
            requester_uid: String::new(),
            approver: Subject { username: author.to_owned(), uid: String::new(), groups: BTreeSet::new() },
            comment: String::new(),
            narrow: None,
        }
    }

    #[test]
    fn the_youngest_are_beyond_whatever_the_order_they_are_seen_in() {
        let mut authors = Authors::default();
        let all = [decision("c", "3", "eve", 3), decision("a", "1", "eve", 1), decision("b", "2", "eve", 2)];
        let others = decision("d", "1", "bob", 9);
        assert_eq!([&all[0], &all[1], &others].map(|d| authors.put(d, 2)), [None, None, None]);
        assert_eq!(authors.put(&all[2], 2), Some("3".to_owned()), "the one that crosses is another's");
        assert_eq!(authors.put(&all[2], 2), None, "seen before");
        let beyond = |authors: &Authors| authors.beyond(all.iter().chain([&others]), 2);
        assert_eq!(beyond(&authors), BTreeSet::from(["c".to_owned()]));
        authors.remove(&all[1]);
        assert_eq!(beyond(&authors), BTreeSet::new());
    }
}
