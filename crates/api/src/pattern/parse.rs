//! From the text of a regular expression to the steps of its automaton.

use std::iter::Peekable;
use std::str::Chars;

use super::{Class, MOST_STEPS, Step};

/// How deep groups may be nested.
const DEEPEST: usize = 50;
/// The largest count in `{n,m}` (RE2's limit).
const MOST_REPEATS: usize = 1_000;

pub(super) enum Tree {
    One(Class),
    Start,
    End,
    Sequence(Vec<Self>),
    Either(Vec<Self>),
    Repeat { tree: Box<Self>, least: usize, most: Option<usize> },
}

/// The whole text as a tree.
pub(super) fn tree(text: &str) -> Option<Tree> {
    let mut reader = Reader { rest: text.chars().peekable(), depth: 0 };
    let tree = reader.either()?;
    reader.rest.next().is_none().then_some(tree)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
}

impl Reader<'_> {
    fn either(&mut self) -> Option<Tree> {
        let mut branches = vec![self.sequence()?];
        while self.rest.next_if_eq(&'|').is_some() {
            branches.push(self.sequence()?);
        }
        Some(Tree::Either(branches))
    }

    fn sequence(&mut self) -> Option<Tree> {
        let mut items = Vec::new();
        while let Some(&character) = self.rest.peek() {
            if character == '|' || character == ')' {
                break;
            }
            let item = self.item()?;
            items.push(self.repeated(item)?);
        }
        Some(Tree::Sequence(items))
    }

    fn item(&mut self) -> Option<Tree> {
        match self.rest.next()? {
            '(' => self.group(),
            '[' => self.class().map(Tree::One),
            '.' => Some(Tree::One(Class { negated: true, ranges: vec![('\n', '\n')] })),
            '^' => Some(Tree::Start),
            '$' => Some(Tree::End),
            '\\' => self.escape().map(Tree::One),
            '*' | '+' | '?' | '{' => None,
            character => Some(Tree::One(just(character))),
        }
    }

    fn group(&mut self) -> Option<Tree> {
        if self.depth == DEEPEST {
            return None;
        }
        if self.rest.next_if_eq(&'?').is_some() {
            self.rest.next_if_eq(&':')?;
        }
        self.depth += 1;
        let tree = self.either()?;
        self.depth -= 1;
        self.rest.next_if_eq(&')')?;
        Some(tree)
    }

    fn escape(&mut self) -> Option<Class> {
        let digits = ('0', '9');
        let word = vec![digits, ('A', 'Z'), ('a', 'z'), ('_', '_')];
        let space = vec![('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
        Some(match self.rest.next()? {
            'd' => Class { negated: false, ranges: vec![digits] },
            'D' => Class { negated: true, ranges: vec![digits] },
            'w' => Class { negated: false, ranges: word },
            'W' => Class { negated: true, ranges: word },
            's' => Class { negated: false, ranges: space },
            'S' => Class { negated: true, ranges: space },
            letter if letter.is_alphanumeric() => return None,
            sign => just(sign),
        })
    }

    fn class(&mut self) -> Option<Class> {
        let mut class = Class { negated: self.rest.next_if_eq(&'^').is_some(), ranges: Vec::new() };
        let mut is_first = true;
        loop {
            match self.rest.next()? {
                ']' if !is_first => return Some(class),
                '\\' => {
                    let escape = self.escape().filter(|escape| !escape.negated)?;
                    class.ranges.extend(escape.ranges);
                }
                from => class.ranges.push(self.range(from)?),
            }
            is_first = false;
        }
    }

    fn range(&mut self, from: char) -> Option<(char, char)> {
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                self.rest = ahead;
                (from <= to).then_some((from, to))
            }
            _ => Some((from, from)),
        }
    }

    fn repeated(&mut self, tree: Tree) -> Option<Tree> {
        let (least, most) = match self.rest.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(tree),
            Some(_) | None => return Some(tree),
        };
        self.rest.next();
        self.rest.next_if_eq(&'?');
        Some(Tree::Repeat { tree: Box::new(tree), least, most })
    }

    fn counted(&mut self, tree: Tree) -> Option<Tree> {
        self.rest.next_if_eq(&'{')?;
        let least = self.number()?;
        let most = match self.rest.next_if_eq(&',') {
            None => Some(least),
            Some(_) if self.rest.peek() == Some(&'}') => None,
            Some(_) => Some(self.number()?),
        };
        self.rest.next_if_eq(&'}')?;
        self.rest.next_if_eq(&'?');
        let sound = least.max(most.unwrap_or(0)) <= MOST_REPEATS && most.is_none_or(|most| least <= most);
        sound.then(|| Tree::Repeat { tree: Box::new(tree), least, most })
    }

    fn number(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse().ok()
    }
}

fn just(character: char) -> Class {
    Class { negated: false, ranges: vec![(character, character)] }
}

/// Appends the steps of a tree; `None` when they are too many.
pub(super) fn compile(tree: &Tree, steps: &mut Vec<Step>) -> Option<()> {
    if steps.len() > MOST_STEPS {
        return None;
    }
    match tree {
        Tree::One(class) => steps.push(Step::One(class.clone())),
        Tree::Start => steps.push(Step::Start),
        Tree::End => steps.push(Step::End),
        // A step even for nothing: repetitions of nothing must come to an end, too.
        Tree::Sequence(items) if items.is_empty() => steps.push(Step::Jump(steps.len() + 1)),
        Tree::Sequence(items) => items.iter().try_for_each(|item| compile(item, steps))?,
        Tree::Either(branches) => compile_either(branches, steps)?,
        Tree::Repeat { tree, least, most } => compile_repeat(tree, *least, *most, steps)?,
    }
    Some(())
}

fn compile_either(branches: &[Tree], steps: &mut Vec<Step>) -> Option<()> {
    let mut ends = Vec::new();
    for (index, branch) in branches.iter().enumerate() {
        let split = (index + 1 < branches.len()).then_some(steps.len());
        if split.is_some() {
            steps.push(Step::Split(steps.len() + 1, 0));
        }
        compile(branch, steps)?;
        if let Some(split) = split {
            ends.push(steps.len());
            steps.push(Step::Jump(0));
            steps[split] = Step::Split(split + 1, steps.len());
        }
    }
    let end = steps.len();
    ends.into_iter().for_each(|jump| steps[jump] = Step::Jump(end));
    Some(())
}

fn compile_repeat(tree: &Tree, least: usize, most: Option<usize>, steps: &mut Vec<Step>) -> Option<()> {
    for _ in 0..least {
        compile(tree, steps)?;
    }
    let Some(most) = most else {
        let split = steps.len();
        steps.push(Step::Split(split + 1, 0));
        compile(tree, steps)?;
        steps.push(Step::Jump(split));
        steps[split] = Step::Split(split + 1, steps.len());
        return Some(());
    };
    let mut splits = Vec::new();
    for _ in least..most {
        splits.push(steps.len());
        steps.push(Step::Split(0, 0));
        compile(tree, steps)?;
    }
    let end = steps.len();
    splits.into_iter().for_each(|split| steps[split] = Step::Split(split + 1, end));
    Some(())
}
