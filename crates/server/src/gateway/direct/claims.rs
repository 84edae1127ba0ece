//! From proven claims to a user, as kube-apiserver does it.
//!
//! Promises: names from an identity provider never begin with `system:`; a list of
//! groups that is not whole is no list of groups; the audience is always compared.
//!
//! Left out on purpose: fetching groups that a token only refers to. Such a token
//! is refused: whoever it is would look like somebody with fewer groups.

use std::{collections::BTreeMap, sync::Arc};

use brevet_core::subject::Caller;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    jwt::{Claims, Token, away},
    keys::{Keys, Known},
};
use crate::gateway::{
    door::{Visitor, porter::Turned},
    limits,
};

/// Everybody who was let in.
pub(super) const AUTHENTICATED: &str = "system:authenticated";
/// Those who may do everything, to kube-apiserver; here it means nothing.
pub(super) const MASTERS: &str = "system:masters";

/// Names that are kube-apiserver's to give.
const RESERVED: &str = "system:";
/// Where elevation identities live: they ask for nothing.
const ELEVATIONS: &str = "brevet-elevations";

/// Somebody, and what that rests on.
pub(super) struct Proven {
    pub(super) visitor: Visitor,
    /// The keys it was proven with.
    pub(super) under: Arc<Known>,
    /// The second at which the token ends.
    pub(super) until: i64,
}

/// What is put before a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix(pub(super) String);

/// An OIDC provider, and how its claims are read.
pub(super) struct Oidc {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) username_claim: String,
    pub(super) username_prefix: Prefix,
    pub(super) uid_claim: Option<String>,
    pub(super) groups_claim: Option<String>,
    pub(super) groups_prefix: Prefix,
    pub(super) required: Vec<(String, String)>,
    pub(super) keys: Arc<Keys>,
}

/// The cluster's ServiceAccounts.
pub(super) struct Accounts {
    pub(super) audience: String,
    pub(super) keys: Arc<Keys>,
}

impl Prefix {
    /// As kube-apiserver's flag has it: `-` is none, and by default the issuer tells its users from others.
    pub(super) fn of_username(flag: Option<&str>, claim: &str, issuer: &str) -> Self {
        Self(match flag {
            Some("-") => String::new(),
            Some(prefix) => prefix.to_owned(),
            None if claim == "email" => String::new(),
            None => format!("{issuer}#"),
        })
    }

    fn before(&self, name: &str) -> Result<String, Turned> {
        let name = format!("{}{name}", self.0);
        if name.starts_with(RESERVED) {
            return Err(Turned::Away(format!("`{RESERVED}…` is no name that an identity provider may give")));
        }
        Ok(name)
    }
}

impl Oidc {
    /// Who `token` is, if it is proven.
    pub(super) async fn prove(&self, token: &Token<'_>, now: Timestamp) -> Result<Proven, Turned> {
        let under = self.keys.prove(token).await?;
        let until = token.claims.check_times(now)?;
        Ok(Proven { visitor: self.read(&token.claims)?, under, until })
    }

    fn read(&self, claims: &Claims) -> Result<Visitor, Turned> {
        claims.check_audience(&self.audience)?;
        for (claim, value) in &self.required {
            if claims.text(claim)? != Some(value) {
                return Err(Turned::Away(format!("the token's claim `{claim}` is not what is required")));
            }
        }
        let username = filled(claims, &self.username_claim)?;
        if self.username_claim == "email" && !matches!(claims.value("email_verified"), None | Some(Value::Bool(true))) {
            return Err(away("the token's address of email is not verified"));
        }
        let username = self.username_prefix.before(username)?;
        if username.len() > limits::USERNAME_BYTES_MAX {
            return Err(away("the token's username is too long"));
        }
        // Without the claim kube-apiserver knows no uid either.
        let uid = self.uid_claim.as_ref().map(|claim| filled(claims, claim)).transpose()?.unwrap_or_default();
        let caller = Caller { username, uid: Some(uid.to_owned()) };
        Ok(Visitor { caller, groups: self.groups(claims)?, extra: BTreeMap::new() })
    }

