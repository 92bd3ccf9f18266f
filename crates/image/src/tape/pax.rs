//! PAX records: `<length> <key>=<value>\n`, where the length counts the whole record.

use super::TapeError;

/// The records that hold extended attributes (star, GNU tar, Docker).
pub(super) const XATTR_PREFIX: &str = "SCHILY.xattr.";

/// The records that describe holes.
const SPARSE_PREFIX: &[u8] = b"GNU.sparse.";

/// The last second that is kept: the year 9999.
pub(super) const LATEST: i64 = 253_402_300_799;

/// What the records of one entry say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Option<Sparse>,
}

/// What the records say about a file with holes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    /// The form: 0 has the map in the records, 1 before the content.
    pub(super) major: u64,
    /// Bytes of the file with its holes.
    pub(super) size: Option<u64>,
    /// Offsets and lengths, in turn.
    pub(super) numbers: Vec<u64>,
}

impl Records {
    pub(super) fn parse(mut text: &[u8]) -> Result<Self, TapeError> {
        let mut records = Self::default();
        while !text.is_empty() {
            let (key, value, rest) = split(text).ok_or(TapeError::Field { field: "PAX record" })?;
            records.add(key, value)?;
            text = rest;
        }
        Ok(records)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), TapeError> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            key => {
                if let Some(name) = key.strip_prefix(XATTR_PREFIX.as_bytes()) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(SPARSE_PREFIX) {
                    self.add_sparse(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn add_sparse(&mut self, key: &[u8], value: &[u8]) -> Result<(), TapeError> {
        let sparse = self.sparse.get_or_insert_default();
        match key {
            b"name" => self.path = Some(value.to_vec()),
            b"major" => sparse.major = number(value)?,
            b"size" | b"realsize" => sparse.size = Some(number(value)?),
            b"map" => {
                let numbers = value.split(|byte| *byte == b',').map(number);
                sparse.numbers = numbers.collect::<Result<_, _>>()?;
            }
            b"offset" | b"numbytes" => sparse.numbers.push(number(value)?),
            _ => {}
        }
        Ok(())
    }
}

/// A record as it is written: its length counts itself.
pub(crate) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key, b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// The first record's key and value, and what comes after it.
fn split(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

fn number(value: &[u8]) -> Result<u64, TapeError> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok()).ok_or(TapeError::Field { field: "PAX number" })
}

/// `1700000000.25`; before 1970 and after 9999 it becomes 0.
fn time(value: &[u8]) -> Result<(i64, u32), TapeError> {
    let invalid = TapeError::Field { field: "modification time" };
    let Ok(text) = std::str::from_utf8(value) else { return Err(invalid) };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let Ok(whole) = seconds.parse::<i64>() else { return Err(invalid) };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid);
    }
    if seconds.starts_with('-') || whole > LATEST {
        return Ok((0, 0));
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Ok((whole, digits.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_anything() {
        assert!(Records::parse(b"16 mtime=17.25\0\n").is_err(), "a NUL is no digit");
        let records = Records::parse(b"30 SCHILY.xattr.user.a=1\n2=\0\xff\n15 mtime=17.25\n").unwrap();
        assert_eq!(records.xattrs, [(b"user.a".to_vec(), b"1\n2=\0\xff".to_vec())]);
        assert_eq!(records.mtime, Some((17, 250_000_000)));
    }

    #[test]
    fn broken_records_are_refused() {
        for bad in
            ["x", "5", "5 a=b", "99 a=b\n", "0 a=b\n", "2 a=b\n", "6 abc\n\n", "9 size=x\n", "9 uid=-1\n"]
        {
            assert!(Records::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Records::parse(b"22 GNU.sparse.major=x\n").is_err());
        assert_eq!(Records::parse(b"14 mtime=-1.5\n").unwrap().mtime, Some((0, 0)));
        assert_eq!(Records::parse(b"").unwrap(), Records::default());
    }
}
