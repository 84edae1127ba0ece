//! `completion` and `__complete`: what the shell proposes.
//!
//! Promises: verbs, flags, values, and the names of roles, requests and namespaces that the user may
//! see; a cluster that is slow or away costs a shell no more than [`TIME_MAX`], and no message.
//!
//! Left out on purpose: names of pods and Secrets; whoever has to ask for them may not list them.

use std::time::Duration;

use brevet_api::Phase;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

use super::{Code, DONE};
use crate::cli::{Cli, Script};
use crate::cluster::Cluster;
use crate::entry::{is_over, phase};
use crate::origin::Wish;
use crate::plain::acts;
use crate::print;

/// The longest a shell waits for names.
const TIME_MAX: Duration = Duration::from_secs(3);

/// kubectl's word for "no file names, please".
const NO_FILES: &str = ":4";

/// kubectl's word for "nothing to say about it".
const DEFAULT: &str = ":0";

/// The program that kubectl looks for on the PATH.
const KUBECTL_COMPLETE: &str = "#!/bin/sh
# kubectl_complete-brevet: completes `kubectl brevet` in every shell whose kubectl completion is loaded.
# Put it on your PATH under this name and make it executable.
exec kubectl-brevet __complete -- \"$@\"";

pub(super) fn script(script: Script) -> anyhow::Result<Code> {
    let shell = match script {
        Script::Kubectl => {
            print::result(KUBECTL_COMPLETE)?;
            return Ok(DONE);
        }
        Script::Bash => Shell::Bash,
        Script::Zsh => Shell::Zsh,
        Script::Fish => Shell::Fish,
        Script::Powershell => Shell::PowerShell,
    };
    let mut text = Vec::new();
    // Here the program is called by its own name, not through kubectl.
    clap_complete::generate(shell, &mut Cli::command().bin_name("kubectl-brevet"), "kubectl-brevet", &mut text);
    print::result(String::from_utf8_lossy(&text).trim_end())?;
    Ok(DONE)
}

pub(super) async fn answer(words: &[String]) -> anyhow::Result<Code> {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let root = Cli::command();
    let asked = expected(&root, before, last);
    let mut proposals = match &asked {
        Expected::Words(words) => words.clone(),
        Expected::Names(kind) => tokio::time::timeout(TIME_MAX, names(*kind, &wish(before))).await.unwrap_or_default(),
        Expected::Anything => Vec::new(),
    };
    proposals.retain(|(word, _)| word.starts_with(last));
    for (word, about) in proposals {
        print::result(&if about.is_empty() { word } else { format!("{word}\t{about}") })?;
    }
    print::result(if matches!(asked, Expected::Anything) { DEFAULT } else { NO_FILES })?;
    Ok(DONE)
}

/// What may stand where the cursor is.
#[derive(Debug, PartialEq)]
enum Expected {
    Words(Vec<(String, String)>),
    Names(Kind),
    Anything,
}

/// Names that only the cluster knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Role,
    Request { only_pending: bool },
    Namespace,
}

fn expected(root: &Command, before: &[String], last: &str) -> Expected {
    let is_verb = |word: &&String| root.get_subcommands().any(|verb| verb.get_name() == word.as_str());
    let Some(verb) = before.iter().find(is_verb).and_then(|word| root.find_subcommand(word)) else {
        return match before.last().map(String::as_str) {
            Some("--context" | "--kubeconfig") => Expected::Anything,
            _ if last.starts_with('-') => flags(root, root),
            _ => Expected::Words(verbs(root)),
        };
    };
    if before.iter().any(|word| word == "--") {
        return Expected::Anything;
    }
    if verb.has_subcommands() {
        let mut after = before.iter().skip_while(|word| word.as_str() != verb.get_name()).skip(1);
        return match after.find_map(|word| verb.find_subcommand(word)) {
            Some(_) if !last.starts_with('-') => Expected::Anything,
            Some(inner) => flags(inner, root),
            None if last.starts_with('-') => flags(verb, root),
            None => Expected::Words(verbs(verb)),
        };
    }
    if let Some(value) = before.last().and_then(|flag| value_of(verb, root, flag)) {
        return value;
    }
    if last.starts_with('-') {
        return flags(verb, root);
    }
    let is_first =
        !before.iter().skip_while(|word| word.as_str() != verb.get_name()).skip(1).any(|word| !word.starts_with('-'))
            || only_flags_follow(verb, root, before);
    match verb.get_name() {
        _ if !is_first => flags(verb, root),
        "explain" | "request" => Expected::Names(Kind::Role),
        "approve" | "deny" | "withdraw" => Expected::Names(Kind::Request { only_pending: true }),
        "get" | "release" | "review" | "revoke" | "wait" | "use" | "exec" | "shell" => {
            Expected::Names(Kind::Request { only_pending: false })
        }
        "completion" => Expected::Words(values(verb.get_positionals().next())),
        _ => flags(verb, root),
    }
}

/// Whether every word after the verb is a flag or the value of one.
fn only_flags_follow(verb: &Command, root: &Command, before: &[String]) -> bool {
    let mut words = before.iter().skip_while(|word| word.as_str() != verb.get_name()).skip(1);
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            return false;
        }
        if !word.contains('=') && value_of(verb, root, word).is_some() {
            words.next();
        }
    }
    true
}

fn verbs(root: &Command) -> Vec<(String, String)> {
    let shown = root.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown
        .map(|verb| (verb.get_name().to_owned(), verb.get_about().map(ToString::to_string).unwrap_or_default()))
        .collect()
}

