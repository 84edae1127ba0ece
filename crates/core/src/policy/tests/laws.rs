//! What holds of every answer: total, in order, and no help from a denial.

use super::lint::{any_request, any_wild_policies, cases};
use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(512), ..ProptestConfig::default() })]

    /// The rule that decides is the first, as they are asked, that decides when it stands alone.
    #[test]
    fn the_first_rule_that_would_decide_alone_decides(policies in any_wild_policies(), request in any_request()) {
        let together = Policies::new(policies);
        let now = at("00:00:00");
        let all = || together.iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        let mut asked = all().filter(|(_, rule)| rule.is_deny()).chain(all().filter(|(_, rule)| !rule.is_deny()));
        let alone = |(policy, rule): &(&Policy, &PolicyRule)| {
            let only = Policy { rules: vec![(*rule).clone()], ..(*policy).clone() };
            let outcome = evaluate(&Policies::new(vec![only]), &request, &Plain, now);
            outcome.by.is_some().then_some((outcome.by, outcome.ruling))
        };
        let first = asked.find_map(|one| alone(&one));
        let outcome = evaluate(&together, &request, &Plain, now);
        match first {
            Some(expected) => prop_assert_eq!((outcome.by, outcome.ruling), expected),
            None => prop_assert_eq!(told(&outcome), (String::new(), "NoRule".to_owned())),
        }
    }

    #[test]
    fn a_denial_more_never_helps_anybody(
        policies in any_wild_policies(), request in any_request(), other in any_wild_policies(), into in 0_usize..4,
    ) {
        let before = decide(policies.clone(), &request);
        let mut more = policies;
        let into = into % more.len();
        for (at, rule) in other.into_iter().flat_map(|policy| policy.rules).enumerate() {
            let effect = Effect::Deny { message: String::new() };
            more[into].rules.push(PolicyRule { name: format!("no-{at}"), effect, ..rule });
        }
        let after = decide(more, &request);
        let is_denied = |outcome: &Outcome| matches!(outcome.ruling, Ruling::Deny(_));
        prop_assert!(is_denied(&after) || (!is_denied(&before) && after.ruling == before.ruling), "{before} {after}");
    }

    #[test]
    fn every_answer_can_be_told(policies in any_wild_policies(), request in any_request()) {
        let outcome = decide(policies, &request);
        let near: Vec<String> = outcome.near.iter().map(ToString::to_string).collect();
        prop_assert!(!outcome.to_string().is_empty() && near.iter().all(|one| !one.ends_with(": ")), "{near:?}");
    }
}
