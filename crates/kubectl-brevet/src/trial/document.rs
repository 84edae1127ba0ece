//! The documents in the files that were named.
//!
//! Promises: a folder is read whole, in the order of its names; every document knows where it stood;
//! nothing is read past [`BYTES_MAX`], [`FILES_MAX`] and [`DEPTH_MAX`].
//!
//! Left out on purpose: what a document says.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::problem::Problem;

/// Bytes of one file at most; a list of ten thousand requests fits.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Files at most.
const FILES_MAX: usize = 4096;

/// Folders in folders at most; a link to itself ends here.
const DEPTH_MAX: usize = 16;

/// One document, and where it stood.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// File, and place in it where it holds several.
    pub(crate) source: String,
    pub(crate) value: Value,
}

impl Document {
    /// Its kind, or nothing.
    pub(crate) fn kind(&self) -> &str {
        self.value.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its version, or nothing.
    pub(crate) fn api_version(&self) -> &str {
        self.value.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Every document of these files and folders; lists are taken apart. `-` is standard input.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Problem> {
    let mut documents = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            documents.extend(parse("standard input", &text(std::io::stdin().lock(), "standard input")?)?);
            continue;
        }
        let mut files = Vec::new();
        list(path, 0, &mut files)?;
        for file in files {
            let name = file.display().to_string();
            let open = fs::File::open(&file).map_err(|error| unreadable(&name, &error))?;
            documents.extend(parse(&name, &text(open, &name)?)?);
        }
    }
    Ok(documents)
}

/// Every document of a text.
pub(crate) fn parse(name: &str, text: &str) -> Result<Vec<Document>, Problem> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        Problem::failed(format!("cannot read `{name}`")).why(format!("it is neither YAML nor JSON: {error}"))
    })?;
    let is_one = values.len() == 1;
    let mut documents = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let source = if is_one { name.to_owned() } else { format!("{name} (document {})", at + 1) };
        take_apart(source, value, &mut documents);
    }
    Ok(documents)
}

fn take_apart(source: String, mut value: Value, documents: &mut Vec<Document>) {
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items").filter(|_| is_list).map(Value::take) {
        Some(Value::Array(items)) => {
            for (at, item) in items.into_iter().enumerate() {
                documents.push(Document { source: format!("{source} (item {})", at + 1), value: item });
            }
        }
        _ if value.is_null() => {}
        _ => documents.push(Document { source, value }),
    }
}

/// The files under a path: itself, or what a folder holds of YAML and JSON.
fn list(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let name = path.display().to_string();
    if !path.is_dir() {
        if files.len() >= FILES_MAX {
            return Err(Problem::failed(format!("there are more than {FILES_MAX} files under `{name}`")));
        }
        files.push(path.to_owned());
        return Ok(());
    }
    if depth >= DEPTH_MAX {
        return Err(Problem::failed(format!("`{name}` is more than {DEPTH_MAX} folders deep")));
    }
    let entries = fs::read_dir(path).map_err(|error| unreadable(&name, &error))?;
    let mut inside = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    inside.iter_mut().for_each(|all| all.sort());
    for one in inside.map_err(|error| unreadable(&name, &error))? {
        let is_hidden = one.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = one.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
        if !is_hidden && (one.is_dir() || matches!(ending.as_str(), "yaml" | "yml" | "json")) {
            list(&one, depth + 1, files)?;
        }
    }
    Ok(())
}

fn text(from: impl std::io::Read, name: &str) -> Result<String, Problem> {
    let mut text = String::new();
    let read = from.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(name, &error))?;
    if read as u64 > BYTES_MAX {
        return Err(
            Problem::failed(format!("cannot read `{name}`")).why(format!("it is longer than {BYTES_MAX} bytes"))
        );
    }
    Ok(text)
}

fn unreadable(name: &str, error: &std::io::Error) -> Problem {
    Problem::failed(format!("cannot read `{name}`")).why(error.to_string())
}
