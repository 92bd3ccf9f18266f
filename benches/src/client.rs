//! A client of the Engine API: one connection that is kept, one request at a time.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};

use crate::interrupt;

/// The newest version that both engines speak: that of dockerd 20.10.
const VERSION: &str = "/v1.41";
/// dockerd needs a minute and a half to remove a container with 1,000 ports.
const PATIENCE: Duration = Duration::from_mins(10);

/// A connection to an engine.
#[derive(Debug)]
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection; dropped before the runtime it lives in.
    _connection: JoinSet<()>,
    runtime: Runtime,
}

impl Client {
    /// Connects to an engine's socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut tasks = JoinSet::new();
        let sender = runtime.block_on(async {
            let stream = UnixStream::connect(socket).await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tasks.spawn(async move { drop(connection.await) });
            anyhow::Ok(sender)
        });
        Ok(Self { sender: sender.context("cannot connect to the engine")?, _connection: tasks, runtime })
    }

    /// Asks without a body.
    pub(crate) fn get(&mut self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, "application/json", Bytes::new())
    }

    /// Asks for a change, with JSON.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.call(Method::POST, path, "application/json", body)
    }

    /// Removes something.
    pub(crate) fn delete(&mut self, path: &str) -> Result<()> {
        self.call(Method::DELETE, path, "application/json", Bytes::new()).map(drop)
    }

    /// Loads an archive of images.
    pub(crate) fn load(&mut self, archive: Vec<u8>) -> Result<()> {
        self.upload("/images/load?quiet=1", &archive)
    }

    /// Sends an archive.
    pub(crate) fn upload(&mut self, path: &str, archive: &[u8]) -> Result<()> {
        self.call(Method::POST, path, "application/x-tar", Bytes::copy_from_slice(archive)).map(drop)
    }

    /// Sends a request and reads its answer to the end. An answer that is not JSON counts as null.
    fn call(&mut self, method: Method, path: &str, kind: &str, body: Bytes) -> Result<Value> {
        let what = format!("{method} {path}");
        ensure!(!interrupt::came(), "{what}: interrupted");
        let request = Request::builder()
            .method(method)
            .uri(format!("{VERSION}{path}"))
            .header(HOST, "engine")
            .header(CONTENT_TYPE, kind)
            .body(Full::new(body))?;
        let sender = &mut self.sender;
        let exchange = async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let answered = self.runtime.block_on(async { timeout(PATIENCE, exchange).await });
        let (status, answer) = answered.with_context(|| what.clone())?.with_context(|| what.clone())?;
        if !status.is_success() && status.as_u16() != 304 {
            bail!("{what}: {status}: {}", String::from_utf8_lossy(&answer).trim());
        }
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }
}