fn flags(verb: &Command, root: &Command) -> Expected {
    let all = verb.get_arguments().chain(root.get_arguments().filter(|arg| arg.is_global_set()));
    let named = all.filter_map(|arg| {
        Some((format!("--{}", arg.get_long()?), arg.get_help().map(ToString::to_string).unwrap_or_default()))
    });
    Expected::Words(named.collect())
}

/// What the flag before the cursor takes, if it takes a value.
fn value_of(verb: &Command, root: &Command, flag: &str) -> Option<Expected> {
    let mut all = verb.get_arguments().chain(root.get_arguments());
    let arg = all.find(|arg| {
        let long = flag.strip_prefix("--").is_some_and(|name| {
            arg.get_long() == Some(name) || arg.get_visible_aliases().is_some_and(|aliases| aliases.contains(&name))
        });
        let short = arg.get_short().is_some_and(|short| flag == format!("-{short}"));
        long || short
    })?;
    if !arg.get_action().takes_values() || arg.is_require_equals_set() {
        return None;
    }
    Some(match arg.get_long() {
        Some("namespace") => Expected::Names(Kind::Namespace),
        _ if !arg.get_possible_values().is_empty() => Expected::Words(values(Some(arg))),
        _ => Expected::Anything,
    })
}

fn values(arg: Option<&clap::Arg>) -> Vec<(String, String)> {
    let values = arg.map(clap::Arg::get_possible_values).unwrap_or_default();
    values
        .iter()
        .map(|value| (value.get_name().to_owned(), value.get_help().map(ToString::to_string).unwrap_or_default()))
        .collect()
}

/// The flags typed so far that say which cluster.
fn wish(before: &[String]) -> Wish {
    let after = |flag: &str| {
        let joined = format!("{flag}=");
        let mut words = before.iter();
        while let Some(word) = words.next() {
            if word == flag {
                return words.next().cloned();
            }
            if let Some(value) = word.strip_prefix(&joined) {
                return Some(value.to_owned());
            }
        }
        None
    };
    Wish { kubeconfig: after("--kubeconfig").map(Into::into), context: after("--context") }
}

/// Names that the user may see. Anything that goes wrong means no proposals.
async fn names(kind: Kind, wish: &Wish) -> Vec<(String, String)> {
    let Ok(cluster) = Cluster::reach(wish).await else { return Vec::new() };
    let all = ListParams::default();
    let named = match kind {
        Kind::Role => {
            let roles = cluster.roles().list(&all).await.map(|list| list.items).unwrap_or_default();
            roles.into_iter().map(|role| (role.metadata.name, role.spec.description)).collect::<Vec<_>>()
        }
        Kind::Namespace => {
            let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
            let namespaces = namespaces.list_metadata(&all).await.map(|list| list.items).unwrap_or_default();
            namespaces.into_iter().map(|namespace| (namespace.metadata.name, String::new())).collect()
        }
        Kind::Request { only_pending } => {
            let mut requests = cluster.all_requests().await.unwrap_or_default();
            requests.retain(
                |request| if only_pending { phase(request) == Phase::Pending } else { !is_over(phase(request)) },
            );
            let about = |request: &brevet_api::sessions::Request| {
                format!("{} for {} ({})", request.spec.role, request.spec.requester.username, phase(request))
            };
            requests.into_iter().map(|request| (request.metadata.name.clone(), about(&request))).collect()
        }
    };
    // A tab or a line break would be read as structure, the rest would act on the terminal.
    let safe = |text: String| text.chars().filter(|c| !acts(*c)).collect::<String>();
    named.into_iter().filter_map(|(name, about)| Some((safe(name?), safe(about)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(words: &[&str]) -> Expected {
        let words = words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (last, before) = words.split_last().unwrap();
        expected(&Cli::command(), before, last)
    }

    fn proposed(words: &[&str]) -> Vec<String> {
        match at(words) {
            Expected::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn verbs_come_first_and_the_hidden_one_never() {
        let verbs = proposed(&[""]);
        assert!(verbs.contains(&"request".to_owned()) && !verbs.contains(&"__complete".to_owned()));
        assert_eq!(proposed(&["--color", "always", "re"]), verbs);
    }

    #[test]
    fn names_are_proposed_where_they_belong() {
        assert_eq!(at(&["request", ""]), Expected::Names(Kind::Role));
        assert_eq!(at(&["request", "-n", "shop", ""]), Expected::Names(Kind::Role));
        assert_eq!(at(&["request", "-n", ""]), Expected::Names(Kind::Namespace));
        assert_eq!(at(&["approve", ""]), Expected::Names(Kind::Request { only_pending: true }));
        assert_eq!(at(&["exec", ""]), Expected::Names(Kind::Request { only_pending: false }));
        assert_eq!(at(&["exec", "x", "--", ""]), Expected::Anything);
        assert_eq!(at(&["request", "view-logs", "--pod", ""]), Expected::Anything);
    }

    #[test]
    fn flags_and_their_values_are_proposed() {
        assert!(proposed(&["request", "view-logs", "--"]).contains(&"--reason".to_owned()));
        assert!(proposed(&["request", "view-logs", ""]).contains(&"--for".to_owned()));
        assert_eq!(proposed(&["get", "x", "-o", ""]), ["wide", "name", "json", "yaml"]);
        assert!(proposed(&["completion", ""]).contains(&"kubectl".to_owned()));
        assert_eq!(proposed(&["policy", ""]), ["test", "lint", "diff"]);
        assert!(proposed(&["policy", "test", "--"]).contains(&"--junit".to_owned()));
        assert_eq!(at(&["policy", "test", ""]), Expected::Anything);
    }
}
