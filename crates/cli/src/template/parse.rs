//! Words as a tree.

use serde_json::Number;

use super::TemplateError;
use super::lex::Token;
use crate::value::Value;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// A pipeline; what it declares or sets prints nothing.
    Action(Pipeline),
    If(Branches),
    With(Branches),
    Range(Branches),
    Break,
    Continue,
}

/// A pipeline that chooses, and what it chooses from.
#[derive(Clone, Debug)]
pub(super) struct Branches {
    pub(super) pipeline: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, of which each gets the value of the one before as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// `$a :=`, or `$a, $b :=`.
    pub(super) variables: Vec<String>,
    pub(super) is_declaration: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// One operand, with the fields that are taken of it.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Pipeline(Box<Pipeline>),
}

/// How a list of nodes ended.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Template,
    End,
    Else,
}

/// The tree of a template.
pub(super) fn parse(tokens: Vec<Token>) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { tokens: tokens.into_iter().peekable() };
    match parser.nodes()? {
        (nodes, Stop::Template) => Ok(nodes),
        (_, Stop::End) => Err(TemplateError::new("unexpected {{end}}")),
        (_, Stop::Else) => Err(TemplateError::new("unexpected {{else}}")),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            match self.tokens.next() {
                None => return Ok((nodes, Stop::Template)),
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                Some(Token::Open) => match self.keyword() {
                    Keyword::End => {
                        self.close("end")?;
                        return Ok((nodes, Stop::End));
                    }
                    Keyword::Else => return Ok((nodes, Stop::Else)),
                    Keyword::None => nodes.push(self.action()?),
                    Keyword::If => nodes.push(Node::If(self.branches("if")?)),
                    Keyword::With => nodes.push(Node::With(self.branches("with")?)),
                    Keyword::Range => nodes.push(Node::Range(self.branches("range")?)),
                    Keyword::Break => {
                        self.close("break")?;
                        nodes.push(Node::Break);
                    }
                    Keyword::Continue => {
                        self.close("continue")?;
                        nodes.push(Node::Continue);
                    }
                },
                Some(other) => return Err(unexpected(Some(&other), "template")),
            }
        }
    }

    fn keyword(&mut self) -> Keyword {
        let keyword = match self.tokens.peek() {
            Some(Token::Word(word)) => match word.as_str() {
                "if" => Keyword::If,
                "with" => Keyword::With,
                "range" => Keyword::Range,
                "else" => Keyword::Else,
                "end" => Keyword::End,
                "break" => Keyword::Break,
                "continue" => Keyword::Continue,
                _ => return Keyword::None,
            },
            _ => return Keyword::None,
        };
        self.tokens.next();
        keyword
    }

    fn action(&mut self) -> Result<Node, TemplateError> {
        let pipeline = self.pipeline("command")?;
        self.close("command")?;
        Ok(Node::Action(pipeline))
    }

    fn branches(&mut self, place: &str) -> Result<Branches, TemplateError> {
        let pipeline = self.pipeline(place)?;
        self.close(place)?;
        let (then, end) = self.nodes()?;
        let otherwise = match end {
            Stop::End => Vec::new(),
            Stop::Else => self.otherwise()?,
            Stop::Template => return Err(TemplateError::new("unexpected EOF")),
        };
        Ok(Branches { pipeline, then, otherwise })
    }

    /// After `{{else`: its nodes up to the end, or a chained `if` or `with`, which has the same end.
    fn otherwise(&mut self) -> Result<Vec<Node>, TemplateError> {
        match self.keyword() {
            Keyword::If => return Ok(vec![Node::If(self.branches("if")?)]),
            Keyword::With => return Ok(vec![Node::With(self.branches("with")?)]),
            Keyword::None
            | Keyword::Range
            | Keyword::Else
            | Keyword::End
            | Keyword::Break
            | Keyword::Continue => self.close("else")?,
        }
        match self.nodes()? {
            (nodes, Stop::End) => Ok(nodes),
            (_, Stop::Else) => Err(TemplateError::new("expected end; found {{else}}")),
            (_, Stop::Template) => Err(TemplateError::new("unexpected EOF")),
        }
    }

    fn close(&mut self, place: &str) -> Result<(), TemplateError> {
        match self.tokens.next() {
            Some(Token::Close) => Ok(()),
            other => Err(unexpected(other.as_ref(), place)),
        }
    }

    fn pipeline(&mut self, place: &str) -> Result<Pipeline, TemplateError> {
        let (variables, is_declaration) = self.variables(place)?;
        let mut commands = vec![self.command()?];
        while self.tokens.next_if_eq(&Token::Sign("|")).is_some() {
            commands.push(self.command()?);
        }
        if commands.iter().any(Vec::is_empty) {
            return Err(TemplateError::new(format!("missing value for {place}")));
        }
        Ok(Pipeline { variables, is_declaration, commands })
    }

    /// `$a :=`, `$a =`, `$k, $v :=`, or nothing. A variable alone may as well be an operand.
    fn variables(&mut self, place: &str) -> Result<(Vec<String>, bool), TemplateError> {
        let mut ahead = self.tokens.clone();
        let mut variables = Vec::new();
        while let Some(Token::Variable(name)) = ahead.next() {
            variables.push(name);
            let sign = ahead.next();
            match sign {
                Some(Token::Sign(",")) => continue,
                Some(Token::Sign(sign @ (":=" | "="))) => {
                    self.tokens = ahead;
                    if variables.len() > if place == "range" { 2 } else { 1 } {
                        return Err(TemplateError::new(format!("too many declarations in {place}")));
                    }
                    return Ok((variables, sign == ":="));
                }
                _ => break,
            }
        }
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Vec<Operand>, TemplateError> {
        let mut operands = Vec::new();
        while let Some(operand) = self.operand()? {
            operands.push(operand);
        }
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let mut fields = Vec::new();
        let is_end = matches!(self.tokens.peek(), None | Some(Token::Close | Token::Sign("|" | ")")));
        if is_end {
            return Ok(None);
        }
        let base = match self.tokens.next() {
            Some(Token::Field(name, _)) => {
                fields.extend(Some(name).filter(|name| !name.is_empty()));
                Base::Dot
            }
            Some(Token::Variable(name)) => Base::Variable(name),
            Some(Token::Quoted(text)) => Base::Literal(Value::Text(text)),
            Some(Token::Number(text)) => Base::Literal(number(&text)?),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Base::Literal(Value::Bool(true)),
                "false" => Base::Literal(Value::Bool(false)),
                "nil" => Base::Literal(Value::Null),
                _ if !super::function::exists(&word) => {
                    return Err(TemplateError::new(format!("function {word:?} not defined")));
                }
                _ => Base::Function(word),
            },
            Some(Token::Sign("(")) => {
                let pipeline = self.pipeline("parenthesized pipeline")?;
                match self.tokens.next() {
                    Some(Token::Sign(")")) => Base::Pipeline(Box::new(pipeline)),
                    other => return Err(unexpected(other.as_ref(), "parenthesized pipeline")),
                }
            }
            other => return Err(unexpected(other.as_ref(), "command")),
        };
        while let Some(Token::Field(name, true)) = self.tokens.peek() {
            fields.push(name.clone());
            self.tokens.next();
        }
        Ok(Some(Operand { base, fields }))
    }
}

#[derive(Clone, Copy, Debug)]
enum Keyword {
    None,
    If,
    With,
    Range,
    Else,
    End,
    Break,
    Continue,
}

fn number(text: &str) -> Result<Value, TemplateError> {
    let whole = text.trim_start_matches('+').parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map(Value::Number).ok_or_else(|| TemplateError::new(format!("bad number syntax: {text:?}")))
}

fn unexpected(token: Option<&Token>, place: &str) -> TemplateError {
    let shown = match token {
        None => "EOF".to_owned(),
        Some(Token::Close) => "\"}}\"".to_owned(),
        Some(Token::Open) => "\"{{\"".to_owned(),
        Some(Token::Field(name, _)) => format!("<.{name}>"),
        Some(Token::Variable(name)) => format!("\"${name}\""),
        Some(Token::Word(text) | Token::Quoted(text) | Token::Number(text) | Token::Text(text)) => {
            format!("{text:?}")
        }
        Some(Token::Sign(sign)) => format!("{sign:?}"),
    };
    TemplateError::new(format!("unexpected {shown} in {place}"))
}