    fn groups(&self, claims: &Claims) -> Result<Vec<String>, Turned> {
        let mut groups = Vec::new();
        if let Some(claim) = &self.groups_claim {
            let is_elsewhere = claims.value("_claim_names").is_some_and(|names| names.get(claim).is_some());
            if is_elsewhere {
                return Err(away("the token lists its groups elsewhere, because they are too many"));
            }
            let listed = claims.texts(claim)?;
            if listed.len() > limits::GROUPS_MAX {
                return Err(away("the token has too many groups"));
            }
            groups = listed.into_iter().map(|group| self.groups_prefix.before(group)).collect::<Result<_, _>>()?;
        }
        groups.push(AUTHENTICATED.to_owned());
        Ok(groups)
    }
}

impl Accounts {
    /// Who `token` is, if it is proven.
    pub(super) async fn prove(&self, token: &Token<'_>, now: Timestamp) -> Result<Proven, Turned> {
        let under = self.keys.prove(token).await?;
        let until = token.claims.check_times(now)?;
        Ok(Proven { visitor: self.read(&token.claims, until)?, under, until })
    }

    fn read(&self, claims: &Claims, until: i64) -> Result<Visitor, Turned> {
        claims.check_audience(&self.audience)?;
        let issued = claims.second("iat")?.ok_or_else(|| away("the token does not say when it was issued"))?;
        if until.saturating_sub(issued) > limits::ACCOUNT_TOKEN_SECONDS_MAX {
            return Err(away("the ServiceAccount's token lives longer than an hour: ask for a shorter one"));
        }
        let part = |pointer: &str| {
            let text = claims.below("kubernetes.io", pointer).filter(|text| !text.is_empty());
            text.ok_or_else(|| away("the token is not of a ServiceAccount"))
        };
        let (namespace, name, uid) = (part("/namespace")?, part("/serviceaccount/name")?, part("/serviceaccount/uid")?);
        let username = format!("system:serviceaccount:{namespace}:{name}");
        if claims.text("sub")? != Some(&username) {
            return Err(away("the token names two ServiceAccounts"));
        }
        if namespace == ELEVATIONS {
            return Err(away("an elevation identity asks for nothing"));
        }
        let groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            AUTHENTICATED.to_owned(),
        ];
        Ok(Visitor { caller: Caller { username, uid: Some(uid.to_owned()) }, groups, extra: BTreeMap::new() })
    }
}

