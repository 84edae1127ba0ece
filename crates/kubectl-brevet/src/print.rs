//! How this program speaks: results on standard output, everything else on standard error.
//!
//! Promises: colours only where they are wanted; a reader that went away ends the program quietly;
//! documents read back exactly and hold no character that acts on a terminal.
//!
//! Left out on purpose: what to say.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::Value;

use crate::cli::ColorWhen;
use crate::plain::{acts, plain_quoted};
use crate::problem::Problem;

/// Decides once where colours are shown; `NO_COLOR` counts unless the flag says otherwise.
pub(crate) fn set_color(when: ColorWhen) {
    match when {
        ColorWhen::Auto => anstream::ColorChoice::Auto,
        ColorWhen::Always => anstream::ColorChoice::Always,
        ColorWhen::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Whether a person sees both what is printed and what is said.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Whether a person can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A line of the result. The text is ours or already plain.
pub(crate) fn result(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever read has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.context("cannot write to standard output"),
    }
}

/// A remark, hint or prompt on standard error. Nothing can be done if nobody hears it.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A problem on standard error.
pub(crate) fn complain(problem: &Problem) {
    for (label, text) in problem.lines() {
        if label.starts_with("error") {
            say(&format!("{}{text}", label.red().bold()));
        } else {
            say(&format!("{}{text}", label.bold()));
        }
    }
}

/// Asks for a yes; anything else is a no.
pub(crate) fn asks(question: &str) -> anyhow::Result<bool> {
    let _ = write!(anstream::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Columns without rules, as kubectl prints them.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    table.add_rows(rows.iter().cloned());
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table.trim_fmt()
}

/// A document for programs.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(plain_quoted(&serde_json::to_string_pretty(value)?))
}

/// A document on one line, for streams of documents.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(plain_quoted(&serde_json::to_string(value)?))
}

/// A document for programs and people. Written here because emitters leave overrides as they are.
pub(crate) fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = String::new();
    block(&serde_json::to_value(value)?, 0, &mut text);
    Ok(text.trim_end().to_owned())
}

fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                text.push_str(&format!("{indent}{}:", scalar(&Value::String(key.clone()))));
                // Lists stand at the depth of their key, as kubectl writes them.
                below(value, if value.is_array() { depth } else { depth + 1 }, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                block(item, depth + 1, &mut inner);
                // The first line of the item follows its dash.
                text.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
        value => text.push_str(&format!("{indent}{}\n", scalar(value))),
    }
}

fn below(value: &Value, depth: usize, text: &mut String) {
    let nested = value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty());
    if nested {
        text.push('\n');
        block(value, depth, text);
    } else {
        text.push_str(&format!(" {}\n", scalar(value)));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(word) if is_bare(word) => word.clone(),
        // JSON is YAML; what JSON leaves as it is, `plain_quoted` escapes.
        value => plain_quoted(&value.to_string()),
    }
}

/// Whether YAML reads the word back as the same string without quotes.
fn is_bare(word: &str) -> bool {
    let starts_well = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_word = word.chars().all(|c| !acts(c) && (c.is_ascii_alphanumeric() || "-_./@+(),; ".contains(c)));
    let reserved = matches!(
        word.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    starts_well && is_word && !reserved && !word.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_reads_back_exactly_and_acts_on_no_terminal() {
        let value = json!({
            "plain": "view-logs", "path": "/a/b", "sentence": "go ahead, please", "time": "2026-11-24T09:00:00Z",
            "hostile": "\u{9b}31m \u{202e}x\u{1b}[2J\u{e0041}", "lines": "a\nb: c\n", "number": "1.5", "hex": "0x1f",
            "yes": "yes", "null": "~", "empty": "", "space": "a ", "colon": "a: b", "hash": "a #b", "list": "- a",
            "none": null, "n": 5, "f": 1.5, "t": true, "no things": [], "no fields": {},
            "deep": [{"a": 1, "b": [{"c": ["x", "y"]}, [], {}]}, ["z"], "w"],
        });
        let text = yaml(&value).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && acts(c)), "{text}");
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), value, "{text}");
    }

    #[test]
    fn yaml_looks_as_kubectl_writes_it() {
        let value = json!({"spec": {"resources": [{"names": ["web-1"], "resource": "pods"}], "role": "view-logs"}});
        assert_eq!(
            yaml(&value).unwrap(),
            "spec:\n  resources:\n  - names:\n    - web-1\n    resource: pods\n  role: view-logs"
        );
    }

    #[test]
    fn a_table_is_columns_without_rules() {
        let rows = vec![vec!["view-logs".to_owned(), "Low".to_owned()], vec!["x".to_owned(), "High".to_owned()]];
        assert_eq!(table(&["NAME", "RISK"], &rows), "NAME        RISK\nview-logs   Low\nx           High");
    }
}
