//! Calls of the Engine API, where a test needs the status or the whole answer.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Machine;

/// What the engine answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null if there is none, a string if it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The text of an error.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The body of a success.
    ///
    /// # Errors
    /// If it is none.
    pub fn ok(self) -> Result<Value> {
        ensure!(self.status < 300, "{} {}", self.status, self.body);
        Ok(self.body)
    }
}

impl Machine {
    /// Calls the Engine API. The body is JSON, or empty for none.
    ///
    /// # Errors
    /// If the engine does not answer as HTTP has it.
    pub fn call(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let (socket, shown) = (self.socket(), format!("{method} {path}"));
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let ask = move || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(socket)?;
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = self.within(ask).with_context(|| shown.clone())?;
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{shown}: {answer}"))?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("{shown}: {head}"))?;
        let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_str(body) };
        Ok(Answer { status, body: body.unwrap_or_else(|_| Value::String(answer.clone())) })
    }

    /// What `inspect` shows of a container.
    ///
    /// # Errors
    /// If there is none.
    pub fn inspect(&self, container: &str) -> Result<Value> {
        self.call("GET", &format!("/containers/{container}/json"), "")?.ok()
    }

    /// What `inspect` shows of a network.
    ///
    /// # Errors
    /// If there is none.
    pub fn network(&self, network: &str) -> Result<Value> {
        self.call("GET", &format!("/networks/{network}"), "")?.ok()
    }

    /// A container's address on a network: IPv4, or IPv6 where there is no IPv4.
    ///
    /// # Errors
    /// If it has none there.
    pub fn address(&self, container: &str, network: &str) -> Result<String> {
        let shown = self.inspect(container)?;
        let connection = &shown["NetworkSettings"]["Networks"][network];
        let texts = ["IPAddress", "GlobalIPv6Address"].iter().filter_map(|key| connection[key].as_str());
        let found = texts.filter(|text| !text.is_empty()).map(str::to_owned).next();
        found.with_context(|| format!("{container} has no address on {network}: {connection}"))
    }
}