/// A text that is there and not empty.
fn filled<'a>(claims: &'a Claims, name: &str) -> Result<&'a str, Turned> {
    let text = claims.text(name)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| Turned::Away(format!("the token has no claim `{name}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::direct::issuer::{Issuer, Web};

    fn keys() -> Arc<Keys> {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        Arc::new(Keys::new(Issuer::Web(Box::new(Web::new("https://idp.example", None).unwrap())), &[]))
    }

    fn oidc() -> Oidc {
        Oidc {
            issuer: "https://idp.example".to_owned(),
            audience: "brevet".to_owned(),
            username_claim: "sub".to_owned(),
            username_prefix: Prefix("oidc:".to_owned()),
            uid_claim: None,
            groups_claim: Some("groups".to_owned()),
            groups_prefix: Prefix("idp:".to_owned()),
            required: vec![("hd".to_owned(), "example.com".to_owned())],
            keys: keys(),
        }
    }

    fn read(oidc: &Oidc, more: Value) -> Result<Visitor, String> {
        let mut claims = json!({"aud": "brevet", "sub": "alice", "hd": "example.com"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let claims: Claims = serde_json::from_value(claims).unwrap();
        oidc.read(&claims).map_err(|turned| turned.to_string())
    }

    #[test]
    fn claims_become_user_and_groups_with_prefixes() {
        let alice = read(&oidc(), json!({"groups": ["dev", "ops"]})).unwrap();
        assert_eq!(alice.caller, Caller { username: "oidc:alice".to_owned(), uid: Some(String::new()) });
        assert_eq!(alice.groups, ["idp:dev", "idp:ops", AUTHENTICATED]);
        assert_eq!(read(&oidc(), json!({"groups": "dev"})).unwrap().groups, ["idp:dev", AUTHENTICATED]);
        assert_eq!(read(&oidc(), json!({})).unwrap().groups, [AUTHENTICATED]);
        assert_eq!(Prefix::of_username(None, "sub", "https://x").0, "https://x#");
        assert_eq!(Prefix::of_username(None, "email", "https://x").0, "");
        assert_eq!(Prefix::of_username(Some("-"), "sub", "https://x").0, "");
    }

    #[test]
    fn what_is_missing_doubtful_or_reserved_is_nobody() {
        for more in [
            json!({"sub": ""}),
            json!({"sub": 1}),
            json!({"sub": "a".repeat(2_000)}),
            json!({"aud": "other"}),
            json!({"hd": "evil.example"}),
            json!({"hd": null}),
            json!({"groups": {"dev": true}}),
            json!({"groups": ["dev", 1]}),
            json!({"groups": vec!["g"; 10_000]}),
            json!({"_claim_names": {"groups": "src1"}}),
        ] {
            assert!(read(&oidc(), more.clone()).is_err(), "{more}");
        }
        let bare = Oidc { username_prefix: Prefix(String::new()), groups_prefix: Prefix(String::new()), ..oidc() };
        assert!(read(&bare, json!({"sub": "system:admin"})).is_err());
        assert!(read(&bare, json!({"groups": [MASTERS]})).is_err());
    }

    #[test]
    fn an_address_counts_once_verified_and_a_uid_where_it_is_asked_for() {
        let email = Oidc { username_claim: "email".to_owned(), ..oidc() };
        let with = |verified: Value| read(&email, json!({"email": "a@example.com", "email_verified": verified}));
        assert!(with(json!(true)).is_ok());
        for verified in [json!(false), json!("true"), json!(1), json!(null)] {
            assert!(with(verified.clone()).is_err(), "{verified}");
        }
        assert!(read(&email, json!({"email": "a@example.com"})).is_ok());
        let known = Oidc { uid_claim: Some("oid".to_owned()), ..oidc() };
        assert_eq!(read(&known, json!({"oid": "u-1"})).unwrap().caller.uid.as_deref(), Some("u-1"));
        assert!(read(&known, json!({})).is_err());
    }

    fn account(more: Value) -> Result<Visitor, String> {
        let mut claims = json!({
            "aud": ["brevet"], "iat": 1_000, "sub": "system:serviceaccount:ci:deployer",
            "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "deployer", "uid": "u-1"}},
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let claims: Claims = serde_json::from_value(claims).unwrap();
        Accounts { audience: "brevet".to_owned(), keys: keys() }
            .read(&claims, 4_600)
            .map_err(|turned| turned.to_string())
    }

    #[test]
    fn a_service_account_is_known_by_name_and_uid() {
        let found = account(json!({})).unwrap();
        let username = "system:serviceaccount:ci:deployer".to_owned();
        assert_eq!(found.caller, Caller { username, uid: Some("u-1".to_owned()) });
        assert_eq!(found.groups, ["system:serviceaccounts", "system:serviceaccounts:ci", AUTHENTICATED]);
    }

    #[test]
    fn a_token_that_lives_long_or_names_two_is_nobodys() {
        let elevation = json!({
            "sub": "system:serviceaccount:brevet-elevations:e-1",
            "kubernetes.io": {"namespace": "brevet-elevations", "serviceaccount": {"name": "e-1", "uid": "u"}},
        });
        for more in [
            json!({"iat": 900}),
            json!({"iat": null}),
            json!({"sub": "system:serviceaccount:ci:other"}),
            json!({"sub": "alice"}),
            json!({"kubernetes.io": {}}),
            json!({"aud": ["https://kubernetes.default.svc"]}),
            elevation,
        ] {
            assert!(account(more.clone()).is_err(), "{more}");
        }
    }
}
