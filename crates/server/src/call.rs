//! One call to kube-apiserver: never without a time limit, never mistaken for
//! an answer when it is none.
//!
//! Promises: "not there" is said only when the API server said so about that
//! very object. A 404 for a path it does not serve (yet), a 403, an empty list
//! of a cold cache are errors or doubts, never absence.

use std::time::Duration;

use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// How long one ordinary call may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No answer in time; it may have been performed.
    #[error("kube-apiserver did not answer within {}s", .0.as_secs())]
    TimedOut(Duration),
    /// Refused, or not reached.
    #[error("kube-apiserver refused or was not reached")]
    Kube(#[source] Box<kube::Error>),
}

impl CallError {
    /// The HTTP status kube-apiserver answered with; 0 if none.
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Kube(error) => match error.as_ref() {
                kube::Error::Api(status) => status.code,
                _ => 0,
            },
            Self::TimedOut(_) => 0,
        }
    }

    /// Whether the API server says that there is no object `name`.
    pub(crate) fn is_absence_of(&self, name: &str) -> bool {
        let Self::Kube(error) = self else { return false };
        let kube::Error::Api(status) = error.as_ref() else { return false };
        let is_it = status.details.as_ref().is_some_and(|details| details.name == name);
        status.code == 404 && status.reason == "NotFound" && is_it
    }

    /// Whether the object was not the one meant, or not any more: another uid or resourceVersion.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == 409
    }
}

/// `call`, for at most `limit`.
pub(crate) async fn within<T>(limit: Duration, call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| CallError::Kube(Box::new(error))),
        Err(_) => Err(CallError::TimedOut(limit)),
    }
}

/// The object as etcd has it (no resourceVersion is sent: a quorum read); `None`: there is none.
pub(crate) async fn read<K>(api: &Api<K>, name: &str) -> Result<Option<K>, CallError>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    match within(CALL_TIMEOUT, api.get(name)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_absence_of(name) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error and what lies behind it, in one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let kube = inner.downcast_ref().or_else(|| inner.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref));
        let said = match kube {
            // kube adds the whole Status, as Rust prints it.
            Some(kube::Error::Api(status)) => status.message.clone(),
            _ => inner.to_string(),
        };
        // Much of what wraps an error repeats it.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = if kube.is_some() { None } else { inner.source() };
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::{Status, response::StatusDetails};

    use super::*;

    fn answered(code: u16, reason: &str, name: &str) -> CallError {
        let details = Some(StatusDetails {
            name: name.to_owned(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: vec![],
            retry_after_seconds: 0,
        });
        let status = Status { code, reason: reason.to_owned(), details, ..Status::default() };
        CallError::Kube(Box::new(kube::Error::Api(Box::new(status))))
    }

    #[test]
    fn absence_is_what_the_server_says_of_that_object() {
        assert!(answered(404, "NotFound", "a").is_absence_of("a"));
    }

    #[test]
    fn a_path_that_is_not_served_is_no_absence() {
        assert!(!answered(404, "NotFound", "").is_absence_of("a"));
        assert!(!answered(403, "Forbidden", "a").is_absence_of("a"));
    }
}
