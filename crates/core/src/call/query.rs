//! The few query parameters that decide what a call is.
//!
//! Promises: `watch` and `follow` are read as kube-apiserver reads them
//! (anything but `0` and `false` is true); the name in a `fieldSelector` is
//! taken only when the whole query is sure to be understood by the server,
//! because it ignores all selectors when any part fails to parse.

use super::segments::{check_name, malformed, percent_decode};
use crate::reason::Refusal;

/// Bytes; long exec commands travel here.
const QUERY_BYTES_MAX: usize = 64 * 1024;
/// Parameters; a bound on work, far above an exec command of many words.
const PARAMETERS_MAX: usize = 1024;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) watch: bool,
    pub(super) follow: bool,
    /// Empty when none is sure.
    pub(super) selected_name: String,
}

/// Reads a query as sent, without `?`.
pub(super) fn read(query: &str) -> Result<Parameters, Refusal> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(malformed("the query is too long"));
    }
    if query.contains([';', '#']) || query.chars().any(|c| c.is_control() || c == ' ') {
        return Err(malformed("the query has a character that can be read in two ways"));
    }
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .take(PARAMETERS_MAX + 1)
        .map(pair)
        .collect::<Result<_, _>>()?;
    if pairs.len() > PARAMETERS_MAX {
        return Err(malformed("the query has too many parameters"));
    }
    let all = |key: &'static str| pairs.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str());
    Ok(Parameters {
        watch: one_truth(all("watch"))?,
        follow: one_truth(all("follow"))?,
        selected_name: if all_is_understood(&pairs) { selected_name(all("fieldSelector")) } else { String::new() },
    })
}

fn pair(text: &str) -> Result<(String, String), Refusal> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((percent_decode(key.bytes(), true)?, percent_decode(value.bytes(), true)?))
}

/// The truth that all repetitions agree on.
fn one_truth<'a>(mut values: impl Iterator<Item = &'a str>) -> Result<bool, Refusal> {
    let is_true = |value: &str| value != "0" && !value.eq_ignore_ascii_case("false");
    let Some(first) = values.next().map(is_true) else {
        return Ok(false);
    };
    if values.all(|value| is_true(value) == first) {
        Ok(first)
    } else {
        Err(malformed("a query parameter is repeated with another value"))
    }
}

/// Whether no parameter of a list can fail to parse at the server.
fn all_is_understood(pairs: &[(String, String)]) -> bool {
    pairs.iter().all(|(key, value)| match key.as_str() {
        "limit" | "timeoutSeconds" => (1..=18).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit()),
        "labelSelector" => value.is_empty(),
        _ => true,
    }) && ["limit", "timeoutSeconds", "labelSelector", "fieldSelector", "watch"]
        .into_iter()
        .all(|key| pairs.iter().filter(|(k, _)| k == key).count() <= 1)
}

/// `metadata.name=x` in a selector of plain terms; empty when there is none.
fn selected_name<'a>(mut selectors: impl Iterator<Item = &'a str>) -> String {
    let Some(selector) = selectors.next() else {
        return String::new();
    };
    if selector.contains('\\') {
        return String::new();
    }
    let mut name = None;
    for term in selector.split(',').filter(|term| !term.is_empty()) {
        let Some((field, value)) = equality(term) else {
            return String::new();
        };
        if let (Some(value), "metadata.name", None) = (value, field, &name) {
            name = Some(value);
        }
    }
    name.filter(|name| check_name(name).is_ok()).unwrap_or_default().to_owned()
}

/// Field, and value where the term demands it (not `!=`).
fn equality(term: &str) -> Option<(&str, Option<&str>)> {
    let at = term.find(['=', '!'])?;
    let (field, rest) = term.split_at_checked(at)?;
    let (value, is_equal) = if let Some(value) = rest.strip_prefix("!=") {
        (value, false)
    } else {
        (rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?, true)
    };
    let is_plain = !field.is_empty() && !value.contains(['=', '!']);
    is_plain.then_some((field, is_equal.then_some(value)))
}
