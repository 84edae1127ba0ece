//! Humans to stages: the assignment that fills the most places.
//!
//! Promises: each human has one place at most, each stage no more than it
//! takes, and no other assignment fills more places.

use std::collections::BTreeSet;

/// For each vote (a human, and the stages that name them) the stage it fills.
/// All votes of one human are one voice; it speaks through the first of them
/// that names the stage.
pub(super) fn assign<'v>(required: &[usize], votes: impl Iterator<Item = (usize, &'v [usize])>) -> Vec<Option<usize>> {
    let votes: Vec<(usize, &[usize])> = votes.collect();
    let mut humans: Vec<(usize, BTreeSet<usize>)> = Vec::new();
    for (human, stages) in &votes {
        match humans.iter_mut().find(|(known, _)| known == human) {
            Some((_, all)) => all.extend(stages.iter().copied()),
            None => humans.push((*human, stages.iter().copied().collect())),
        }
    }
    let voices: Vec<Vec<usize>> = humans.iter().map(|(_, stages)| stages.iter().copied().collect()).collect();
    let mut seats = Seats { required, voices: &voices, of: vec![None; voices.len()] };
    for voice in 0..voices.len() {
        seats.seat(voice, &mut vec![false; required.len()]);
    }
    let mut spoken = BTreeSet::new();
    votes
        .iter()
        .map(|(human, stages)| {
            let voice = humans.iter().position(|(known, _)| known == human)?;
            let stage = seats.of.get(voice).copied().flatten()?;
            (stages.contains(&stage) && spoken.insert(*human)).then_some(stage)
        })
        .collect()
}

struct Seats<'v> {
    required: &'v [usize],
    /// The stages of each human.
    voices: &'v [Vec<usize>],
    /// Where each human sits.
    of: Vec<Option<usize>>,
}

impl Seats<'_> {
    /// Finds a seat, moving others if need be. Each stage is tried once, which
    /// bounds the depth by their number.
    fn seat(&mut self, voice: usize, tried: &mut [bool]) -> bool {
        for &stage in self.voices.get(voice).into_iter().flatten() {
            let Some(seen) = tried.get_mut(stage).filter(|seen| !**seen) else { continue };
            *seen = true;
            let seated: Vec<usize> =
                self.of.iter().enumerate().filter(|(_, at)| **at == Some(stage)).map(|(other, _)| other).collect();
            let has_room = self.required.get(stage).is_some_and(|needed| seated.len() < *needed);
            if has_room || (!seated.is_empty() && seated.into_iter().any(|other| self.seat(other, tried))) {
                if let Some(place) = self.of.get_mut(voice) {
                    *place = Some(stage);
                }
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most places any assignment fills, tried one by one.
    fn most(required: &mut [usize], voices: &[Vec<usize>]) -> usize {
        let Some((first, rest)) = voices.split_first() else { return 0 };
        let mut best = most(required, rest);
        for &stage in first {
            if required[stage] > 0 {
                required[stage] -= 1;
                best = best.max(1 + most(required, rest));
                required[stage] += 1;
            }
        }
        best
    }

    fn filled(assigned: &[Option<usize>]) -> usize {
        assigned.iter().flatten().count()
    }

    proptest! {
        #[test]
        fn no_other_assignment_fills_more(
            mut required in prop::collection::vec(1_usize..3, 1..4),
            masks in prop::collection::vec((0_usize..5, 0_u8..8), 0..7),
        ) {
            let count = required.len();
            let votes: Vec<(usize, Vec<usize>)> = masks
                .iter()
                .map(|(human, mask)| (*human, (0..count).filter(|s| mask & (1 << s) != 0).collect()))
                .collect();
            let assigned = assign(&required, votes.iter().map(|(h, s)| (*h, s.as_slice())));

            let mut voices: Vec<Vec<usize>> = vec![Vec::new(); 5];
            for (human, stages) in &votes { voices[*human].extend(stages); }
            prop_assert_eq!(filled(&assigned), most(&mut required, &voices));

            let mut heard = BTreeSet::new();
            for ((human, stages), place) in votes.iter().zip(&assigned) {
                if let Some(stage) = place {
                    prop_assert!(heard.insert(human), "human {} counts twice", human);
                    prop_assert!(stages.contains(stage));
                }
            }
            for (stage, needed) in required.iter().enumerate() {
                prop_assert!(assigned.iter().filter(|at| **at == Some(stage)).count() <= *needed);
            }
            let fewer = assign(&required, votes.iter().rev().skip(1).rev().map(|(h, s)| (*h, s.as_slice())));
            prop_assert!(filled(&fewer) <= filled(&assigned), "an approval more unfilled a stage");
        }
    }
}
