//! An AccessPolicy becomes a policy.
//!
//! Promises: always gives one. What cannot be read makes the policy faulty, and is left out so that the
//! rule matches more, not less: a faulty policy denies what its rules match.

use super::{Stored, length};
use crate::blocks::PolicyRef;
use crate::policy::{
    AccessPolicy, ApprovalBlock, LimitsBlock, NamespaceBlock, PolicyRule as Block, PolicySubject, ScheduleBlock,
    SpanBlock, StageBlock, WindowBlock,
};
use crate::words::{self, StageOrder, SubjectKind};
use brevet_core::digest::Digest;
use brevet_core::length::Length;
use brevet_core::policy::{
    Approval, BreakGlass, CivilSpan, DayWindow, Decider, Effect, Glob, Limits, NamespaceMatch, Operator, Order, Policy,
    PolicyRule, Requirement, ResourceMatch, Schedule, Selector, Stage, SubjectRef, TimeOfDay, Weekdays, Zone, findings,
};
use brevet_core::reason::{Reason, Refusal};
use brevet_core::switch::Switch;

/// The policy; `condition_fault` says what is wrong with a condition, if anything.
///
/// # Errors
/// Only if the object was not read from an API server.
pub fn policy(object: &AccessPolicy, condition_fault: impl Fn(&str) -> Option<String>) -> Result<Policy, Refusal> {
    let (mut policy, mut faults) = read(object, condition_fault)?;
    faults.extend(findings(&policy).iter().map(ToString::to_string));
    policy.fault = (!faults.is_empty()).then(|| faults.join("; "));
    Ok(policy)
}

