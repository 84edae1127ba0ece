//! What an approver attests: the digest of exactly what is shown.
//!
//! Promises: the digest is computed by core, from the same values that are printed; if the request
//! carries another one, or anything that cannot be read, nothing is attested. A server that shows one
//! thing and asks to sign another gets no signature.
//!
//! Left out on purpose: reason, ticket and urgency, which are shown but are not terms; the request
//! that holds them cannot change.

use std::borrow::Cow;

use brevet_api::border;
use brevet_api::sessions::Request;
use brevet_api::{AccessRole, Delivery, Rule, TermsBlock};
use brevet_core::rules::{Rule as CoreRule, Rules};
use brevet_core::terms::{Narrow, Terms};
use jiff::Timestamp;
use owo_colors::OwoColorize as _;

use crate::plain::plain;
use crate::problem::Problem;
use crate::sheet::{dropped_lines, line, rules_table};
use crate::spans;

/// Terms that were read, and the digest computed from them.
#[derive(Debug)]
pub(crate) struct Attested<'a> {
    request: &'a Request,
    block: Cow<'a, TermsBlock>,
    terms: Terms,
    /// What is cut from what was asked for, a phrase each.
    cuts: Vec<String>,
    /// What the decision attests.
    pub(crate) digest: String,
}

/// Reads the terms of a request and computes their digest again.
pub(crate) fn attest(request: &Request) -> Result<Attested<'_>, Problem> {
    let name = request.metadata.name.as_deref().unwrap_or_default();
    let block = request.status.as_ref().and_then(|status| status.terms.as_ref()).ok_or_else(|| {
        Problem::failed(format!("`{name}` has no terms yet"))
            .why("the controller has not evaluated it")
            .next(format!("look again: kubectl brevet get {name}"))
    })?;
    let spec = &request.spec;
    let (terms, claimed) = border::terms("status.terms", block, &spec.requester, &spec.role).map_err(|refusal| {
        Problem::from_refusal(format!("the terms of `{name}` cannot be read; nothing was decided"), &refusal)
    })?;
    let computed = terms.digest();
    let digest = computed.to_string();
    if computed != claimed {
        return Err(Problem::refused(format!(
            "the terms of `{name}` are not what their digest says; nothing was decided"
        ))
        .why(format!(
            "what is shown has the digest `{digest}`, the request carries `{}` (DigestMismatch)",
            block.digest
        ))
        .next("update the plugin if the server is newer; otherwise tell whoever runs Brevet"));
    }
    let cut = request.status.iter().flat_map(|status| &status.conditions).find(|c| c.type_ == "Narrowed");
    let cuts = cut.map(|condition| condition.message.clone()).into_iter().collect();
    Ok(Attested { request, block: Cow::Borrowed(block), terms, cuts, digest })
}

/// Rules as core knows them.
pub(crate) fn rules(rules: &[Rule]) -> Rules {
    rules.iter().map(CoreRule::from).collect()
}

impl Attested<'_> {
    /// What is left of it, with the digest of that.
    pub(crate) fn narrowed(mut self, by: &Narrow) -> Result<Self, Problem> {
        let name = self.request.metadata.name.clone().unwrap_or_default();
        let asked_at = self.request.metadata.creation_timestamp.as_ref().map_or(Timestamp::MIN, |at| at.0);
        let less = self.terms.narrowed(by, asked_at).map_err(|refusal| {
            Problem::from_refusal(format!("`{name}` cannot be narrowed to that; nothing was decided"), &refusal)
        })?;
        let cuts = less.differences(&self.terms);
        if cuts.is_empty() {
            return Err(Problem::refused(format!("nothing of `{name}` is narrowed by that"))
                .why("the terms are no more than what is to be left")
                .next(format!("approve them as they are: kubectl brevet approve {name}")));
        }
        self.cuts.push(format!("by you: {}", cuts.join("; ")));
        self.digest = less.digest().to_string();
        self.block = Cow::Owned(TermsBlock::from(&less));
        self.terms = less;
        Ok(self)
    }

    /// Everything an approver should know, one fact a line; what the role says of itself where it may
    /// be read.
    pub(crate) fn sheet(&self, role: Option<&AccessRole>, now: Timestamp) -> String {
        let spec = &self.request.spec;
        let mut lines = vec![
            line("Request", &plain(self.request.metadata.name.as_deref().unwrap_or_default()).bold().to_string()),
            line("Requester", &requester(&self.terms)),
            line("Role", &described(&self.terms.role, role)),
            line("Where", &where_(&self.terms)),
            line("For", &for_how_long(&self.terms, now)),
            line("Delivery", delivery(self.block.delivery)),
            line("Reason", &plain(&spec.justification)),
        ];
        if let Some(ticket) = &spec.ticket {
            lines.push(line("Ticket", &plain(ticket)));
        }
        if let Some(urgency) = spec.urgency {
            lines.push(line("Urgency", urgency.as_str()));
        }
        lines.extend(self.cuts.iter().map(|cut| line("Narrowed", &plain(cut))));
        lines.push(String::new());
        lines.push(rules_table("It gives", &self.block));
        lines.extend(self.request.status.iter().flat_map(|status| dropped_lines(&status.dropped)));
        lines.push(String::new());
        lines.push(line("Digest", &self.digest));
        lines.join("\n")
    }

    /// The claims of a decision: what was read, nothing else.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }
}

