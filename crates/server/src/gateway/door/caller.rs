//! Who is calling, as the front proxy says.
//!
//! Promises: one username, at most one uid; anything doubled or malformed is
//! nobody. Only the headers that the cluster names are read: no forwarded-for,
//! no method override, no variant spelling.

use std::collections::BTreeMap;

use brevet_core::subject::Caller;
use http::{HeaderMap, HeaderName};

use super::trust::HeaderNames;

/// A group whose members may do everything, to kube-apiserver. Its discovery
/// probes carry it, so here it means nothing.
const MASTERS: &str = "system:masters";

/// A person, pipeline or service account that kube-apiserver has authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Visitor {
    /// For comparing with a holder.
    pub(in crate::gateway) caller: Caller,
    /// In the order received, without `system:masters`.
    pub(in crate::gateway) groups: Vec<String>,
    /// What else the authenticator knows; asked along when rights are asked for.
    pub(in crate::gateway) extra: BTreeMap<String, Vec<String>>,
}

/// What is wrong with the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the front proxy's headers are malformed: {0}")]
pub(super) struct Malformed(&'static str);

impl Visitor {
    /// Reads the headers of a request from a believed peer.
    pub(super) fn read(headers: &HeaderMap, names: &HeaderNames) -> Result<Self, Malformed> {
        let username = one(headers, &names.username, "more than one username")?.ok_or(Malformed("no username"))?;
        if username.is_empty() {
            return Err(Malformed("an empty username"));
        }
        let uid = one(headers, &names.uid, "more than one uid")?;
        let mut groups = Vec::new();
        for name in &names.group {
            for value in headers.get_all(name) {
                let group = text(value.as_bytes())?;
                if group != MASTERS {
                    groups.push(group);
                }
            }
        }
        Ok(Self { caller: Caller { username, uid }, groups, extra: extra(headers, &names.extra_prefix)? })
    }
}

fn one(headers: &HeaderMap, names: &[HeaderName], many: &'static str) -> Result<Option<String>, Malformed> {
    let mut values = names.iter().flat_map(|name| headers.get_all(name));
    let first = values.next().map(|value| text(value.as_bytes())).transpose()?;
    if values.next().is_some() { Err(Malformed(many)) } else { Ok(first) }
}

fn extra(headers: &HeaderMap, prefixes: &[String]) -> Result<BTreeMap<String, Vec<String>>, Malformed> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let Some(key) = prefixes.iter().find_map(|prefix| name.as_str().strip_prefix(prefix.as_str())) else {
            continue;
        };
        let key = percent_encoding::percent_decode_str(key)
            .decode_utf8()
            .map_err(|_| Malformed("an extra key that is not UTF-8"))?;
        extra.entry(key.into_owned()).or_default().push(text(value.as_bytes())?);
    }
    Ok(extra)
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("a value that is not UTF-8"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn names() -> HeaderNames {
        HeaderNames {
            username: vec![HeaderName::from_static("x-remote-user")],
            uid: vec![HeaderName::from_static("x-remote-uid")],
            group: vec![HeaderName::from_static("x-remote-group")],
            extra_prefix: vec!["x-remote-extra-".to_owned()],
        }
    }

    fn read(headers: &[(&'static str, &[u8])]) -> Result<Visitor, Malformed> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        Visitor::read(&map, &names())
    }

    #[test]
    fn a_user_with_groups_and_extra() {
        let visitor = read(&[
            ("x-remote-user", b"alice"),
            ("x-remote-group", b"developers"),
            ("x-remote-group", b"system:authenticated"),
            ("x-remote-extra-authentication.kubernetes.io%2fcredential-id", b"X509SHA256=1"),
        ])
        .unwrap();
        assert_eq!(visitor.caller, Caller { username: "alice".to_owned(), uid: None });
        assert_eq!(visitor.groups, ["developers", "system:authenticated"]);
        let ids = visitor.extra.get("authentication.kubernetes.io/credential-id").unwrap();
        assert_eq!(ids, &["X509SHA256=1"]);
    }

    #[test]
    fn a_service_account_has_a_uid() {
        let visitor = read(&[("x-remote-user", b"system:serviceaccount:a:b"), ("x-remote-uid", b"1-2")]).unwrap();
        assert_eq!(visitor.caller.uid.as_deref(), Some("1-2"));
    }

    #[test]
    fn nobody_is_made_of_doubled_or_malformed_headers() {
        assert!(read(&[]).is_err());
        assert!(read(&[("x-remote-user", b"")]).is_err());
        assert!(read(&[("x-remote-user", b"alice"), ("x-remote-user", b"bob")]).is_err());
        assert!(read(&[("x-remote-user", b"alice"), ("x-remote-uid", b"1"), ("x-remote-uid", b"2")]).is_err());
        assert!(read(&[("x-remote-user", b"al\xffice")]).is_err());
        assert!(read(&[("x-remote-user", b"alice"), ("x-remote-extra-%ff", b"1")]).is_err());
    }

    #[test]
    fn other_spellings_and_system_masters_mean_nothing() {
        let visitor = read(&[
            ("x-remote-user", b"alice"),
            ("x_remote_user", b"root"),
            ("x-forwarded-user", b"root"),
            ("x-remote-group", b"system:masters"),
        ])
        .unwrap();
        assert_eq!(visitor.caller.username, "alice");
        assert!(visitor.groups.is_empty());
    }
}