/// What of the policy cannot be read, each with its path. What core finds wrong with it comes on top.
///
/// # Errors
/// Only if the object was not read from an API server.
pub fn policy_faults(
    object: &AccessPolicy,
    condition_fault: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Refusal> {
    Ok(read(object, condition_fault)?.1)
}

fn read(
    object: &AccessPolicy,
    condition_fault: impl Fn(&str) -> Option<String>,
) -> Result<(Policy, Vec<String>), Refusal> {
    let stored = Stored::read(&object.metadata)?;
    let mut faults = Vec::new();
    let read = |(at, block): (usize, &Block)| {
        let mut reader = Reader { path: format!("spec.rules[{at}]"), faults: &mut faults };
        let rule = reader.rule(block);
        if let Some(fault) = block.when.as_deref().and_then(&condition_fault) {
            reader.fault(".when", fault);
        }
        rule
    };
    let rules = object.spec.rules.iter().enumerate().map(read).collect();
    let policy = Policy {
        name: stored.name,
        uid: stored.uid,
        generation: object.metadata.generation.unwrap_or_default(),
        priority: object.spec.priority,
        switch: Switch::of(object.spec.suspend, object.spec.end_active),
        fault: None,
        people: object.spec.people.iter().map(|person| person.usernames.iter().cloned().collect()).collect(),
        rules,
    };
    Ok((policy, faults))
}

/// The rule that decided, as a status or grant names it.
///
/// # Errors
/// If its digest cannot be read.
pub fn decider(path: &str, block: &PolicyRef) -> Result<Decider, Refusal> {
    let digest = Digest::parse(&block.digest).ok_or_else(|| {
        Refusal::new(Reason::Unreadable, format!("{path}.digest"), "is not `sha256:` and 64 hexadecimal digits")
    })?;
    Ok(Decider {
        policy: block.name.clone(),
        uid: block.uid.clone(),
        generation: block.generation,
        rule: block.rule.clone(),
        digest,
    })
}

impl From<&Decider> for PolicyRef {
    fn from(decider: &Decider) -> Self {
        Self {
            name: decider.policy.clone(),
            rule: decider.rule.clone(),
            uid: decider.uid.clone(),
            generation: decider.generation,
            digest: decider.digest.to_string(),
        }
    }
}

struct Reader<'a> {
    path: String,
    faults: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, field: &str, message: impl std::fmt::Display) {
        self.faults.push(format!("{}{field}: {message}", self.path));
    }

    fn rule(&mut self, block: &Block) -> PolicyRule {
        let deny = || Effect::Deny { message: block.message.clone().unwrap_or_default() };
        let effect = match (block.effect, &block.approval, &block.review) {
            (words::Effect::Approve, _, _) => Effect::Approve,
            (words::Effect::RequireApproval, Some(approval), _) => Effect::RequireApproval(self.approval(approval)),
            (words::Effect::RequireApproval, None, _) => Effect::RequireApproval(Approval::by_anyone()),
            (words::Effect::BreakGlass, _, Some(review)) => match self.length(".review.within", Some(&review.within)) {
                Some(review_within) => {
                    Effect::BreakGlass(BreakGlass { review_within, reviewers: subjects(&review.reviewers) })
                }
                None => deny(),
            },
            (words::Effect::BreakGlass, _, None) => {
                self.fault(".review", "is missing; a break-glass is reviewed after");
                deny()
            }
            (words::Effect::Deny, _, _) => deny(),
        };
        PolicyRule {
            name: block.name.clone(),
            subjects: subjects(&block.subjects),
            roles: block.roles.iter().cloned().collect(),
            risks: block.risks.iter().copied().map(Into::into).collect(),
            namespaces: block.namespaces.as_ref().map(|block| self.namespaces(block)),
            resources: block.resources.iter().map(ResourceMatch::from).collect(),
            schedule: block.schedule.as_ref().and_then(|block| self.schedule(block)),
            when: block.when.clone(),
            limits: block.limits.as_ref().map(|block| self.limits(block)).unwrap_or_default(),
            effect,
        }
    }

    fn length(&mut self, field: &str, text: Option<&str>) -> Option<Length> {
        match length(field, text?) {
            Ok(length) => Some(length),
            Err(refusal) => {
                self.fault(field, refusal.message);
                None
            }
        }
    }

    fn limits(&mut self, block: &LimitsBlock) -> Limits {
        Limits {
            max_duration: self.length(".limits.maxDuration", block.max_duration.as_deref()),
            max_active: block.max_active,
            max_pending: block.max_pending,
            cooldown: self.length(".limits.cooldown", block.cooldown.as_deref()),
            daily_total: self.length(".limits.dailyTotal", block.daily_total.as_deref()),
            max_unreviewed: block.max_unreviewed,
        }
    }

    /// Names that cannot be read are left out; if none is left, every name is matched.
    fn namespaces(&mut self, block: &NamespaceBlock) -> NamespaceMatch {
        let names = self.globs(".namespaces.names", &block.names);
        let except = self.globs(".namespaces.except", &block.except);
        let selector = block.selector.as_ref().map(|selector| {
            let mut all = Selector::of_labels(&selector.match_labels);
            all.0.extend(selector.match_expressions.iter().map(|demand| Requirement {
                key: demand.key.clone(),
                operator: demand.operator.into(),
                values: demand.values.iter().cloned().collect(),
            }));
            all
        });
        NamespaceMatch { names, except, selector }
    }

    fn globs(&mut self, field: &str, texts: &[String]) -> Vec<Glob> {
        let mut all = Vec::new();
        for text in texts {
            match Glob::parse(text) {
                Some(glob) => all.push(glob),
                None => self.fault(field, format!("in `{text}` a `*` is part of a segment; write it like `shop-*`")),
            }
        }
        if all.len() < texts.len() { Vec::new() } else { all }
    }

    fn schedule(&mut self, block: &ScheduleBlock) -> Option<Schedule> {
        let before = self.faults.len();
        let zone = Zone::named(&block.time_zone);
        if zone.is_none() {
            self.fault(
                ".schedule.timeZone",
                format!("there is no time zone `{}`; see the IANA names", block.time_zone),
            );
        }
        let one =
            (block.windows.is_empty() && (block.from.is_some() || !block.weekdays.is_empty())).then(|| WindowBlock {
                weekdays: block.weekdays.clone(),
                from: block.from.clone().unwrap_or_else(|| "00:00".to_owned()),
                to: block.to.clone().unwrap_or_else(|| "24:00".to_owned()),
            });
        let windows: Vec<DayWindow> =
            block.windows.iter().chain(&one).filter_map(|window| self.window(window)).collect();
        let dates = self.spans(".schedule.dates", &block.dates);
        let freezes = self.spans(".schedule.freezes", &block.freezes);
        if self.faults.len() > before {
            return None;
        }
        Some(Schedule { zone: zone?, windows, dates, freezes })
    }

    fn window(&mut self, block: &WindowBlock) -> Option<DayWindow> {
        let weekdays = Weekdays::parse(block.weekdays.iter().map(|day| day.as_str()));
        let read = (weekdays, TimeOfDay::parse(&block.from), TimeOfDay::parse(&block.to));
        if let (Some(weekdays), Some(from), Some(to)) = read {
            return Some(DayWindow { weekdays, from, to });
        }
        self.fault(".schedule", format!("`{}` to `{}` is no time of day; write it like `08:00`", block.from, block.to));
        None
    }

    fn spans(&mut self, field: &str, blocks: &[SpanBlock]) -> Vec<CivilSpan> {
        let mut all = Vec::new();
        for block in blocks {
            match CivilSpan::parse(&block.from, &block.to) {
                Some(span) => all.push(span),
                None => self.fault(field, format!("`{}` to `{}` are no dates in order", block.from, block.to)),
            }
        }
        all
    }

    fn approval(&mut self, block: &ApprovalBlock) -> Approval {
        Approval {
            timeout: self.length(".approval.timeout", block.timeout.as_deref()),
            order: match block.order {
                Some(StageOrder::Ordered) => Order::Ordered,
                Some(StageOrder::Parallel) | None => Order::Parallel,
            },
            stages: block.stages.iter().map(|stage| self.stage(stage)).collect(),
        }
    }

    fn stage(&mut self, block: &StageBlock) -> Stage {
        Stage {
            name: block.name.clone(),
            approvers: subjects(&block.approvers),
            required: block.required,
            escalate_after: self.length(".approval.stages.escalateAfter", block.escalate_after.as_deref()),
            escalate_to: subjects(&block.escalate_to),
        }
    }
}

