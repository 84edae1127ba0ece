//! Removes decisions that count for nothing (I16).
//!
//! Promises: before any goes, the API server has said that request and grant
//! are as they were when that was found, or that neither exists. It asks by the
//! names that the decisions give: one that gives a false name counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use brevet_api::{AccessGrant, AccessRequest};
use brevet_core::{decision::Decision, lifecycle::Step};
use futures::future::try_join_all;
use jiff::Timestamp;
use kube::{Api, ResourceExt};

use super::{ActError, Actor, Doing as _};
use crate::{call, controller::gather::Case};

/// Calls under way at once: as many as a connection carries beside everything else.
const CALLS_AT_ONCE: usize = 16;

/// The resourceVersions of request and grant, as far as there are any.
type Versions = (Option<String>, Option<String>);

impl Actor {
    /// Removes decisions about the request `key`, if `case` is what is stored.
    pub(in crate::controller) async fn remove_surplus(
        &self,
        key: &str,
        case: &Case,
        surplus: &[Decision],
        now: Timestamp,
    ) -> Result<(), ActError> {
        let known: Versions = (
            case.request.as_ref().and_then(|object| object.resource_version()),
            case.grant.as_ref().and_then(|object| object.resource_version()),
        );
        if self.stored(key, case, surplus).await? != known {
            return Err(ActError::Outdated("the request or its grant"));
        }
        for some in surplus.chunks(CALLS_AT_ONCE) {
            let each = some
                .iter()
                .map(async |decision| self.perform(case, &Step::DeleteDecision(Box::new(decision.clone())), now).await);
            try_join_all(each).await?;
            let mut tables = self.index.write();
            some.iter().for_each(|decision| drop(tables.drop_decision(key, &decision.uid)));
        }
        let is_stray = known == (None, None);
        self.metrics.surplus(is_stray, surplus.len());
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        surplus.iter().for_each(|decision| *by.entry(&decision.approver.username).or_default() += 1);
        for (author, count) in by {
            tracing::info!(
                request.uid = key,
                author,
                count,
                stray = is_stray,
                "decisions that count for nothing are removed"
            );
        }
        Ok(())
    }

    /// The request with that uid and its grant, as etcd has them now.
    async fn stored(&self, key: &str, case: &Case, surplus: &[Decision]) -> Result<Versions, ActError> {
        let known = case.request.as_ref().map(|object| object.name_any());
        let known = known.or_else(|| case.grant.as_ref().map(|object| object.name_any()));
        let named: BTreeSet<String> = match known {
            Some(name) => BTreeSet::from([name]),
            None => surplus.iter().map(|decision| decision.request_name.clone()).collect(),
        };
        let names: Vec<String> = named.into_iter().collect();
        let requests = Api::<AccessRequest>::all(self.writer.client());
        let grants = Api::<AccessGrant>::all(self.writer.client());
        let mut found = Vec::new();
        for some in names.chunks(CALLS_AT_ONCE) {
            let each =
                some.iter().map(async |name| tokio::try_join!(call::read(&requests, name), call::read(&grants, name)));
            found.extend(try_join_all(each).await.doing("read what decisions are about")?);
        }
        let (mut request, mut grant) = (None, None);
        let mut tables = self.index.write();
        for (found_request, found_grant) in found {
            if let Some(found) = found_request.filter(|found| found.uid().as_deref() == Some(key)) {
                tables.put_request(&found);
                request = found.resource_version();
            }
            if let Some(found) = found_grant.filter(|found| found.spec.request.uid == key) {
                tables.put_grant(&found);
                grant = found.resource_version();
            }
        }
        Ok((request, grant))
    }
}