fn requester(terms: &Terms) -> String {
    if terms.requester_uid.is_empty() {
        return plain(&terms.requester);
    }
    plain(&format!("{} (uid {})", terms.requester, terms.requester_uid))
}

fn described(name: &str, role: Option<&AccessRole>) -> String {
    match role {
        Some(role) => plain(&format!("{name} (risk {}): {}", role.spec.risk, role.spec.description)),
        None => plain(name),
    }
}

fn where_(terms: &Terms) -> String {
    if terms.namespaces.is_empty() {
        return "the whole cluster".to_owned();
    }
    plain(&terms.namespaces.join(", "))
}

fn for_how_long(terms: &Terms, now: Timestamp) -> String {
    match terms.start_at {
        None => format!("{}, from approval", terms.duration),
        Some(start) => format!("{}, from {}", terms.duration, spans::utc_and_distance(start, now)),
    }
}

fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Gateway => "Gateway (through the gateway, with the requester's own credential)",
        Delivery::Token => "Token (a token of its own)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request() -> Request {
        let mut request: Request = serde_json::from_value(json!({
            "apiVersion": "sessions.brevet.dev/v1alpha1", "kind": "Request",
            "metadata": {"name": "view-logs-x7k2p", "uid": "u-1"},
            "spec": {"requester": {"username": "alice", "groups": ["developers"]}, "role": "view-logs", "namespaces": ["shop"],
                     "resources": [{"apiGroup": "", "resource": "pods", "names": ["web-1"]}], "duration": "30m",
                     "justification": "checkout \u{1b}[2Jerrors\nRole        harmless\u{202e}", "ticket": "INC-1", "urgency": "High"},
            "status": {"phase": "Pending", "terms": {
                "digest": format!("sha256:{}", "0".repeat(64)),
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["web-1"]},
                          {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"], "resourceNames": ["web-1"]}],
                "namespaces": ["shop"], "duration": "30m", "delivery": "Gateway"},
                "dropped": [{"resource": "pods", "verbs": ["deletecollection"], "why": "names cannot restrict it"}]},
        }))
        .unwrap();
        let digest = computed(&request);
        request.status.as_mut().unwrap().terms.as_mut().unwrap().digest = digest;
        request
    }

    fn computed(request: &Request) -> String {
        let block = request.status.as_ref().unwrap().terms.as_ref().unwrap();
        let read = border::terms("", block, &request.spec.requester, &request.spec.role).unwrap();
        read.0.digest().to_string()
    }

    #[test]
    fn terms_that_are_what_they_say_are_attested() {
        let request = request();
        assert_eq!(attest(&request).unwrap().digest, request.status.as_ref().unwrap().terms.as_ref().unwrap().digest);
    }

    #[test]
    fn terms_that_are_not_what_their_digest_says_are_refused() {
        let changes: [fn(&mut Request); 8] = [
            |r| r.spec.requester.username = "mallory".into(),
            |r| r.spec.requester.uid = "other".into(),
            |r| r.spec.role = "view-secrets".into(),
            |r| terms(r).rules[0].resources.push("secrets".into()),
            |r| terms(r).rules[0].resource_names.clear(),
            |r| terms(r).namespaces.push("web".into()),
            |r| terms(r).duration = "31m".into(),
            |r| {
                terms(r).companions.push(Rule {
                    api_groups: vec!["".into()],
                    resources: vec!["pods".into()],
                    verbs: vec!["list".into()],
                    resource_names: vec![],
                })
            },
        ];
        for change in changes {
            let mut request = request();
            change(&mut request);
            let problem = attest(&request).unwrap_err();
            assert!(problem.to_string().contains("DigestMismatch"), "{problem}");
            assert_eq!(problem.outcome.code(), 1);
        }
    }

    fn terms(request: &mut Request) -> &mut TermsBlock {
        request.status.as_mut().unwrap().terms.as_mut().unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_not_attested() {
        let mut unreadable = request();
        terms(&mut unreadable).duration = "soon".into();
        assert!(attest(&unreadable).unwrap_err().to_string().contains("cannot be read"));
        let mut unevaluated = request();
        unevaluated.status = None;
        assert_eq!(attest(&unevaluated).unwrap_err().outcome.code(), 2);
    }

    #[test]
    fn an_approver_sees_everything_and_is_not_deceived() {
        let request = request();
        let attested = attest(&request).unwrap();
        let sheet =
            anstream::adapter::strip_str(&attested.sheet(None, "2026-11-24T09:00:00Z".parse().unwrap())).to_string();
        insta::assert_snapshot!(sheet, @r"
        Request     view-logs-x7k2p
        Requester   alice
        Role        view-logs
        Where       shop
        For         30m, from approval
        Delivery    Gateway (through the gateway, with the requester's own credential)
        Reason      checkout \u{1b}[2Jerrors\nRole        harmless\u{202e}
        Ticket      INC-1
        Urgency     High

        It gives:
          VERBS   RESOURCES   NAMES
          get     pods        web-1
          get     pods/log    web-1
        left out: deletecollection on pods: names cannot restrict it

        Digest      sha256:908611775c76950279b575414a9ad997a15d454c74959979722b6ecc6687b2c9
        ");
    }
}
