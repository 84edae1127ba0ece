//! What kube-apiserver recorded of its requests.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// One event of the API server's audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The request's id; the client may choose it.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted` (long-running requests), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// Verb as RBAC knows it.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who it was: `username`, `uid`, `groups`, `extra`.
    pub user: Value,
    /// As whom it was done, where impersonated.
    pub impersonated_user: Option<Value>,
    /// The object: `resource`, `namespace`, `name`, `subresource`, `apiGroup`.
    #[serde(default)]
    pub object_ref: Value,
    /// How it ended; `code` is the HTTP status.
    #[serde(default)]
    pub response_status: Value,
    /// What authorizers and admission noted.
    #[serde(default)]
    pub annotations: Value,
}

impl AuditEvent {
    /// The user's name, or nothing.
    #[must_use]
    pub fn username(&self) -> &str {
        self.user.get("username").and_then(Value::as_str).unwrap_or_default()
    }

    /// The answer's HTTP status, or 0.
    #[must_use]
    pub fn code(&self) -> u64 {
        self.response_status.get("code").and_then(Value::as_u64).unwrap_or_default()
    }
}

/// All events of a log so far; a last line that is still being written does not count.
pub(crate) fn read(log: &Path) -> Result<Vec<AuditEvent>> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read `{}`", log.display()))?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).context("not an audit event")).collect()
}
