//! Calls of the Engine API, where a test needs the status or the whole answer.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Machine;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

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
        self.send(method, path, "application/json", body.as_bytes())
    }

    /// Gives the engine an archive, to `/images/load` for example.
    ///
    /// # Errors
    /// If the engine does not answer as HTTP has it.
    pub fn upload(&self, path: &str, archive: &[u8]) -> Result<Answer> {
        self.send("POST", path, "application/x-tar", archive)
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
        let shown = format!("{method} {path}");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = self.say(&[head.as_bytes(), body].concat()).with_context(|| shown.clone())?;
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{shown}: {answer}"))?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("{shown}: {head}"))?;
        let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_str(body) };
        Ok(Answer { status, body: body.unwrap_or_else(|_| Value::String(answer.clone())) })
    }

    /// Sends bytes as they are and reads whatever is answered until the engine ends the connection.
    ///
    /// # Errors
    /// If it does not end it in time.
    pub fn say(&self, bytes: &[u8]) -> Result<String> {
        let (socket, bytes) = (self.socket(), bytes.to_vec());
        let ask = move || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&bytes)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        Ok(self.within(ask)?)
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
