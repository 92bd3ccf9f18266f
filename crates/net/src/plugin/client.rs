//! One question to a plugin, over a connection of its own.

use std::{io, path::PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request,
    header::{ACCEPT, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

/// The most bytes of an answer.
const ANSWER_LIMIT: usize = 4 << 20;
/// Docker's name for what is spoken.
const MEDIA_TYPE: &str = "application/vnd.docker.plugins.v1.2+json";

/// Where a plugin listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl Address {
    /// `unix:///run/x.sock`, `tcp://localhost:8080`, `http://localhost:8080`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.trim_end_matches('/');
        match scheme {
            "unix" if rest.starts_with('/') => Some(Self::Unix(rest.into())),
            "tcp" | "http" if rest.contains(':') => Some(Self::Tcp(rest.to_owned())),
            _ => None,
        }
    }
}

/// Whether it was answered with success, and with what.
pub(super) async fn post(address: &Address, method: &str, body: Vec<u8>) -> io::Result<(bool, Vec<u8>)> {
    match address {
        Address::Unix(path) => exchange(UnixStream::connect(path).await?, method, body).await,
        Address::Tcp(address) => exchange(TcpStream::connect(address).await?, method, body).await,
    }
}

async fn exchange<S>(stream: S, method: &str, body: Vec<u8>) -> io::Result<(bool, Vec<u8>)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    let request = Request::post(format!("/{method}"))
        .header(HOST, "plugin")
        .header(ACCEPT, MEDIA_TYPE)
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .body(Full::new(Bytes::from(body)))
        .map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let is_ok = response.status().is_success();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
        Ok::<_, io::Error>((is_ok, body.map_err(io::Error::other)?.to_bytes().to_vec()))
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    // The connection is driven here and ends here: no task is left behind.
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended.map_err(io::Error::other)?;
            answer.await
        }
    }
}
