//! What came of all cases, for people and for programs.
//!
//! Promises: a case that came out otherwise is told with what was expected, what it got, why, and
//! which rules came close; rules that no case reached are named.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answer::{Answer, of_case};
use super::compare::compare;
use super::material::Material;
use super::setting::Setting;
use crate::plain::plain;
use crate::problem::Problem;

/// All cases, and how far they reach.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) cases: Vec<Told>,
    /// Every rule, in the order in which they are asked within policies.
    pub(crate) rules: Vec<Reached>,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) passed: bool,
    pub(crate) effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    /// What the requester is told.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differences: Vec<ToldDifference>,
    /// Rules that came close.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) near: Vec<String>,
    /// Decisions without effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) idle: Vec<String>,
}

/// One difference.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ToldDifference {
    pub(crate) field: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// How many cases a rule decided.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reached {
    pub(crate) policy: String,
    pub(crate) rule: String,
    pub(crate) cases: usize,
}

/// Tries every case.
pub(crate) fn report(material: &Material, setting: &Setting) -> Result<Report, Problem> {
    let mut reached: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for (source, test) in &material.tests {
        for (at, case) in test.cases.iter().enumerate() {
            let given = case.given.and(&test.given);
            let when = case.when.or(&test.when);
            let answer = of_case(setting, &given, &when);
            let told = answer.and_then(|answer| Ok((compare(&case.expect, &answer, &given)?, answer)));
            let (differences, answer) = told.map_err(|fault| {
                let why = format!("{source}: cases[{at}] (`{}`): {} {}", case.name, fault.path, fault.message);
                Problem::failed("a case cannot be tried").why(why)
            })?;
            if let Some(by) = &answer.outcome.by {
                *reached.entry((by.policy.clone(), by.rule.clone())).or_default() += 1;
            }
            let told_difference = |one: super::compare::Difference| ToldDifference {
                field: one.field,
                expected: one.expected,
                got: one.got,
            };
            let differences = differences.into_iter().map(told_difference).collect();
            cases.push(tell(source, &case.name, &answer, differences));
        }
    }
    let all = setting.policies.iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
    let rules = all.map(|(policy, rule)| Reached {
        cases: reached.get(&(policy.name.clone(), rule.name.clone())).copied().unwrap_or_default(),
        policy: policy.name.clone(),
        rule: rule.name.clone(),
    });
    Ok(Report { cases, rules: rules.collect() })
}

fn tell(source: &str, name: &str, answer: &Answer, differences: Vec<ToldDifference>) -> Told {
    let by = answer.outcome.by.as_ref();
    Told {
        file: source.to_owned(),
        name: name.to_owned(),
        passed: differences.is_empty(),
        effect: answer.effect().as_str(),
        policy: by.map(|by| by.policy.clone()),
        rule: by.map(|by| by.rule.clone()),
        reason: answer.reason().map(brevet_core::reason::Reason::as_str),
        message: answer.outcome.to_string(),
        differences,
        near: answer.outcome.near.iter().map(ToString::to_string).collect(),
        idle: answer.standing.iter().flat_map(|standing| standing.idle.clone()).collect(),
    }
}

impl Told {
    /// Everything about a case that came out otherwise, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .differences
            .iter()
            .map(|one| plain(&format!("{}: expected {}, got {}", one.field, one.expected, one.got)))
            .collect();
        // Whatever is not denied says so itself.
        let by = match (&self.policy, &self.rule) {
            (Some(policy), Some(rule)) if self.reason.is_some() => format!(" (rule `{rule}` of policy `{policy}`)"),
            _ => String::new(),
        };
        let reason = self.reason.map(|reason| format!("{reason}: ")).unwrap_or_default();
        lines.push(plain(&format!("why: {reason}{}{by}", self.message)));
        lines.extend(self.near.iter().map(|near| plain(&format!("near: {near}"))));
        lines.extend(self.idle.iter().map(|idle| plain(idle)));
        if self.reason == Some("NamespaceNotFound") {
            lines.push(
                "a namespace is there once it stands under given.namespaces, or its manifest is given".to_owned(),
            );
        }
        lines
    }
}

impl Report {
    /// Cases that came out otherwise.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &Told> {
        self.cases.iter().filter(|case| !case.passed)
    }

    /// For people: what came out otherwise, what no case reached, and how many.
    pub(crate) fn text(&self) -> String {
        let mut text = Vec::new();
        for case in self.failed() {
            text.push(plain(&format!("FAIL {}: {}", case.file, case.name)));
            text.extend(case.lines().iter().map(|line| format!("     {line}")));
            text.push(String::new());
        }
        let unreached: Vec<String> = self
            .rules
            .iter()
            .filter(|rule| rule.cases == 0)
            .map(|rule| plain(&format!("  {}/{}", rule.policy, rule.rule)))
            .collect();
        if !unreached.is_empty() {
            text.push("rules that no case reached:".to_owned());
            text.extend(unreached.iter().cloned());
            text.push(String::new());
        }
        let failed = self.failed().count();
        let passed = self.cases.len() - failed;
        text.push(format!(
            "{passed} of {} cases as expected; {} of {} rules reached",
            self.cases.len(),
            self.rules.len() - unreached.len(),
            self.rules.len(),
        ));
        text.join("\n")
    }
}
