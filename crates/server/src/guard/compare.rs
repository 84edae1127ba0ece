//! Whether a stored policy equals the shipped one, but for the API server's defaults.
//!
//! Promises: a field that stands only in the stored object counts as a
//! difference, unless it is a default that changes nothing. An added
//! `matchConditions` entry would silence a policy as surely as its deletion.

use serde_json::{Value, json};

/// Fields kube-apiserver adds by itself, with the only value that changes nothing.
fn is_default(field: &str, value: &Value) -> bool {
    match field {
        "matchPolicy" => *value == json!("Equivalent"),
        "namespaceSelector" | "objectSelector" => *value == json!({}),
        "scope" => *value == json!("*"),
        _ => false,
    }
}

/// Where the two differ first, as a JSON path; `None`: nowhere.
pub(super) fn first_difference(shipped: &Value, stored: &Value) -> Option<String> {
    match (shipped, stored) {
        (Value::Object(shipped), Value::Object(stored)) => {
            let missing = shipped.iter().find_map(|(field, value)| {
                let inner = match stored.get(field) {
                    Some(found) => first_difference(value, found),
                    // What is written out in the file but left out by the server changed nothing either.
                    None if is_default(field, value) => None,
                    None => Some(String::new()),
                };
                inner.map(|rest| format!(".{field}{rest}"))
            });
            let added =
                || stored.iter().find(|(field, value)| !shipped.contains_key(*field) && !is_default(field, value));
            missing.or_else(|| added().map(|(field, _)| format!(".{field}")))
        }
        (Value::Array(shipped), Value::Array(stored)) => {
            if shipped.len() != stored.len() {
                return Some(String::new());
            }
            let pairs = shipped.iter().zip(stored).enumerate();
            pairs.into_iter().find_map(|(at, (a, b))| first_difference(a, b).map(|rest| format!("[{at}]{rest}")))
        }
        // YAML folding may leave a line's end; CEL does not see it.
        (Value::String(shipped), Value::String(stored)) => (shipped.trim() != stored.trim()).then(String::new),
        _ => (shipped != stored).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_no_difference() {
        let shipped = json!({"matchConstraints": {"resourceRules": [{"resources": ["pods"]}]}});
        let stored = json!({"matchConstraints": {
            "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "resourceRules": [{"resources": ["pods"], "scope": "*"}]
        }});
        assert_eq!(first_difference(&shipped, &stored), None);
    }

    #[test]
    fn an_added_condition_is_a_difference() {
        let stored = json!({"matchConditions": [{"name": "never", "expression": "false"}]});
        assert_eq!(first_difference(&json!({}), &stored).as_deref(), Some(".matchConditions"));
    }

    #[test]
    fn a_narrowed_selector_is_a_difference() {
        let stored = json!({"namespaceSelector": {"matchLabels": {"a": "b"}}});
        assert_eq!(first_difference(&json!({}), &stored).as_deref(), Some(".namespaceSelector"));
    }

    #[test]
    fn a_changed_expression_is_named() {
        let shipped = json!({"validations": [{"expression": "a"}, {"expression": "b"}]});
        let stored = json!({"validations": [{"expression": "a"}, {"expression": "true"}]});
        assert_eq!(first_difference(&shipped, &stored).as_deref(), Some(".validations[1].expression"));
    }

    #[test]
    fn a_removed_entry_is_a_difference() {
        let shipped = json!({"validationActions": ["Deny"]});
        assert_eq!(
            first_difference(&shipped, &json!({"validationActions": []})).as_deref(),
            Some(".validationActions")
        );
        assert_eq!(first_difference(&shipped, &json!({})).as_deref(), Some(".validationActions"));
    }
}
