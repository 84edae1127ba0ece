//! Whether a value has the shape of a schema, so that what a server would refuse is refused here too.
//!
//! Promises: a field that the schema does not know is told with its path, and so is a value it does
//! not allow; `null` is absent, as to a server. The rules of a schema are asked as well.
//!
//! Left out on purpose: the parts of JSON Schema that Brevet's own schemas do not use.

use cel::{Context, Program};
use regex::Regex;
use serde_json::{Map, Value};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// Everything about `value`, which stands at `path`, that the schema does not allow.
pub(crate) fn faults(path: &str, value: &Value, schema: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    look(path, value, schema, &mut found);
    found
}

fn look(path: &str, value: &Value, schema: &Value, found: &mut Vec<Fault>) {
    let schema = chosen(schema, value);
    let before = found.len();
    let mut say = |message: String| found.push(Fault { path: path.to_owned(), message });
    if !is_of_type(schema, value) {
        say(format!("is {}, and should be {}", kind(value), wanted(schema)));
        return;
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array).filter(|words| !words.contains(value)) {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        say(format!("is `{}`, and should be one of {}", brief(value), words.join(", ")));
    }
    match value {
        Value::String(text) => bounds(schema, "Length", text.chars().count() as f64, " characters", &mut say),
        Value::Number(number) => bounds(schema, "imum", number.as_f64().unwrap_or_default(), "", &mut say),
        Value::Array(items) => bounds(schema, "Items", items.len() as f64, " items", &mut say),
        _ => {}
    }
    if let (Some(pattern), Some(text)) = (schema.get("pattern").and_then(Value::as_str), value.as_str())
        && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        say(format!("is `{}`, which is not of the form `{pattern}`", brief(value)));
    }
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                look(&format!("{path}[{at}]"), item, schema.get("items").unwrap_or(&Value::Null), found);
            }
        }
        Value::Object(fields) => object(path, fields, schema, found),
        _ => {}
    }
    // Rules speak of sound values.
    if found.len() == before {
        rules(path, value, schema, found);
    }
}

fn object(path: &str, fields: &Map<String, Value>, schema: &Value, found: &mut Vec<Fault>) {
    let known = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties").filter(|others| **others != Value::Bool(false));
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        match (known.and_then(|known| known.get(name)), others, known) {
            (Some(schema), _, _) | (None, Some(schema), _) => look(&join(name), value, schema, found),
            (None, None, Some(known)) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let message = format!("is no field; known here are {}", names.join(", "));
                found.push(Fault { path: join(name), message });
            }
            (None, None, None) => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| fields.get(*name).is_none_or(Value::is_null)) {
        found.push(Fault { path: join(name), message: "is missing".to_owned() });
    }
}

/// Asks the schema's own rules, as an API server does when an object is written.
fn rules(path: &str, value: &Value, schema: &Value, found: &mut Vec<Fault>) {
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("rule").contains("oldSelf") {
            continue;
        }
        if !holds(text("rule"), value) {
            found.push(Fault { path: format!("{path}{}", text("fieldPath")), message: text("message").to_owned() });
        }
    }
}

/// Whether a rule holds of `self`; one that cannot be read does not.
fn holds(rule: &str, value: &Value) -> bool {
    // A schema must escape this one word, which is reserved in CEL; to this reader it is a name.
    let Ok(program) = Program::compile(&rule.replace("__namespace__", "namespace")) else { return false };
    let Ok(value) = cel::to_value(value) else { return false };
    let mut context = Context::default();
    context.add_variable_from_value("self", value);
    matches!(program.execute(&context), Ok(cel::Value::Bool(true)))
}

/// Of alternatives the one that is meant by the value's type.
fn chosen<'a>(schema: &'a Value, value: &Value) -> &'a Value {
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(all) => all.iter().find(|one| is_of_type(one, value)).or(all.first()).unwrap_or(schema),
        None => schema,
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of_type(schema: &Value, value: &Value) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|one| match *one {
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            one => one == kind_word(value),
        })
}

fn kind_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn wanted(schema: &Value) -> String {
    let word = |one: &str| match one {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        _ => "a map",
    };
    let all: Vec<&str> = types(schema).into_iter().filter(|one| *one != "null").map(word).collect();
    all.join(" or ")
}

fn bounds(schema: &Value, what: &str, size: f64, unit: &str, say: &mut dyn FnMut(String)) {
    let bound = |side: &str| schema.get(format!("{side}{what}")).and_then(Value::as_f64);
    if let Some(min) = bound("min").filter(|min| size < *min) {
        say(format!("has {size}{unit}, and at least {min} are needed"));
    }
    if let Some(max) = bound("max").filter(|max| size > *max) {
        say(format!("has {size}{unit}, and at most {max} are allowed"));
    }
}

fn brief(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(value: &Value, schema: &Value) -> Vec<String> {
        faults("spec", value, schema).into_iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect()
    }

    #[test]
    fn what_a_schema_does_not_allow_is_told_with_its_path() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
            "of": {"type": "array", "maxItems": 1, "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}},
            "word": {"enum": ["A", "B"], "type": "string"},
            "any": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "boolean"}}}, {"type": "null"}]},
        }});
        for (value, expected) in [
            (json!({"name": "a", "of": [{"n": 1}], "word": "A", "any": {"x": true}, "nothing": null}), &[][..]),
            (
                json!({"nam": "a"}),
                &["spec.nam: is no field; known here are any, name, of, word", "spec.name: is missing"],
            ),
            (json!({"name": "abcd"}), &["spec.name: has 4 characters, and at most 3 are allowed"]),
            (json!({"name": "A"}), &["spec.name: is `A`, which is not of the form `^[a-z]+$`"]),
            (json!({"name": "a", "of": [{"n": 0}]}), &["spec.of[0].n: has 0, and at least 1 are needed"]),
            (json!({"name": "a", "of": {}}), &["spec.of: is a map, and should be a list"]),
            (json!({"name": "a", "word": "C"}), &["spec.word: is `C`, and should be one of A, B"]),
            (json!({"name": "a", "any": {"y": true}}), &["spec.any.y: is no field; known here are x"]),
        ] {
            assert_eq!(told(&value, &schema), expected, "{value}");
        }
    }

    #[test]
    fn the_rules_of_the_kinds_are_asked() {
        let all = brevet_api::crds::all().unwrap();
        let (_, policies) = all.iter().find(|(name, _)| *name == "accesspolicies.yaml").unwrap();
        let schema = &policies["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let subject = json!([{"kind": "Group", "name": "g"}]);
        let rule = |extra: Value| {
            let mut rule = json!({"name": "r", "subjects": subject, "roles": ["*"]});
            rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            told(&json!({"rules": [rule]}), schema)
        };
        assert_eq!(rule(json!({"effect": "Approve"})), [""; 0]);
        assert_eq!(
            rule(json!({"effect": "Approve", "message": "x"})),
            ["spec.rules[0].message: only effect Deny has a message"]
        );
        assert!(rule(json!({"effect": "RequireApproval"}))[0].contains("needs an approval"));
        let account = json!([{"kind": "ServiceAccount", "name": "x"}]);
        assert!(rule(json!({"effect": "Deny", "subjects": account}))[0].contains("a ServiceAccount has a namespace"));
        let account = json!([{"kind": "ServiceAccount", "name": "x", "namespace": "ci"}]);
        assert_eq!(rule(json!({"effect": "Deny", "subjects": account})), [""; 0]);
        assert!(
            rule(json!({"effect": "Deny", "schedule": {"timeZone": "UTC", "from": "08:00"}}))[0].contains("together")
        );
    }
}
