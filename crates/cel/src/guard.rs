//! What a condition may be: short, shallow, cheap, and of sense.
//!
//! Promises: a tree that passes has at most [`NODES_MAX`] nodes, is at most
//! [`DEPTH_MAX`] deep, nests at most [`LOOPS_MAX`] loops, costs at most
//! [`COST_MAX`] steps with the largest request there can be, calls only the
//! functions of the vocabulary, and is of type truth value as far as types can
//! be told beforehand.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo};

use crate::Fault;
use crate::vocabulary::{Object, Type, fields, function, variable};

/// Levels of nesting at most.
pub(crate) const DEPTH_MAX: usize = 64;
/// Nodes at most, those of expanded macros included.
pub(crate) const NODES_MAX: usize = 1000;
/// Loops within one another at most.
pub(crate) const LOOPS_MAX: usize = 2;
/// Steps of the largest evaluation at most.
pub(crate) const COST_MAX: u64 = 1_000_000;
/// Bytes of a pattern for `matches` at most.
const PATTERN_BYTES_MAX: usize = 256;
/// Items of a list whose length cannot be told.
const ITEMS_UNKNOWN: u64 = 512;

/// Walks the tree.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn inspect(root: &IdedExpr, source: &SourceInfo) -> Result<(), Fault> {
    let mut walk = Walk { source, scope: Vec::new(), nodes: 0, depth: 0, loops: 0, times: 1, cost: 0, near: 0 };
    let found = walk.node(root)?;
    if found.may_be(&Type::Bool) {
        return Ok(());
    }
    walk.near = root.id;
    Err(walk.fault(format!("is {found}, but a condition is a truth value")))
}

struct Walk<'s> {
    source: &'s SourceInfo,
    /// Variables of the loops around, innermost last.
    scope: Vec<(String, Type)>,
    nodes: usize,
    depth: usize,
    loops: usize,
    /// How often this place is evaluated at most.
    times: u64,
    cost: u64,
    /// The last node that stands in the text (those of macros do not).
    near: u64,
}

