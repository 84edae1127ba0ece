//! Label selectors, as Kubernetes reads them.
//!
//! Promises: all of a selector must hold; `NotIn` and `DoesNotExist` hold of an
//! object without the key, as in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Labels that must hold, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(pub Vec<Requirement>);

/// One demand on the labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is demanded.
    pub operator: Operator,
    /// For `In` and `NotIn`.
    pub values: BTreeSet<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// It is there, with one of the values.
    In,
    /// It is not there with one of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Selector {
    /// One demand for each label of a `matchLabels`.
    #[must_use]
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        let demand = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: BTreeSet::from([value.clone()]),
        };
        Self(labels.iter().map(demand).collect())
    }

    /// Whether the labels meet every demand.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|demand| demand.is_met(labels))
    }
}

impl Requirement {
    fn is_met(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, demand) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let values = demand.values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            let key = &demand.key;
            match demand.operator {
                Operator::In if demand.values.len() == 1 => write!(f, "{comma}{key}={values}")?,
                Operator::In => write!(f, "{comma}{key} in ({values})")?,
                Operator::NotIn => write!(f, "{comma}{key} notin ({values})")?,
                Operator::Exists => write!(f, "{comma}{key}")?,
                Operator::DoesNotExist => write!(f, "{comma}!{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_labels_as_kubernetes_does() {
        let labels = BTreeMap::from([("tier".to_owned(), "production".to_owned())]);
        let demand = |key: &str, operator, values: &[&str]| {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            Selector(vec![Requirement { key: key.to_owned(), operator, values }])
        };
        for (selector, expected, shown) in [
            (Selector::default(), true, ""),
            (demand("tier", Operator::In, &["production"]), true, "tier=production"),
            (demand("tier", Operator::In, &["a", "b"]), false, "tier in (a,b)"),
            (demand("team", Operator::In, &["a"]), false, "team=a"),
            (demand("tier", Operator::NotIn, &["production"]), false, "tier notin (production)"),
            (demand("team", Operator::NotIn, &["a"]), true, "team notin (a)"),
            (demand("tier", Operator::Exists, &[]), true, "tier"),
            (demand("team", Operator::DoesNotExist, &[]), true, "!team"),
        ] {
            assert_eq!(selector.matches(&labels), expected, "{shown}");
            assert_eq!(selector.to_string(), shown);
        }
    }
}
