//! What several events say: people, objects, reasons.

use crate::{
    audit::{
        text::{List, Text},
        wire::{Input, Out, Unreadable, Wire, record, wire_words},
    },
    decision::Verdict,
    digest::Digest,
    grant::IdentityRef,
    lifecycle::identity::PartKind,
    policy,
    reason::{Reason, Refusal},
    request::Urgency,
    role::Delivery,
    subject::{self, Subject},
};

record! {
    /// Somebody, as Kubernetes authenticated them.
    Person {
        /// Never empty.
        username: Text = "username",
        /// Empty where the authenticator gives none.
        uid: Text = "uid",
        /// What policies compare.
        groups: List<Text> = "groups",
    }
}

record! {
    /// Who makes a call.
    Caller {
        /// Never empty.
        username: Text = "username",
        /// None where the door does not tell.
        uid: Option<Text> = "uid",
    }
}

record! {
    /// One object of Kubernetes.
    ObjectRef {
        /// Its name, for people.
        name: Text = "name",
        /// Its uid; this alone joins.
        uid: Text = "uid",
    }
}

record! {
    /// The rule of a policy that decides.
    Decider {
        /// Name of the policy.
        policy: Text = "policy",
        /// Uid of the policy.
        uid: Text = "uid",
        /// Generation of the policy.
        generation: u64 = "generation",
        /// Name of the rule.
        rule: Text = "rule",
        /// What the rule said.
        digest: Digest = "digest",
    }
}

record! {
    /// Why something was refused.
    RefusalSaid {
        /// For machines.
        reason: Word = "reason",
        /// Where in the spec; may be empty.
        field: Text = "field",
        /// For people.
        message: Text = "message",
    }
}

/// A reason. Made from the closed list only; read whatever word it is, so that a log outlives the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(std::borrow::Cow<'static, str>);

/// Letters of a [`Word`].
const WORD_MAX: usize = 64;

impl Word {
    /// As it stands in conditions and metrics.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Reason> for Word {
    fn from(reason: Reason) -> Self {
        Self(reason.as_str().into())
    }
}

impl Wire for Word {
    fn write(&self, out: &mut Out) {
        out.plain(&self.0);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        let word = input.string()?;
        if !(1..=WORD_MAX).contains(&word.len()) || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return input.fails("a reason is one word of at most 64 letters");
        }
        // Most are of the list, and need no memory of their own.
        Ok(Reason::parse(&word).map_or_else(|| Self(word.into_owned().into()), Self::from))
    }
}

impl From<&Subject> for Person {
    fn from(subject: &Subject) -> Self {
        Self {
            username: Text::new(&subject.username),
            uid: Text::new(&subject.uid),
            groups: subject.groups.iter().map(Text::new).collect(),
        }
    }
}

impl From<&subject::Caller> for Caller {
    fn from(caller: &subject::Caller) -> Self {
        Self { username: Text::new(&caller.username), uid: caller.uid.as_ref().map(Text::new) }
    }
}

impl ObjectRef {
    /// By name and uid.
    #[must_use]
    pub fn new(name: &str, uid: &str) -> Self {
        Self { name: Text::new(name), uid: Text::new(uid) }
    }
}

impl From<&IdentityRef> for ObjectRef {
    fn from(identity: &IdentityRef) -> Self {
        Self::new(&identity.name, &identity.uid)
    }
}

impl From<&policy::Decider> for Decider {
    fn from(by: &policy::Decider) -> Self {
        Self {
            policy: Text::new(&by.policy),
            uid: Text::new(&by.uid),
            generation: u64::try_from(by.generation).unwrap_or_default(),
            rule: Text::new(&by.rule),
            digest: by.digest,
        }
    }
}

impl From<&Refusal> for RefusalSaid {
    fn from(refusal: &Refusal) -> Self {
        Self { reason: refusal.reason.into(), field: Text::new(&refusal.field), message: Text::new(&refusal.message) }
    }
}

wire_words!(Verdict { Approve, Deny, Withdraw, Revoke, Review });
wire_words!(Urgency { Low, Normal, High, Critical });
wire_words!(Delivery { Gateway, Token });
wire_words!(PartKind { RoleBinding, ClusterRoleBinding, Role, ClusterRole, Anchor, ServiceAccount });
