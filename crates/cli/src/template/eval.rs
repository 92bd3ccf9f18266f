//! Filling a template.

use super::parse::{Base, Branches, Node, Operand, Pipeline};
use super::{TemplateError, function};
use crate::value::Value;

/// Fills the nodes with `data`.
pub(super) fn fill(nodes: &[Node], data: &Value) -> Result<String, TemplateError> {
    let mut filler = Filler { output: String::new(), variables: vec![(String::new(), data.clone())] };
    filler.nodes(nodes, data)?;
    Ok(filler.output)
}

struct Filler {
    output: String,
    /// The last one of a name counts. `$` has the empty name.
    variables: Vec<(String, Value)>,
}

/// How nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Filler {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.output.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.bind(pipeline, std::slice::from_ref(&value))?;
                if pipeline.variables.is_empty() {
                    let text = if value == Value::Null { nothing(pipeline) } else { value.to_string() };
                    self.output.push_str(&text);
                }
            }
            Node::If(branches) | Node::With(branches) => {
                let value = self.pipeline(&branches.pipeline, dot)?;
                let known = self.variables.len();
                self.bind(&branches.pipeline, std::slice::from_ref(&value))?;
                let chosen = if value.is_true() { &branches.then } else { &branches.otherwise };
                let changes_dot = matches!(node, Node::With(_)) && value.is_true();
                let flow = self.nodes(chosen, if changes_dot { &value } else { dot })?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Range(branches) => self.range(branches, dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(&mut self, branches: &Branches, dot: &Value) -> Result<(), TemplateError> {
        let value = self.pipeline(&branches.pipeline, dot)?;
        let items = items(value)?;
        if items.is_empty() {
            self.nodes(&branches.otherwise, dot)?;
            return Ok(());
        }
        for (key, item) in items {
            let known = self.variables.len();
            match branches.pipeline.variables.len() {
                0 => {}
                1 => self.bind(&branches.pipeline, std::slice::from_ref(&item))?,
                _ => self.bind(&branches.pipeline, &[key, item.clone()])?,
            }
            let flow = self.nodes(&branches.then, &item)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// Gives the pipeline's variables their values.
    fn bind(&mut self, pipeline: &Pipeline, values: &[Value]) -> Result<(), TemplateError> {
        for (name, value) in pipeline.variables.iter().zip(values) {
            if pipeline.is_declaration {
                self.variables.push((name.clone(), value.clone()));
                continue;
            }
            let place = self.variables.iter_mut().rev().find(|(known, _)| known == name);
            place.ok_or_else(|| undefined(name))?.1 = value.clone();
        }
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or_default())
    }

    fn command(
        &self,
        command: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, TemplateError> {
        let (first, others) = command.split_first().ok_or_else(|| TemplateError::new("empty command"))?;
        if let Some(name @ ("and" | "or")) = as_function(first) {
            return self.choose(name, others, dot, piped);
        }
        let mut arguments = others.iter().map(|one| self.operand(one, dot)).collect::<Result<Vec<_>, _>>()?;
        arguments.extend(piped);
        if let Some(name) = as_function(first) {
            return function::call(name, &arguments);
        }
        let value = self.operand(first, dot)?;
        match (arguments.as_slice(), &value) {
            ([], _) => Ok(value),
            // Docker's methods with an argument, such as `.Label "name"`, are maps here.
            ([Value::Text(key)], Value::Map(_)) if !first.fields.is_empty() => {
                Ok(value.member(key).cloned().unwrap_or_else(|| Value::from("")))
            }
            _ => Err(TemplateError::new("can't give argument to non-function")),
        }
    }

    /// `and` and `or` look no further than they must.
    fn choose(
        &self,
        name: &str,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, TemplateError> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot)?;
            if value.is_true() == (name == "or") {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or_else(|| {
            TemplateError::new(format!("wrong number of args for {name}: want at least 1 got 0"))
        })
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Value, TemplateError> {
        let base = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map(|(_, value)| value.clone()).ok_or_else(|| undefined(name))?
            }
            Base::Literal(value) => value.clone(),
            Base::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            Base::Function(name) => function::call(name, &[])?,
        };
        operand.fields.iter().try_fold(base, |value, name| field(&value, name))
    }
}

fn as_function(operand: &Operand) -> Option<&str> {
    match &operand.base {
        Base::Function(name) => Some(name.as_str()),
        Base::Dot | Base::Variable(_) | Base::Literal(_) | Base::Pipeline(_) => None,
    }
}

fn undefined(name: &str) -> TemplateError {
    TemplateError::new(format!("undefined variable \"${name}\""))
}

/// Members that the engine leaves out when they are nothing, but that Docker's own types have: templates ask
/// `{{if .State.Health}}` of every container.
const OMITTED: [&str; 14] = [
    "Health",
    "Healthcheck",
    "Init",
    "StopTimeout",
    "ExposedPorts",
    "Annotations",
    "Sysctls",
    "Tmpfs",
    "StorageOpt",
    "Mounts",
    "Shell",
    "BindOptions",
    "VolumeOptions",
    "TmpfsOptions",
];
/// The same for texts.
const OMITTED_TEXTS: [&str; 5] = ["StopSignal", "Runtime", "MacAddress", "IPv4Address", "IPv6Address"];

fn field(value: &Value, name: &str) -> Result<Value, TemplateError> {
    match value {
        Value::Map(_) => match value.member(name) {
            Some(member) => Ok(member.clone()),
            None if OMITTED.contains(&name) => Ok(Value::Null),
            None if OMITTED_TEXTS.contains(&name) => Ok(Value::from("")),
            None => Err(TemplateError::new(format!("map has no entry for key {name:?}"))),
        },
        Value::Null => Err(TemplateError::new(format!("nil pointer evaluating interface {{}}.{name}"))),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
            Err(TemplateError::new(format!("can't evaluate field {name} in type interface {{}}")))
        }
    }
}

/// What is ranged over, with its keys. Go ranges over maps by the order of their keys.
fn items(value: Value) -> Result<Vec<(Value, Value)>, TemplateError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::List(items) => {
            Ok(items.into_iter().zip(0i64..).map(|(item, index)| (Value::from(index), item)).collect())
        }
        Value::Map(mut members) => {
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(members.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
        }
        Value::Number(number) => {
            let end = number.as_i64().unwrap_or(0).clamp(0, 1 << 20);
            Ok((0..end).map(|index| (Value::from(index), Value::from(index))).collect())
        }
        other @ (Value::Bool(_) | Value::Text(_)) => {
            Err(TemplateError::new(format!("range can't iterate over {other}")))
        }
    }
}

/// Docker fills templates with Go's types, which print "nothing" by their type; here the field's name tells it.
fn nothing(pipeline: &Pipeline) -> String {
    const MAPS: [&str; 9] = [
        "Volumes",
        "Labels",
        "Options",
        "Ports",
        "PortBindings",
        "Networks",
        "DriverOpts",
        "ExposedPorts",
        "Data",
    ];
    const POINTERS: [&str; 8] = [
        "Health",
        "IPAMConfig",
        "Init",
        "PidsLimit",
        "MemorySwappiness",
        "OomKillDisable",
        "Healthcheck",
        "StopTimeout",
    ];
    let name = match pipeline.commands.as_slice() {
        [command] => match command.as_slice() {
            [operand] => operand.fields.last().map(String::as_str),
            _ => None,
        },
        _ => None,
    };
    match name {
        Some(name) if MAPS.contains(&name) => "map[]",
        Some(name) if POINTERS.contains(&name) => "<nil>",
        Some(_) => "[]",
        None => "<no value>",
    }
    .to_owned()
}
