//! Which names are one human.
//!
//! Promises: the same username, the same uid, or names declared to be one
//! human are one, and so on through any chain of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::Subject;

/// Usernames declared to belong to one human: name to human.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(pub BTreeMap<String, String>);

impl Aliases {
    /// From sets of usernames that are one human each; sets that share a name are one.
    #[must_use]
    pub fn of<'a>(people: impl Iterator<Item = &'a BTreeSet<String>>) -> Self {
        let mut human: BTreeMap<String, String> = BTreeMap::new();
        for names in people {
            let known: BTreeSet<String> = names.iter().filter_map(|name| human.get(name).cloned()).collect();
            let Some(one) = known.first().or(names.first()).cloned() else { continue };
            human.values_mut().filter(|other| known.contains(*other)).for_each(|other| other.clone_from(&one));
            human.extend(names.iter().map(|name| (name.clone(), one.clone())));
        }
        Self(human)
    }
}

/// Whether two subjects are one human.
#[must_use]
pub fn is_one_human(one: &Subject, other: &Subject, aliases: &Aliases) -> bool {
    matches!(humans([one, other].into_iter(), aliases).as_slice(), [a, b] if a == b)
}

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
        assert!(is_one_human(&who("carol", ""), &who("bob", ""), &aliases));
        assert!(!is_one_human(&who("carol", ""), &who("alice", ""), &aliases));
        assert_eq!(humans(all.iter(), &aliases), [0, 1, 0, 0, 1]);
    }

    #[test]
    fn sets_that_share_a_name_are_one_human() {
        let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let all = [set(&["alice", "adm-alice"]), set(&["bob"]), set(&["ci-alice", "x"]), set(&["x", "adm-alice"])];
        let Aliases(human) = Aliases::of(all.iter());
        let same = |a: &str, b: &str| human[a] == human[b];
        assert!(same("alice", "ci-alice") && same("alice", "x") && !same("alice", "bob"));
    }
}