impl Walk<'_> {
    fn fault(&self, message: String) -> Fault {
        let start = self.source.offset_for(self.near).map_or(0, |(start, _)| start as usize);
        let before: Vec<char> = self.source.source.chars().take(start).collect();
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
        Fault { line, column, message }
    }

    fn node(&mut self, node: &IdedExpr) -> Result<Type, Fault> {
        let outer = self.near;
        if self.source.offset_for(node.id).is_some() {
            self.near = node.id;
        }
        self.nodes += 1;
        self.depth += 1;
        self.cost = self.cost.saturating_add(self.times);
        if self.nodes > NODES_MAX {
            return Err(self.fault(format!("has more than {NODES_MAX} parts; split it into several rules")));
        }
        if self.depth > DEPTH_MAX {
            return Err(self.fault(format!("is nested more than {DEPTH_MAX} deep; split it into several rules")));
        }
        if self.cost > COST_MAX {
            return Err(self.fault(format!("may take more than {COST_MAX} steps; loop over less")));
        }
        let found = match &node.expr {
            Expr::Unspecified => Err(self.fault("is not an expression".to_owned())),
            Expr::Struct(_) => Err(self.fault("makes an object, which conditions do not".to_owned())),
            Expr::Literal(value) => Ok(literal(value)),
            Expr::Ident(name) => self.named(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let mut item: Option<Type> = None;
                for element in &list.elements {
                    let one = self.node(element)?;
                    item = Some(item.map_or(one.clone(), |so_far| so_far.or(one)));
                }
                Ok(Type::List(Box::new(item.unwrap_or(Type::Any)), list.elements.len() as u64))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(self.fault("makes an object, which conditions do not".to_owned()));
                    };
                    self.node(&entry.key)?;
                    self.node(&entry.value)?;
                }
                Ok(Type::Map(Box::new(Type::Any), map.entries.len() as u64))
            }
            Expr::Comprehension(comprehension) => self.repeat(comprehension),
        }?;
        self.depth -= 1;
        self.near = outer;
        Ok(found)
    }

    fn named(&self, name: &str) -> Result<Type, Fault> {
        let local = self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, found)| found.clone());
        local
            .or_else(|| variable(name))
            .ok_or_else(|| self.fault(format!("there is no `{name}`; conditions speak of `request`, `role` and `now`")))
    }

    fn select(&mut self, select: &SelectExpr) -> Result<Type, Fault> {
        let field = select.field.as_str();
        let found = match self.node(&select.operand)? {
            Type::Object(object) => self.field(object, field)?,
            Type::Map(value, _) => *value,
            Type::Any => Type::Any,
            other => return Err(self.fault(format!("{other} has no field `{field}`"))),
        };
        Ok(if select.test { Type::Bool } else { found })
    }

    fn field(&self, object: Object, field: &str) -> Result<Type, Fault> {
        let all = fields(object);
        if let Some((_, found)) = all.iter().find(|(name, _)| *name == field) {
            return Ok(found.clone());
        }
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        Err(self.fault(format!("there is no field `{field}`; there are {}", names.join(", "))))
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type, Fault> {
        let target = call.target.as_ref().map(|target| self.node(target)).transpose()?;
        let arguments: Vec<Type> = call.args.iter().map(|argument| self.node(argument)).collect::<Result<_, _>>()?;
        if target.is_none()
            && let Some(found) = self.operator(&call.func_name, &arguments)?
        {
            return Ok(found);
        }
        let name = call.func_name.as_str();
        let Some(signature) = function(name, target.is_some(), arguments.len()) else {
            return Err(self.fault(format!("conditions do not call `{name}` like this")));
        };
        let takes = |wanted: &[Type], given: &Type| wanted.iter().any(|one| given.may_be(one));
        let fits_target = signature.on.is_none_or(|on| target.as_ref().is_some_and(|target| takes(&on, target)));
        let fits = signature.takes.iter().zip(&arguments).all(|(wanted, given)| takes(wanted, given));
        if !fits_target || !fits {
            let given: Vec<String> = target.iter().chain(&arguments).map(ToString::to_string).collect();
            return Err(self.fault(format!("`{name}` does not take {}", given.join(" and "))));
        }
        if name == "matches" {
            self.check_pattern(call)?;
        }
        Ok(signature.gives)
    }

    fn check_pattern(&self, call: &CallExpr) -> Result<(), Fault> {
        match call.args.first().map(|argument| &argument.expr) {
            Some(Expr::Literal(LiteralValue::String(text))) if text.inner().len() <= PATTERN_BYTES_MAX => Ok(()),
            _ => Err(self.fault(format!("a pattern is a text written out, of {PATTERN_BYTES_MAX} bytes at most"))),
        }
    }

    /// The type an operator gives; `None` where it is none.
    fn operator(&self, name: &str, arguments: &[Type]) -> Result<Option<Type>, Fault> {
        let refuse = || {
            let given: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            let sign = name.replace(['_', '@'], "");
            Err(self.fault(format!("`{sign}` does not take {}", given.join(" and "))))
        };
        let is = |wanted: Type| arguments.iter().all(|given| given.may_be(&wanted));
        Ok(Some(match (name, arguments) {
            ("!_" | "_&&_" | "_||_" | "@not_strictly_false", _) => {
                if is(Type::Bool) {
                    Type::Bool
                } else {
                    return refuse();
                }
            }
            ("_?_:_", [condition, one, other]) => {
                if condition.may_be(&Type::Bool) {
                    one.clone().or(other.clone())
                } else {
                    return refuse();
                }
            }
            ("_==_" | "_!=_", [one, other]) => {
                let is_null = [one, other].contains(&&Type::Null);
                if is_null || one.may_be(other) { Type::Bool } else { return refuse() }
            }
            ("_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => {
                let ordered = [Type::Int, Type::Double, Type::Text, Type::Timestamp, Type::Duration];
                let is_ordered = ordered.iter().any(|kind| one.may_be(kind) && other.may_be(kind));
                if is_ordered { Type::Bool } else { return refuse() }
            }
            ("@in", [one, Type::List(item, _)]) if one.may_be(item) => Type::Bool,
            ("@in", [one, Type::Map(..)]) if one.may_be(&Type::Text) => Type::Bool,
            ("@in", [_, Type::Any]) => Type::Bool,
            ("@in", _) => return refuse(),
            ("_[_]", [Type::List(item, _), at]) if at.may_be(&Type::Int) => (**item).clone(),
            ("_[_]", [Type::Map(value, _), _]) => (**value).clone(),
            ("_[_]", [Type::Any, _]) => Type::Any,
            ("_[_]", _) => return refuse(),
            ("-_", [one]) => {
                if one.may_be(&Type::Int) || one.may_be(&Type::Double) {
                    one.clone()
                } else {
                    return refuse();
                }
            }
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [one, other]) => match arithmetic(name, one, other) {
                Some(found) => found,
                None => return refuse(),
            },
            _ => return Ok(None),
        }))
    }

    fn repeat(&mut self, loops: &ComprehensionExpr) -> Result<Type, Fault> {
        let range = self.node(&loops.iter_range)?;
        let (item, count) = match range {
            Type::List(item, count) => (*item, count),
            Type::Map(_, count) => (Type::Text, count),
            Type::Any => (Type::Any, ITEMS_UNKNOWN),
            other => return Err(self.fault(format!("{other} cannot be looped over"))),
        };
        if self.loops >= LOOPS_MAX {
            return Err(self.fault(format!("has more than {LOOPS_MAX} loops within one another")));
        }
        let start = self.node(&loops.accu_init)?;
        let outer_times = self.times;
        self.times = self.times.saturating_mul(count.max(1));
        self.loops += 1;
        self.scope.push((loops.iter_var.clone(), item));
        if let Some(second) = &loops.iter_var2 {
            self.scope.push((second.clone(), Type::Any));
        }
        // A list that grows is a list of anything, as long as what is looped over.
        let sum = match start {
            Type::List(..) => Type::List(Box::new(Type::Any), count),
            other => other,
        };
        self.scope.push((loops.accu_var.clone(), sum));
        self.node(&loops.loop_cond)?;
        self.node(&loops.loop_step)?;
        (self.times, self.loops) = (outer_times, self.loops - 1);
        let found = self.node(&loops.result)?;
        let locals = if loops.iter_var2.is_some() { 3 } else { 2 };
        self.scope.truncate(self.scope.len().saturating_sub(locals));
        Ok(found)
    }
}

fn literal(value: &LiteralValue) -> Type {
    match value {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        // No field is unsigned, so a literal of it is comparable with nothing.
        LiteralValue::UInt(_) => Type::Any,
    }
}

fn arithmetic(name: &str, one: &Type, other: &Type) -> Option<Type> {
    let both = |kind: &Type| one.may_be(kind) && other.may_be(kind);
    if *one == Type::Any || *other == Type::Any {
        return Some(Type::Any);
    }
    for kind in [Type::Int, Type::Double] {
        if both(&kind) {
            return Some(kind);
        }
    }
    match (name, one, other) {
        ("_+_", Type::Text, Type::Text) => Some(Type::Text),
        ("_+_", Type::List(a, m), Type::List(b, n)) => {
            Some(Type::List(Box::new((**a).clone().or((**b).clone())), m.saturating_add(*n)))
        }
        ("_+_" | "_-_", Type::Timestamp, Type::Duration) | ("_+_", Type::Duration, Type::Timestamp) => {
            Some(Type::Timestamp)
        }
        ("_+_" | "_-_", Type::Duration, Type::Duration) => Some(Type::Duration),
        ("_-_", Type::Timestamp, Type::Timestamp) => Some(Type::Duration),
        _ => None,
    }
}
