//! Files of the host that have other owners in a container.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most parts the kernel takes (user_namespaces(7)) is 340; a part that is mapped can need three.
const MOST_PARTS: usize = 64;

/// Which owners on the host are which others in a container; all others are the same on both sides,
/// unless their place is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdMap {
    parts: Vec<Part>,
}

/// One range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    kind: Option<Kind>,
    host: u32,
    container: u32,
    count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

/// Why a text is no map.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "invalid id map {text:?}: HOST:CONTAINER[:COUNT], for users alone u:…, for groups alone g:…, several with a semicolon between"
)]
pub struct ParseIdMapError {
    text: String,
}

impl IdMap {
    /// All ranges, as the kernel takes them.
    pub(crate) fn extents(&self) -> linux::mount::IdMap {
        linux::mount::IdMap { uids: extents(&self.of(Kind::User)), gids: extents(&self.of(Kind::Group)) }
    }

    fn of(&self, kind: Kind) -> Vec<Part> {
        self.parts.iter().filter(|part| part.kind.is_none_or(|other| other == kind)).copied().collect()
    }
}

/// What is mapped, and everything else to itself where neither side is taken.
fn extents(parts: &[Part]) -> Vec<(u32, u32, u32)> {
    // The last id means "no id" to the kernel.
    const END: u64 = u32::MAX as u64;
    let range = |start: u32, count: u32| (u64::from(start), u64::from(start) + u64::from(count));
    let mut taken: Vec<(u64, u64)> = parts
        .iter()
        .flat_map(|part| [range(part.host, part.count), range(part.container, part.count)])
        .collect();
    taken.sort_unstable();
    let mut all: Vec<_> = parts.iter().map(|part| (part.host, part.container, part.count)).collect();
    let mut at = 0;
    for (start, end) in taken.into_iter().chain([(END, END)]) {
        if at < start {
            let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            all.push((small(at), small(at), small(start - at)));
        }
        at = at.max(end);
    }
    all
}

impl FromStr for IdMap {
    type Err = ParseIdMapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Option<Vec<Part>> = text.split(';').map(part).collect();
        let overlap = |parts: &[Part], kind: Kind| {
            let of: Vec<Part> =
                parts.iter().filter(|part| part.kind.is_none_or(|it| it == kind)).copied().collect();
            overlaps(of.iter().map(|part| (part.host, part.count)))
                || overlaps(of.iter().map(|part| (part.container, part.count)))
        };
        match parts {
            Some(parts)
                if parts.len() <= MOST_PARTS
                    && !overlap(&parts, Kind::User)
                    && !overlap(&parts, Kind::Group) =>
            {
                Ok(Self { parts })
            }
            Some(_) | None => Err(ParseIdMapError { text: text.to_owned() }),
        }
    }
}

fn part(text: &str) -> Option<Part> {
    let (kind, numbers) = match text.split_once(':')? {
        ("u", rest) => (Some(Kind::User), rest),
        ("g", rest) => (Some(Kind::Group), rest),
        _ => (None, text),
    };
    let numbers: Option<Vec<u32>> = numbers.split(':').map(|number| number.parse().ok()).collect();
    let (host, container, count) = match numbers?.as_slice() {
        [host, container] => (*host, *container, 1),
        [host, container, count] => (*host, *container, *count),
        _ => return None,
    };
    // The last id means "no id" to the kernel.
    let fits = |start: u32| start.checked_add(count).is_some();
    (count > 0 && fits(host) && fits(container)).then_some(Part { kind, host, container, count })
}

fn overlaps(ranges: impl Iterator<Item = (u32, u32)>) -> bool {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0)
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Part { kind, host, container, count }) in self.parts.iter().enumerate() {
            let between = if number == 0 { "" } else { ";" };
            let kind = match kind {
                None => "",
                Some(Kind::User) => "u:",
                Some(Kind::Group) => "g:",
            };
            write!(f, "{between}{kind}{host}:{container}:{count}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for IdMap {
    type Error = ParseIdMapError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IdMap> for String {
    fn from(map: IdMap) -> Self {
        map.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_stays_itself() {
        let map: IdMap = "1000:999".parse().expect("a map");
        let rest = u32::MAX - 1001;
        let expected = [(1000, 999, 1), (0, 0, 999), (1001, 1001, rest)];
        assert_eq!(map.extents().uids, expected);
        assert_eq!(map.extents().gids, expected);
        let map: IdMap = "u:0:100000:65536".parse().expect("a map");
        assert_eq!(map.extents().gids, [(0, 0, u32::MAX)]);
        assert_eq!(
            map.extents().uids.iter().map(|(_, to, _)| *to).collect::<Vec<_>>(),
            [100_000, 65_536, 165_536]
        );
    }

    #[test]
    fn a_map_is_read_as_it_is_written() {
        for text in ["1000:999:1", "u:1:2:3;g:4:5:6", "0:0:4294967295"] {
            assert_eq!(text.parse::<IdMap>().expect(text).to_string(), text);
        }
        for text in ["", "1", "1:2:0", "a:b", "x:1:2", "1:2:3:4", "1:2;1:3", "1:5;2:5", "4294967295:1:1"] {
            assert!(text.parse::<IdMap>().is_err(), "{text}");
        }
    }
}
