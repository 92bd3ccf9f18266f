//! Flags of several fields: comma-separated values with quotes (RFC 4180), as Docker reads them.

use super::Malformed;

/// The fields of a flag. One in double quotes may have commas, and quotes that are written twice.
pub(crate) fn fields(flag: &str) -> Result<Vec<String>, Malformed> {
    let mut fields = Vec::new();
    let mut rest = flag;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).ok_or_else(|| invalid(flag, "a quote is not closed"))?,
            None => {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if field.contains('"') {
                    return Err(invalid(flag, "a quote in the middle of a field"));
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(invalid(flag, "text after a closing quote")),
        }
    }
}

/// What is before the closing quote, and what is behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

fn invalid(flag: &str, why: &str) -> Malformed {
    Malformed::new(format!("invalid value {flag}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[track_caller]
    fn check(flag: &str, expected: Result<&[&str], &str>) {
        let got = fields(flag).map_err(|error| error.0);
        let expected = expected.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
        assert_eq!(got, expected.map_err(|why| format!("invalid value {flag}: {why}")));
    }

    #[test]
    fn quotes_hold_commas_and_quotes() {
        check("a=1,b=2", Ok(&["a=1", "b=2"]));
        check("", Ok(&[""]));
        check("a,,b,", Ok(&["a", "", "b", ""]));
        check(r#""a=1,2",b=3"#, Ok(&["a=1,2", "b=3"]));
        check(r#"x,"a ""b"" c""#, Ok(&["x", r#"a "b" c"#]));
        check(r#""""#, Ok(&[""]));
        check(r#"a="1,2""#, Err("a quote in the middle of a field"));
        check(r#""a=1,2"#, Err("a quote is not closed"));
        check(r#""a=1"2"#, Err("text after a closing quote"));
    }
}
