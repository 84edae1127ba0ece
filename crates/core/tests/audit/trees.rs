//! Roots and proofs, against another's implementation of RFC 6962.

use brevet_core::{
    audit::{
        proof::{Consistency, Inclusion},
        tree::{Frontier, leaf},
    },
    digest::Digest,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

fn lines(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("entry {number}").into_bytes()).collect()
}

fn theirs(lines: &[Vec<u8>]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    for line in lines {
        tree.push(line.clone());
    }
    tree
}

fn ours(lines: &[Vec<u8>]) -> Frontier {
    let mut frontier = Frontier::default();
    for line in lines {
        frontier.push(leaf(line));
    }
    frontier
}

fn leaves(lines: &[Vec<u8>]) -> Vec<Digest> {
    lines.iter().map(|line| leaf(line)).collect()
}

#[test]
fn roots_are_those_of_others() {
    for count in 0..70 {
        let lines = lines(count);
        assert_eq!(ours(&lines).root().as_bytes()[..], theirs(&lines).root().as_bytes()[..], "{count}");
    }
}

#[test]
fn a_frontier_goes_on_from_what_it_tells() {
    let lines = lines(41);
    for count in 0..41 {
        let before = ours(&lines[..count]);
        let mut after = Frontier::new(before.size(), before.peaks().to_vec()).unwrap();
        for line in &lines[count..] {
            after.push(leaf(line));
        }
        assert_eq!(after, ours(&lines));
        assert_eq!(Frontier::new(before.size() + 64, before.peaks().to_vec()), None);
    }
}

#[test]
fn inclusion_is_proven_as_others_prove_it() {
    for count in 1..40 {
        let lines = lines(count);
        let (tree, leaves) = (theirs(&lines), leaves(&lines));
        let root = ours(&lines).root();
        for seq in 0..count {
            let proof = Inclusion::of(seq, &leaves).unwrap();
            let line = proof.line();
            let expected = tree.prove_inclusion(usize::try_from(seq).unwrap());
            assert_eq!(hashes(&line), expected.as_bytes(), "{seq} of {count}");
            assert!(proof.holds(&leaf(&lines[usize::try_from(seq).unwrap()]), &root));
            assert!(!proof.holds(&leaf(b"another"), &root));
            assert!(!proof.holds(&leaf(&lines[usize::try_from(seq).unwrap()]), &leaf(b"another")));
            assert_eq!(Inclusion::parse(&line), Ok(proof));
        }
        assert_eq!(Inclusion::of(count, &leaves), None);
    }
}

#[test]
fn consistency_is_proven_as_others_prove_it() {
    for count in 1..40 {
        let lines = lines(count);
        let (tree, leaves) = (theirs(&lines), leaves(&lines));
        let root = ours(&lines).root();
        for before in 1..=count {
            let proof = Consistency::of(before, &leaves).unwrap();
            let line = proof.line();
            if before < count {
                let expected = tree.prove_consistency(usize::try_from(count - before).unwrap());
                assert_eq!(hashes(&line), expected.as_bytes(), "{before} of {count}");
            }
            let smaller = ours(&lines[..usize::try_from(before).unwrap()]).root();
            assert!(proof.holds(&smaller, &root), "{before} of {count}");
            assert!(!proof.holds(&leaf(b"another"), &root));
            assert!(!proof.holds(&smaller, &leaf(b"another")));
            assert_eq!(Consistency::parse(&line), Ok(proof));
        }
        assert_eq!((Consistency::of(0, &leaves), Consistency::of(count + 1, &leaves)), (None, None));
    }
}

/// The bytes of all hashes in the line of a proof.
fn hashes(line: &[u8]) -> Vec<u8> {
    let read: serde_json::Value = serde_json::from_slice(line).unwrap();
    let hashes = read["hashes"].as_array().unwrap();
    hashes.iter().flat_map(|hash| *Digest::parse(hash.as_str().unwrap()).unwrap().as_bytes()).collect()
}

proptest! {
    #[test]
    fn no_proof_holds_for_another_place_or_size(count in 2..200u64, seq in 0..200u64, other in 0..200u64) {
        let (seq, other) = (seq % count, other % count);
        prop_assume!(seq != other);
        let lines = lines(count);
        let leaves = leaves(&lines);
        let root = ours(&lines).root();
        let proof = Inclusion::of(seq, &leaves).unwrap();
        prop_assert!(!proof.holds(&leaves[usize::try_from(other).unwrap()], &root));
        let text = String::from_utf8(proof.line()).unwrap();
        let moved = text.replace(&format!("\"seq\":{seq},"), &format!("\"seq\":{other},"));
        prop_assert!(!Inclusion::parse(moved.as_bytes()).unwrap().holds(&leaves[usize::try_from(seq).unwrap()], &root));
    }
}
