//! Parameters of a request's address, by Docker's rules.

use api::filters::Filters;
use axum::extract::FromRequestParts;
use hyper::http::request::Parts;

use super::answer::Refusal;

/// The parameters of a request; of one that is given twice the first counts, as in Go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The text of a parameter, empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// The text of a parameter that is there.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every text of a parameter that may be given more than once.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on: anything but ``, `0`, `no`, `false` and `none` (moby `httputils.BoolValue`).
    pub(crate) fn switch(&self, name: &str) -> bool {
        let text = self.text(name).trim().to_ascii_lowercase();
        !matches!(text.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// The same, when it is not given, as `default` says.
    pub(crate) fn switch_or(&self, name: &str, default: bool) -> bool {
        if self.given(name).is_some() { self.switch(name) } else { default }
    }

    /// A whole number, or nothing where none is given.
    ///
    /// # Errors
    /// Quotes Go's `strconv`, as Docker does.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let syntax = || Refusal::invalid(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
        text.parse().map(Some).map_err(|_| syntax())
    }

    /// The parameter `filters`, of which only `accepted` ones may be there.
    pub(crate) fn filters(&self, accepted: &[&str]) -> Result<Filters, Refusal> {
        let filters = Filters::parse(self.text("filters"))?;
        filters.validate(accepted)?;
        Ok(filters)
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(pairs)| Self(pairs))
            .map_err(|error| Refusal::invalid(error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        let uri = format!("/?{text}").parse().expect("an address");
        let axum::extract::Query(pairs) = axum::extract::Query::try_from_uri(&uri).expect("parameters");
        Query(pairs)
    }

    #[test]
    fn switches_are_dockers() {
        for (text, on) in [
            ("a=1", true),
            ("a=true", true),
            ("a=x", true),
            ("a=0", false),
            ("a=No", false),
            ("a=", false),
            ("", false),
        ] {
            assert_eq!(query(text).switch("a"), on, "{text}");
        }
        assert!(query("").switch_or("stream", true));
        assert!(!query("stream=0").switch_or("stream", true));
    }

    #[test]
    fn numbers_say_what_is_wrong() {
        assert_eq!(query("t=-1").number::<i64>("t").expect("a number"), Some(-1));
        assert_eq!(query("").number::<i64>("t").expect("none"), None);
        let error = query("t=soon").number::<i64>("t").expect_err("no number");
        assert_eq!(error.message, "strconv.Atoi: parsing \"soon\": invalid syntax");
    }
}
