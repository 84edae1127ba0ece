//! What conditions may speak of: variables, their fields and types, functions.
//!
//! Promises: what is declared here is exactly what `condition` binds,
//! which a test compares.

use std::fmt;

/// The type of an expression, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    Null,
    /// With the most items it can have.
    List(Box<Type>, u64),
    /// From text, with the most entries it can have.
    Map(Box<Type>, u64),
    Object(Object),
    /// Not known before evaluation.
    Any,
}

/// The objects that have fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Request,
    Requester,
    Resource,
    Role,
}

/// The most groups, namespaces, labels and entries of rules (the schema's bounds).
const GROUPS_MAX: u64 = 256;
const NAMESPACES_MAX: u64 = 16;
const LABELS_MAX: u64 = 64;
const RULES_MAX: u64 = 320;
const WORDS_MAX: u64 = 64;

/// The variables.
pub(crate) fn variable(name: &str) -> Option<Type> {
    Some(match name {
        "request" => Type::Object(Object::Request),
        "role" => Type::Object(Object::Role),
        "now" => Type::Timestamp,
        _ => return None,
    })
}

fn texts(max: u64) -> Type {
    Type::List(Box::new(Type::Text), max)
}

/// The fields of the objects.
pub(crate) fn fields(object: Object) -> Vec<(&'static str, Type)> {
    match object {
        Object::Request => vec![
            ("requester", Type::Object(Object::Requester)),
            ("role", Type::Text),
            ("risk", Type::Text),
            ("namespaces", texts(NAMESPACES_MAX)),
            ("labels", Type::Map(Box::new(Type::Map(Box::new(Type::Text), LABELS_MAX)), NAMESPACES_MAX)),
            ("resources", Type::List(Box::new(Type::Object(Object::Resource)), RULES_MAX)),
            ("duration", Type::Duration),
            ("startAt", Type::Timestamp),
            ("urgency", Type::Text),
            ("ticket", Type::Text),
            ("justification", Type::Text),
            ("delivery", Type::Text),
        ],
        Object::Requester => vec![("username", Type::Text), ("uid", Type::Text), ("groups", texts(GROUPS_MAX))],
        Object::Resource => vec![
            ("apiGroups", texts(WORDS_MAX)),
            ("resources", texts(WORDS_MAX)),
            ("verbs", texts(WORDS_MAX)),
            ("names", texts(WORDS_MAX)),
        ],
        Object::Role => vec![("name", Type::Text), ("risk", Type::Text)],
    }
}

/// What a function takes, beside its target, and gives.
pub(crate) struct Signature {
    /// The target's type; `None`: it has none.
    pub(crate) on: Option<Vec<Type>>,
    pub(crate) takes: Vec<Vec<Type>>,
    pub(crate) gives: Type,
}

/// The named functions that conditions may call; operators are the guard's.
pub(crate) fn function(name: &str, has_target: bool, arguments: usize) -> Option<Signature> {
    let sized = || vec![Type::Text, Type::Bytes, Type::List(Box::new(Type::Any), 0), Type::Map(Box::new(Type::Any), 0)];
    let text = || vec![Type::Text];
    let (on, takes, gives) = match (name, has_target, arguments) {
        ("size", false, 1) => (None, vec![sized()], Type::Int),
        ("size", true, 0) => (Some(sized()), vec![], Type::Int),
        ("startsWith" | "endsWith" | "contains" | "matches", true, 1) => (Some(text()), vec![text()], Type::Bool),
        ("duration", false, 1) => (None, vec![text()], Type::Duration),
        ("timestamp", false, 1) => (None, vec![text()], Type::Timestamp),
        ("int", false, 1) => (None, vec![vec![Type::Text, Type::Int, Type::Double, Type::Timestamp]], Type::Int),
        ("string", false, 1) => (
            None,
            vec![vec![Type::Text, Type::Int, Type::Bool, Type::Double, Type::Timestamp, Type::Duration]],
            Type::Text,
        ),
        ("getHours" | "getMinutes" | "getSeconds", true, 0) => {
            (Some(vec![Type::Timestamp, Type::Duration]), vec![], Type::Int)
        }
        ("getHours" | "getMinutes" | "getSeconds", true, 1) => (Some(vec![Type::Timestamp]), vec![text()], Type::Int),
        ("getDayOfWeek" | "getDayOfMonth" | "getDate" | "getMonth" | "getFullYear" | "getDayOfYear", true, 0) => {
            (Some(vec![Type::Timestamp]), vec![], Type::Int)
        }
        ("getDayOfWeek" | "getDayOfMonth" | "getDate" | "getMonth" | "getFullYear" | "getDayOfYear", true, 1) => {
            (Some(vec![Type::Timestamp]), vec![text()], Type::Int)
        }
        _ => return None,
    };
    Some(Signature { on, takes, gives })
}

impl Type {
    /// Whether a value of this type may be one of the other.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one, _), Self::List(two, _)) | (Self::Map(one, _), Self::Map(two, _)) => one.may_be(two),
            (one, two) => one == two,
        }
    }

    /// A type that stands for either.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::List(one, a), Self::List(two, b)) => Self::List(Box::new(one.or(*two)), a.max(b)),
            (Self::Map(one, a), Self::Map(two, b)) => Self::Map(Box::new(one.or(*two)), a.max(b)),
            (one, two) if one == two => one,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("a truth value"),
            Self::Int => f.write_str("a whole number"),
            Self::Double => f.write_str("a number with a fraction"),
            Self::Text => f.write_str("text"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("a time"),
            Self::Duration => f.write_str("a duration"),
            Self::Null => f.write_str("null"),
            Self::List(..) => f.write_str("a list"),
            Self::Map(..) => f.write_str("a map"),
            Self::Object(object) => write!(f, "the {}", format!("{object:?}").to_lowercase()),
            Self::Any => f.write_str("anything"),
        }
    }
}
