//! What goes wrong, as people read it: what, why, and what to do next.
//!
//! Promises: a [`Problem`] is either a refusal (exit code 1: the answer is no) or a failure (exit
//! code 2: there was no answer); its parts are safe to print, whoever wrote them.
//!
//! Left out on purpose: chains. Context is added where it is known, and printed once, by `main`.

use std::fmt;

use brevet_core::reason::Refusal;

use crate::plain::plain_lines;

/// Whose turn it is to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer is no: exit code 1.
    Refused,
    /// There was no answer: exit code 2.
    Failed,
}

impl Outcome {
    /// The exit code (design §4).
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Failed => 2,
        }
    }
}

/// One problem, ready to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// No, or no answer.
    pub(crate) outcome: Outcome,
    what: String,
    why: String,
    next: String,
}

impl Problem {
    /// The answer is no.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, what: what.into(), why: String::new(), next: String::new() }
    }

    /// There is no answer.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::refused(what).with(Outcome::Failed)
    }

    /// Another outcome than the one it began with.
    pub(crate) fn with(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// With the cause.
    pub(crate) fn why(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// With the way out.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }

    /// What a pure refusal of core says, about what was being done.
    pub(crate) fn from_refusal(what: impl Into<String>, refusal: &Refusal) -> Self {
        Self::refused(what).why(format!("{refusal} ({})", refusal.reason))
    }

    /// The three lines for a person.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        [("error: ", &self.what), ("  why:  ", &self.why), ("  next: ", &self.next)]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(label, text)| (label, plain_lines(text).replace('\n', "\n        ")))
            .collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let text = lines.iter().map(|(label, text)| format!("{label}{text}")).collect::<Vec<_>>();
        f.write_str(&text.join("\n"))
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_what_why_next() {
        let problem = Problem::refused("not granted: you asked for `8h` of `view-secrets`")
            .why("`view-secrets` allows at most `2h`")
            .next("ask again with `--for 2h`");
        assert_eq!(
            problem.to_string(),
            "error: not granted: you asked for `8h` of `view-secrets`\n  why:  `view-secrets` allows at most `2h`\n  next: ask again with `--for 2h`"
        );
        assert_eq!(problem.outcome.code(), 1);
    }

    #[test]
    fn a_server_cannot_write_on_the_terminal_through_a_problem() {
        let problem = Problem::failed("no\u{1b}[2J").why("a\nb\u{202e}");
        assert_eq!(problem.to_string(), "error: no\\u{1b}[2J\n  why:  a\n        b\\u{202e}");
    }
}
