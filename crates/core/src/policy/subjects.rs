//! Whom a rule or a stage names, as RBAC names subjects.
//!
//! Promises: compared byte for byte, never by prefix or case; a list of no
//! names matches nobody.

use std::fmt;

use crate::subject::Subject;

/// A user, a group or a service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectRef {
    /// By username.
    User(String),
    /// By one group.
    Group(String),
    /// By namespace and name.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl SubjectRef {
    /// Whether the subject is, or is in, what is named.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        match self {
            Self::User(name) => *name == subject.username,
            Self::Group(name) => subject.groups.contains(name),
            Self::ServiceAccount { namespace, name } => {
                let rest = subject.username.strip_prefix("system:serviceaccount:");
                rest.and_then(|rest| rest.split_once(':'))
                    .is_some_and(|(ns, account)| ns == namespace && account == name)
            }
        }
    }
}

impl fmt::Display for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user `{name}`"),
            Self::Group(name) => write!(f, "group `{name}`"),
            Self::ServiceAccount { namespace, name } => write!(f, "service account `{namespace}/{name}`"),
        }
    }
}

/// Whether any of them matches.
pub(super) fn any_matches(named: &[SubjectRef], subject: &Subject) -> bool {
    named.iter().any(|one| one.matches(subject))
}

/// Names in a row, for people.
pub(super) fn listed(named: &[SubjectRef]) -> String {
    named.iter().map(SubjectRef::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole() {
        let subject = Subject {
            username: "system:serviceaccount:ci:deployer".to_owned(),
            uid: String::new(),
            groups: ["/tenant/admin".to_owned()].into(),
        };
        let account =
            |namespace: &str, name: &str| SubjectRef::ServiceAccount { namespace: namespace.into(), name: name.into() };
        for (named, expected) in [
            (account("ci", "deployer"), true),
            (account("ci", "deploy"), false),
            (account("c", "i:deployer"), false),
            (SubjectRef::User("system:serviceaccount:ci:deployer".into()), true),
            (SubjectRef::User("System:serviceaccount:ci:deployer".into()), false),
            (SubjectRef::Group("/tenant/admin".into()), true),
            (SubjectRef::Group("admin".into()), false),
            (SubjectRef::User("/tenant/admin".into()), false),
        ] {
            assert_eq!(named.matches(&subject), expected, "{named}");
        }
        assert!(!any_matches(&[], &subject));
    }
}
