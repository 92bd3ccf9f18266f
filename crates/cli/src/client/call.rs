//! One request.

use std::fmt::Write;
use std::io;

use api::filters::Filters;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request};
use serde::Serialize;

/// What is sent with a request.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// One request: what is asked, of which object, with what.
pub struct Call {
    method: Method,
    path: String,
    query: String,
    content_type: Option<&'static str>,
    header: Option<(&'static str, String)>,
    body: Body,
    is_upgrading: bool,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}?{}", self.method, self.path, self.query)
    }
}

impl Call {
    /// `GET /a/b` for `["a", "b"]`; a segment may hold any character.
    pub fn get<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::GET).at(path)
    }

    /// `HEAD`.
    pub fn head<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::HEAD).at(path)
    }

    /// `POST`.
    pub fn post<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::POST).at(path)
    }

    /// `PUT`.
    pub fn put<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::PUT).at(path)
    }

    /// `DELETE`.
    pub fn delete<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::DELETE).at(path)
    }

    fn new(method: Method) -> Self {
        Self {
            method,
            path: String::new(),
            query: String::new(),
            content_type: None,
            header: None,
            body: body(Bytes::new()),
            is_upgrading: false,
        }
    }

    /// More segments of the path.
    #[must_use]
    pub fn at<'a>(mut self, path: impl IntoIterator<Item = &'a str>) -> Self {
        for segment in path {
            self.path.push('/');
            escape(segment, &mut self.path);
        }
        self
    }

    /// A parameter; one with an empty value is left out.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.query.push(if self.query.is_empty() { '?' } else { '&' });
            escape(name, &mut self.query);
            self.query.push('=');
            escape(value, &mut self.query);
        }
        self
    }

    /// A parameter that is `1` or left out.
    #[must_use]
    pub fn switch(self, name: &str, is_on: bool) -> Self {
        self.query(name, if is_on { "1" } else { "" })
    }

    /// The parameter `filters`.
    #[must_use]
    pub fn filters(self, filters: &Filters) -> Self {
        if filters.is_empty() {
            return self;
        }
        let text = serde_json::to_string(filters).expect("filters are strings");
        self.query("filters", &text)
    }

    /// A further header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.header = Some((name, value));
        self
    }

    /// A document.
    ///
    /// # Panics
    /// If the document is not one of `api`'s: those can all be written.
    #[must_use]
    pub fn json(mut self, document: &impl Serialize) -> Self {
        let text = serde_json::to_vec(document).expect("the API's types can be written");
        self.content_type = Some("application/json");
        self.body = body(Bytes::from(text));
        self
    }

    /// An archive.
    #[must_use]
    pub fn archive(mut self, pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        self.content_type = Some("application/x-tar");
        self.body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync();
        self
    }

    /// The same as a request to give up HTTP.
    pub(super) fn upgrading(mut self) -> Self {
        self.is_upgrading = true;
        self
    }

    pub(super) fn request(self, prefix: &str) -> Result<Request<Body>, hyper::http::Error> {
        let uri = format!("{prefix}{}{}", self.path, self.query);
        let mut builder = Request::builder().method(self.method).uri(uri).header(HOST, "tombolo");
        if let Some(content_type) = self.content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        if let Some((name, value)) = self.header {
            builder = builder.header(name, value);
        }
        if self.is_upgrading {
            builder = builder.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        }
        builder.body(self.body)
    }
}

fn body(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Percent-encodes all but RFC 3986's unreserved characters and `:`, which is frequent in names of images.
fn escape(text: &str, output: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            output.push(char::from(byte));
        } else {
            write!(output, "%{byte:02X}").expect("a string takes all");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        let call = Call::get(["containers", "a/../b?x=1", "json"]).query("size", "a&b").switch("v", true);
        let request = call.switch("no", false).request("/v1.44").expect("a request");
        assert_eq!(request.uri(), "/v1.44/containers/a%2F..%2Fb%3Fx%3D1/json?size=a%26b&v=1");
    }

    #[test]
    fn filters_are_a_document() {
        let filters = [("label", "a=b")].into_iter().collect();
        let request = Call::get(["events"]).filters(&filters).request("").expect("a request");
        assert_eq!(request.uri(), "/events?filters=%7B%22label%22:%7B%22a%3Db%22:true%7D%7D");
    }
}
