//! Credentials, and what registries ask of them (RFC 9110, section 11; distribution's token specification).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

/// What a registry is shown. An empty text is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    /// What an earlier login gave instead of a password.
    pub identity_token: String,
    /// A token for the registry itself, which is sent as it is.
    pub registry_token: String,
}

impl fmt::Debug for Credentials {
    /// Secrets are in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Whether there is a name with a password.
    pub(super) fn has_password(&self) -> bool {
        !self.username.is_empty() || !self.password.is_empty()
    }

    /// The header of basic authentication.
    pub(super) fn basic(&self) -> HeaderValue {
        let text = STANDARD.encode(format!("{}:{}", self.username, self.password));
        secret(&format!("Basic {text}"))
    }
}

/// A header whose value is not shown.
pub(super) fn secret(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// How a registry wants to know who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token from `realm`, for `service`.
    Bearer {
        realm: String,
        service: String,
        scope: String,
    },
}

/// What the answer asks for; tokens before passwords.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<Challenge> = texts.filter_map(parse).collect();
    let bearer = all.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(all.first()).cloned()
}

fn parse(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = parameters(rest);
    let get = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let realm = get("realm");
    (!realm.is_empty()).then(|| Challenge::Bearer { realm, service: get("service"), scope: get("scope") })
}

/// `a="b",c=d`; a comma or a backslash may be quoted.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        let key: String = std::iter::from_fn(|| rest.next_if(|c| *c != '=')).collect();
        if rest.next().is_none() {
            return found;
        }
        while rest.next_if_eq(&' ').is_some() {}
        let mut value = String::new();
        if rest.next_if_eq(&'"').is_some() {
            while let Some(c) = rest.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(rest.next()),
                    c => value.push(c),
                }
            }
            while rest.next_if(|c| *c != ',').is_some() {}
        } else {
            value.extend(std::iter::from_fn(|| rest.next_if(|c| *c != ',')));
        }
        rest.next();
        found.push((key.trim().to_owned(), value.trim().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Option<Challenge>) {
        let mut all = HeaderMap::new();
        for text in headers {
            all.append(WWW_AUTHENTICATE, text.parse().expect("a header"));
        }
        assert_eq!(challenge(&all), expected, "{headers:?}");
    }

    fn bearer(realm: &str, service: &str, scope: &str) -> Option<Challenge> {
        let [realm, service, scope] = [realm, service, scope].map(str::to_owned);
        Some(Challenge::Bearer { realm, service, scope })
    }

    #[test]
    fn challenges_are_read() {
        check(&["Basic realm=\"x\""], Some(Challenge::Basic));
        check(&["basic"], Some(Challenge::Basic));
        check(
            &[r#"Bearer realm="https://a/token",service="s",scope="repository:a:pull,push""#],
            bearer("https://a/token", "s", "repository:a:pull,push"),
        );
        check(&[r#"bearer realm = "h\"x" , service=plain"#], bearer("h\"x", "plain", ""));
        check(&["Basic realm=x", "Bearer realm=y"], bearer("y", "", ""));
        check(&["Negotiate abc"], None);
        check(&["Bearer service=x"], None);
        check(&["Bearer realm=\"never ends"], bearer("never ends", "", ""));
        check(&[], None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials { password: "hidden".to_owned(), ..Credentials::default() };
        assert!(!format!("{credentials:?} {:?}", credentials.basic()).contains("hidden"));
    }
}
