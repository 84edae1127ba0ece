//! Policies tried without a cluster: what they would say of requests that are written down.
//!
//! Promises: what decides here is what decides in the controller: `request::check` and
//! `policy::evaluate` of core, with the conditions of `brevet-cel`. No file, no cluster and no clock
//! is read but the files that were named.
//!
//! Left out on purpose: who holds the verb `approve`, which RBAC says, and the passing of time: a
//! case is one moment, and approvals that time out are not played.
//!
//! In reading order: what stands in files ([`document`], [`shape`], [`material`]), the world they
//! make ([`setting`]), a case ([`case`], [`person`]), its answer ([`answer`]), what was expected of it
//! ([`compare`]), and telling it ([`report`], [`junit`]).

mod document;
pub(crate) mod shape;

mod kinds;
pub(crate) mod material;
mod shipped;
mod types;

pub(crate) mod setting;

mod case;
mod person;

pub(crate) mod answer;
mod compare;

pub(crate) mod junit;
pub(crate) mod report;

#[cfg(test)]
mod hostile;