/// Whom a rule, a stage or a review names.
pub fn subjects(blocks: &[PolicySubject]) -> Vec<SubjectRef> {
    blocks.iter().map(SubjectRef::from).collect()
}

impl From<&PolicySubject> for SubjectRef {
    fn from(block: &PolicySubject) -> Self {
        match block.kind {
            SubjectKind::User => Self::User(block.name.clone()),
            SubjectKind::Group => Self::Group(block.name.clone()),
            SubjectKind::ServiceAccount => Self::ServiceAccount {
                namespace: block.namespace.clone().unwrap_or_default(),
                name: block.name.clone(),
            },
        }
    }
}

impl From<&SubjectRef> for PolicySubject {
    fn from(subject: &SubjectRef) -> Self {
        let (kind, name, namespace) = match subject {
            SubjectRef::User(name) => (SubjectKind::User, name, None),
            SubjectRef::Group(name) => (SubjectKind::Group, name, None),
            SubjectRef::ServiceAccount { namespace, name } => {
                (SubjectKind::ServiceAccount, name, Some(namespace.clone()))
            }
        };
        Self { kind, name: name.clone(), namespace }
    }
}

impl From<&crate::policy::ResourceBlock> for ResourceMatch {
    fn from(block: &crate::policy::ResourceBlock) -> Self {
        Self {
            api_group: block.api_group.clone(),
            resource: block.resource.clone(),
            verbs: block.verbs.iter().cloned().collect(),
            names: block.names.iter().cloned().collect(),
        }
    }
}

impl From<words::LabelOperator> for Operator {
    fn from(word: words::LabelOperator) -> Self {
        match word {
            words::LabelOperator::In => Self::In,
            words::LabelOperator::NotIn => Self::NotIn,
            words::LabelOperator::Exists => Self::Exists,
            words::LabelOperator::DoesNotExist => Self::DoesNotExist,
        }
    }
}
