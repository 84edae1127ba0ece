//! One condition, compiled and inspected, and its evaluation.
//!
//! Promises: compiled on a thread with a large stack, because the parser
//! recurses; evaluated so that a panic is an error; integers are CEL's `int`.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::thread;

use brevet_core::policy::{Place, PolicyRequest};
use brevet_core::request::Urgency;
use brevet_core::rules::Rule;
use cel::objects::{Key, Map};
use cel::{Context, Env, ParseErrors, Program, Value};
use chrono::{DateTime, FixedOffset, TimeDelta};
use jiff::Timestamp;

use crate::{BYTES_MAX, Fault, guard};

/// Bytes of stack for the parser: far above what [`BYTES_MAX`] of brackets need.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Characters of an error at most: it may quote the request.
const ERROR_CHARS_MAX: usize = 256;

/// The functions of the standard library; the guard lets few of them through.
static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// A condition that may be evaluated.
#[derive(Debug)]
pub struct Condition(Program);

impl Condition {
    /// Reads a condition and inspects it.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn compile(text: &str) -> Result<Self, Fault> {
        if text.len() > BYTES_MAX {
            let message = format!("is {} bytes long, more than {BYTES_MAX}; split it into several rules", text.len());
            return Err(Fault { line: 1, column: 1, message });
        }
        let text = text.to_owned();
        // Whatever is too deep must also be dropped where there is room for it.
        let worker = thread::Builder::new().name("cel".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            let program = LIBRARY.compile(&text).map_err(|errors| first(&errors))?;
            guard::inspect(program.expression(), program.source_info())?;
            Ok(Self(program))
        });
        let failed = |why: &str| Fault { line: 1, column: 1, message: format!("could not be read: {why}") };
        let worker = worker.map_err(|error| failed(&error.to_string()))?;
        worker.join().unwrap_or_else(|_| Err(failed("the parser failed")))
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub fn holds(&self, request: &PolicyRequest, now: Timestamp) -> Result<bool, String> {
        let evaluate = || -> Result<bool, String> {
            let mut context = Context::with_env(Arc::clone(&LIBRARY));
            context.add_variable_from_value("request", bound(request, now)?);
            context.add_variable_from_value(
                "role",
                object(vec![("name", text(&request.role)), ("risk", text(&format!("{:?}", request.risk)))]),
            );
            context.add_variable_from_value("now", instant(now)?);
            match self.0.execute(&context) {
                Ok(Value::Bool(holds)) => Ok(holds),
                Ok(_) => Err("it is no truth value".to_owned()),
                Err(error) => Err(error.to_string().chars().take(ERROR_CHARS_MAX).collect()),
            }
        };
        catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|_| Err("its evaluation failed".to_owned()))
    }
}

fn first(errors: &ParseErrors) -> Fault {
    let place = |at: isize| usize::try_from(at).unwrap_or(0).max(1);
    match errors.errors.first() {
        Some(error) => Fault {
            line: place(error.pos.0),
            column: place(error.pos.1),
            message: error.msg.chars().take(ERROR_CHARS_MAX).collect(),
        },
        None => Fault { line: 1, column: 1, message: "could not be read".to_owned() },
    }
}

/// The variable `request`.
pub(crate) fn bound(request: &PolicyRequest, now: Timestamp) -> Result<Value, String> {
    let empty = std::collections::BTreeMap::new();
    let namespaces = match &request.place {
        Place::Namespaces(all) => all,
        Place::Cluster { .. } => &empty,
    };
    let labels = namespaces.iter().filter_map(|(name, labels)| {
        let labels = labels.as_ref()?.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
        Some((name.as_str(), object(labels)))
    });
    let urgency = match request.urgency {
        Urgency::Low => "Low",
        Urgency::Normal => "Normal",
        Urgency::High => "High",
        Urgency::Critical => "Critical",
    };
    Ok(object(vec![
        (
            "requester",
            object(vec![
                ("username", text(&request.requester.username)),
                ("uid", text(&request.requester.uid)),
                ("groups", texts(&request.requester.groups)),
            ]),
        ),
        ("role", text(&request.role)),
        ("risk", text(&format!("{:?}", request.risk))),
        ("namespaces", texts(namespaces.keys())),
        ("labels", object(labels.collect())),
        ("resources", Value::List(Arc::new(request.granted.0.iter().map(resource).collect()))),
        ("duration", Value::Duration(TimeDelta::seconds(i64::from(request.duration.seconds())))),
        ("startAt", instant(request.start(now))?),
        ("urgency", text(urgency)),
        ("ticket", text(&request.ticket)),
        ("justification", text(&request.justification)),
        ("delivery", text(&format!("{:?}", request.delivery))),
    ]))
}

fn resource(rule: &Rule) -> Value {
    object(vec![
        ("apiGroups", texts(&rule.api_groups)),
        ("resources", texts(&rule.resources)),
        ("verbs", texts(&rule.verbs)),
        ("names", texts(&rule.resource_names)),
    ])
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    let map: HashMap<Key, Value> = fields.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn texts<'a>(all: impl IntoIterator<Item = &'a String>) -> Value {
    Value::List(Arc::new(all.into_iter().map(|one| text(one)).collect()))
}

fn instant(at: Timestamp) -> Result<Value, String> {
    let utc = DateTime::from_timestamp(at.as_second(), 0).ok_or("the time is out of range")?;
    Ok(Value::Timestamp(DateTime::<FixedOffset>::from(utc)))
}
