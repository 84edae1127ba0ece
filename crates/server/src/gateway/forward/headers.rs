//! The headers of a forwarded call, built and not copied.
//!
//! Promises: only names of the two lists below pass, whatever `Connection`
//! says; ours are added last and cannot be doubled; an attempt to act as
//! somebody else is refused, not dropped, so that it is seen.

use brevet_core::reason::{Reason, Refusal};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE,
        ETAG, EXPIRES, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER, UPGRADE,
        USER_AGENT, VARY, WARNING,
    },
};
use secrecy::{ExposeSecret as _, SecretString};

/// What a client may say to kube-apiserver.
const REQUEST: [HeaderName; 7] =
    [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, CONTENT_ENCODING, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE];

/// What kube-apiserver may say to a client. Not its Audit-Id: that of the outer call stands there.
const RESPONSE: [HeaderName; 12] = [
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    RETRY_AFTER,
    VARY,
    WARNING,
    HeaderName::from_static("x-content-type-options"),
];

/// The id of a call in kube-apiserver's audit log.
pub(super) const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Refuses what may not even be tried.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        let message = "impersonation headers are not passed on; ask for a role that allows what you need";
        return Err(Refusal::new(Reason::Impersonation, "", message));
    }
    Ok(())
}

/// Whether the client wants to speak another protocol after the answer.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}

/// The headers of the inner call.
pub(super) fn request(
    from: &HeaderMap,
    authority: &str,
    token: &SecretString,
    audit_id: &str,
    grant: &str,
) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
    let mut headers = allowed(from, &REQUEST);
    let agent = format!("brevet/{} (grant {grant})", env!("CARGO_PKG_VERSION"));
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
    bearer.set_sensitive(true);
    headers.insert(HOST, HeaderValue::from_str(authority)?);
    headers.insert(USER_AGENT, HeaderValue::from_str(&agent)?);
    headers.insert(AUDIT_ID, HeaderValue::from_str(audit_id)?);
    headers.insert(AUTHORIZATION, bearer);
    Ok(headers)
}

/// The headers of the answer.
pub(super) fn response(from: &HeaderMap) -> HeaderMap {
    allowed(from, &RESPONSE)
}

fn allowed(from: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(names.len());
    for name in names {
        for value in from.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_listed_headers_pass_and_ours_cannot_be_displaced() {
        let from = map(&[
            ("accept", "application/json"),
            ("authorization", "Bearer stolen"),
            ("connection", "authorization, audit-id"),
            ("audit-id", "chosen"),
            ("x-remote-user", "root"),
            ("x-forwarded-for", "1.2.3.4"),
            ("cookie", "a=b"),
            ("x-http-method-override", "DELETE"),
        ]);
        let headers = request(&from, "api:443", &"own".into(), "minted", "g").unwrap();
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "audit-id", "authorization", "host", "user-agent"]);
        assert_eq!(headers["authorization"], "Bearer own");
        assert_eq!(headers["audit-id"], "minted");
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn impersonation_in_any_spelling_of_the_name_is_refused() {
        for name in ["impersonate-user", "Impersonate-Group", "IMPERSONATE-EXTRA-scopes", "impersonate-uid"] {
            let headers = map(&[]);
            let mut headers = headers;
            headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static("x"));
            assert_eq!(check(&headers).unwrap_err().reason, Reason::Impersonation);
        }
        assert!(check(&map(&[("x-impersonate", "1")])).is_ok());
    }

    #[test]
    fn every_warning_reaches_the_client_and_no_inner_id_does() {
        let from = map(&[
            ("warning", "299 - \"one\""),
            ("warning", "299 - \"two\""),
            ("audit-id", "inner"),
            ("set-cookie", "a=b"),
            ("location", "https://elsewhere"),
            ("www-authenticate", "Bearer"),
        ]);
        let headers = response(&from);
        assert_eq!(headers.get_all("warning").iter().count(), 2);
        assert_eq!(headers.len(), 2);
    }
}
