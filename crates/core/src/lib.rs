//! What Brevet decides, without touching the world.
//!
//! Promises: everything here is pure and total. No IO, no clock (`now` is an
//! argument), no async, no Kubernetes client; nothing panics, and "could not
//! decide" always means deny. A refusal is a value, not an error.
//!
//! Left out on purpose: the wire (`brevet-api` parses objects into these
//! values) and every act (the server performs what is planned here).
//!
//! In reading order: who ([`subject`]), what ([`rules`], [`call`]), how long
//! ([`length`], [`window`]), one ask ([`request`], [`role`]) and its exact
//! [`terms`], what policies ([`policy`]) and people ([`decision`]) say of it, what stops it all
//! ([`switch`]), what is in force ([`grant`], [`permit`]), what happens next ([`lifecycle`],
//! [`phase`]), and what is recorded of it all ([`audit`]).

pub mod reason;

pub mod subject;

pub mod digest;
pub mod rules;

pub mod call;

pub mod length;
pub mod window;

pub mod role;

pub mod request;
pub mod terms;

pub mod decision;

pub mod policy;

pub mod switch;

pub mod grant;

pub mod permit;

pub mod phase;

pub mod lifecycle;

pub mod audit;
