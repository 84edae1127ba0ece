//! Which names are one human.
//!
//! Promises: the same username, the same uid, or names declared to be one
//! human are one, and so on through any chain of them.

use std::collections::BTreeMap;

use crate::subject::Subject;

/// Usernames declared to belong to one human: name to human.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(pub BTreeMap<String, String>);

/// For each subject a number; equal numbers are one human.
pub(super) fn humans<'a>(subjects: impl Iterator<Item = &'a Subject>, aliases: &Aliases) -> Vec<usize> {
    let mut owner: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    let mut humans: Vec<usize> = Vec::new();
    for subject in subjects {
        let human = aliases.0.get(&subject.username).map_or(subject.username.as_str(), String::as_str);
        let mut keys = vec![(0, human)];
        if !subject.uid.is_empty() {
            keys.push((1, subject.uid.as_str()));
        }
        let known: Vec<usize> = keys.iter().filter_map(|key| owner.get(key).copied()).collect();
        let number = known.iter().copied().min().unwrap_or(humans.len());
        // Whoever was taken for two until now is one from now on.
        let join = |at: &mut usize| {
            if known.contains(at) {
                *at = number;
            }
        };
        humans.iter_mut().for_each(join);
        owner.values_mut().for_each(join);
        owner.extend(keys.into_iter().map(|key| (key, number)));
        humans.push(number);
    }
    humans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_names_is_one_human() {
        let who = |username: &str, uid: &str| Subject {
            username: username.into(),
            uid: uid.into(),
            groups: std::collections::BTreeSet::new(),
        };
        let all = [who("alice", "1"), who("bob", ""), who("adm-alice", "2"), who("alice", "2"), who("carol", "")];
        assert_eq!(humans(all.iter(), &Aliases::default()), [0, 1, 0, 0, 4]);
        let aliases = Aliases([("carol".to_owned(), "bob".to_owned())].into());
        assert_eq!(humans(all.iter(), &aliases), [0, 1, 0, 0, 1]);
    }
}
