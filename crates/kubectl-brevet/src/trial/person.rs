//! Somebody in a case: a user or a service account, with groups.
//!
//! Promises: the groups that an API server adds of its own are added here too, so a rule about
//! `system:authenticated` matches as it would.

use std::collections::BTreeMap;

use brevet_api::SubjectBlock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::Fault;

/// A person that was named under `given.people`, or one written out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Who {
    /// By the name under `given.people`.
    Named(String),
    /// Written out.
    Written(Person),
}

/// A user or a service account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Person {
    /// The username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// Instead of a username: `NAMESPACE/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_account: Option<String>,
    /// Where the authenticator gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<String>,
    /// Beside those that Kubernetes adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
}

/// Everybody that a case may name.
pub(crate) type People = BTreeMap<String, Person>;

/// Who that is, as a request or a decision carries it.
pub(super) fn subject(path: &str, who: &Who, people: &People) -> Result<SubjectBlock, Fault> {
    let fault = |message: String| Fault { path: path.to_owned(), message };
    let (name, person) = match who {
        Who::Named(name) => (Some(name), people.get(name)),
        Who::Written(person) => (None, Some(person)),
    };
    let Some(person) = person else {
        let name = name.cloned().unwrap_or_default();
        return Err(fault(format!("nobody is called `{name}` under given.people; name them there, with their groups")));
    };
    let mut groups = person.groups.clone();
    let username = match (&person.user, &person.service_account, name) {
        (Some(_), Some(_), _) => return Err(fault("is a user or a serviceAccount, not both".to_owned())),
        (Some(user), None, _) => user.clone(),
        (None, Some(account), _) => {
            let Some((namespace, account)) = account.split_once('/') else {
                return Err(fault(format!("`{account}` is no service account; write it like `ci/deployer`")));
            };
            groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
            format!("system:serviceaccount:{namespace}:{account}")
        }
        (None, None, Some(name)) => name.clone(),
        (None, None, None) => return Err(fault("needs a user or a serviceAccount".to_owned())),
    };
    groups.push("system:authenticated".to_owned());
    Ok(SubjectBlock { username, uid: person.uid.clone().unwrap_or_default(), groups })
}
