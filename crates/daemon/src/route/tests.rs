//! The daemon's HTTP over a real unix socket, in front of a few routes of its own and the whole set.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use api::exec::IdResponse;
use api::network::NetworkCreateRequest;
use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::Bytes;
use engine::{Attached, Output, Stream};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::surrounded;
use crate::http::answer::{Answer, ok, streaming};
use crate::http::body::Json;
use crate::http::hijack::{Hijacks, Session, Wish};
use crate::http::version::Speaks;
use crate::http::{serve, stream};
use api::detach::DetachKeys;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with routes that show one thing each.
struct Server {
    path: PathBuf,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("engine.sock");
        let hijacks = Hijacks::default();
        let stop = hijacks.stop.clone();
        let listener = crate::http::listen(&path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let served = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).expect("a socket");
                serve(listener, routes(hijacks), served).await;
            });
        });
        Self { path, stop, thread: Some(thread), _directory: directory }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// All that is answered to `request` until the connection ends.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the request is read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The status and the body of the answer to a request with a body.
    fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let answer = self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ));
        split(&answer)
    }

    fn get(&self, path: &str) -> (u16, String) {
        split(&self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends");
        }
    }
}

fn split(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, body.trim_end().to_owned())
}

fn routes(hijacks: Hijacks) -> Router {
    let stop = hijacks.stop.clone();
    let endless = move || {
        let pieces = futures_util::stream::unfold(true, |is_first| async move {
            if !is_first {
                std::future::pending::<()>().await;
            }
            Some((Bytes::from_static(b"first\n"), false))
        });
        let stop = stop.clone();
        async move { streaming("application/json", stream::body(pieces, stop)) }
    };
    let echo = move |Speaks(version): Speaks, mut request: Request| {
        let hijacks = hijacks.clone();
        async move {
            let wish = Wish::of(&mut request);
            hijacks.join(wish, Session { attached: echo(), version, closes_input: true, keys: keys() })
        }
    };
    surrounded(
        Router::new()
            .route("/ok", get(async || "fine"))
            .route("/panic", get(panicking))
            .route("/name", post(name))
            .route("/endless", get(endless))
            .route("/echo", post(echo)),
    )
}

async fn panicking() -> Answer {
    let nothing: Option<u8> = "none".parse().ok();
    Ok(ok(&nothing.expect("a mistake that a test makes")))
}

async fn name(Json(request): Json<NetworkCreateRequest>) -> Answer {
    Ok(ok(&IdResponse { id: request.name }))
}

fn keys() -> DetachKeys {
    DetachKeys::parse("").expect("keys")
}

/// A process that writes `hello`, and `done` when its input ends.
fn echo() -> Attached {
    let (sender, output) = tokio::sync::mpsc::channel(4);
    let piece = |stream, text: &'static [u8]| Output { stream, data: Bytes::from_static(text) };
    sender.try_send(piece(Stream::Stdout, b"hello")).expect("room");
    sender.try_send(piece(Stream::Stderr, b"done")).expect("room");
    Attached { output, input: None, tty: false }
}

#[test]
fn the_version_is_cut_off_and_checked() {
    let server = Server::start();
    assert_eq!(server.get("/ok"), (200, "fine".to_owned()));
    assert_eq!(server.get("/v1.24/ok"), (200, "fine".to_owned()));
    assert_eq!(server.get("/v1.56/ok?x=1"), (200, "fine".to_owned()));
    let too_new = r#"{"message":"client version 1.99 is too new. Maximum supported API version is 1.56"}"#;
    assert_eq!(server.get("/v1.99/ok"), (400, too_new.to_owned()));
    let (status, too_old) = server.get("/v1.12/ok");
    assert_eq!(status, 400);
    assert!(too_old.contains("is too old. Minimum supported API version is 1.24"), "{too_old}");
    let not_found = r#"{"message":"page not found"}"#;
    for path in ["/nope", "/v1.50/nope", "/v1.50", "/v1.x/ok", "/v1.99/nope", "/", "//", "/v1.50//ok"] {
        assert_eq!(server.get(path), (404, not_found.to_owned()), "{path}");
    }
    assert_eq!(server.post("/ok", "", ""), (404, not_found.to_owned()));
}

#[test]
fn every_answer_has_dockers_headers() {
    let server = Server::start();
    for path in ["/ok", "/nope", "/panic"] {
        let answer = server.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        for header in ["api-version: 1.56", "ostype: linux", "docker-experimental: false", "server: Tombolo/"]
        {
            assert!(answer.contains(header), "{header} of {path}: {answer}");
        }
    }
}

#[test]
fn a_panic_ends_its_request_only() {
    let server = Server::start();
    let text = r#"{"message":"the engine made a mistake, which is in its log"}"#;
    assert_eq!(server.get("/panic"), (500, text.to_owned()));
    assert_eq!(server.get("/ok"), (200, "fine".to_owned()));
}

#[test]
fn bodies_are_read_by_dockers_rules() {
    let server = Server::start();
    let json = "Content-Type: application/json\r\n";
    #[track_caller]
    fn check(server: &Server, headers: &str, body: &str, status: u16, text: &str) {
        let (got, answer) = server.post("/v1.50/name", headers, body);
        assert_eq!((got, answer.contains(text)), (status, true), "{body}: {answer}");
    }
    check(&server, json, r#"{"Name":"n","Unknown":1}"#, 200, r#"{"Id":"n"}"#);
    check(
        &server,
        "Content-Type: application/json; charset=utf-8\r\n",
        r#"{"name":"n"}"#,
        200,
        r#"{"Id":"n"}"#,
    );
    check(&server, "", "", 200, r#"{"Id":""}"#);
    check(&server, json, "", 200, r#"{"Id":""}"#);
    check(&server, "", "{}", 400, "malformed Content-Type header (): mime: no media type");
    check(
        &server,
        "Content-Type: text/plain\r\n",
        "{}",
        400,
        "unsupported Content-Type header (text/plain): must be 'application/json'",
    );
    check(&server, json, "{", 400, "invalid JSON: unexpected EOF");
    check(&server, json, "{}{}", 400, "unexpected content after JSON");
    check(&server, json, " ", 400, "invalid JSON: got EOF while reading request body");
    check(
        &server,
        json,
        r#"{"Name":1}"#,
        400,
        "cannot unmarshal number into Go struct field CreateRequest.Name of type string",
    );
    check(&server, json, &"[".repeat(200_000), 400, "invalid JSON");
}

#[test]
fn a_huge_body_is_drained_and_refused() {
    let server = Server::start();
    let mut stream = server.connect();
    let length = 100 << 20;
    write!(
        stream,
        "POST /name HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    .expect("a head");
    let piece = vec![b' '; 1 << 20];
    for _ in 0..100 {
        stream.write_all(&piece).expect("a client that does not read first can write all of it");
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[test]
fn absurd_requests_get_an_answer_or_a_closed_connection() {
    let server = Server::start();
    let many = "X: y\r\n".repeat(500);
    let long = "x".repeat(1 << 20);
    for request in [
        format!("GET /ok HTTP/1.1\r\n{many}\r\n"),
        format!("GET /ok HTTP/1.1\r\nX: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        "GET /ok HTTP/9.9\r\n\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        "POST /name HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST /name HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
    ] {
        let mut stream = server.connect();
        // The server may close before all of it is written.
        drop(stream.write_all(request.as_bytes()));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}: {answer}", &request[..20]);
    }
    assert_eq!(server.get("/ok"), (200, "fine".to_owned()));
}

#[test]
fn clients_that_go_away_half_way_harm_nobody() {
    let server = Server::start();
    for request in [
        "GET /ok HT",
        "POST /name HTTP/1.1\r\nContent-Length: 50\r\n\r\nhalf",
        "GET /endless HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).expect("written");
    }
    assert_eq!(server.get("/ok"), (200, "fine".to_owned()));
}

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::start();
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(b"GET /v1.50/ok HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
        let mut answer = Vec::new();
        while !answer.ends_with(b"fine") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("more");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[test]
fn a_stream_begins_at_once_and_ends_with_the_engine() {
    let server = Server::start();
    let mut stream = server.connect();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
    let mut seen = String::new();
    while !seen.contains("first\n") {
        let mut piece = [0; 64];
        let length = stream.read(&mut piece).expect("more");
        assert!(length > 0, "ended too early: {seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
    drop(server);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the end");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream ends properly");
}

#[test]
fn a_hijacked_connection_is_raw() {
    let server = Server::start();
    let answer = server.ask(
        "POST /v1.50/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
    );
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    assert!(head.contains("content-type: application/vnd.docker.multiplexed-stream"), "{head}");
    assert!(head.contains("upgrade: tcp"), "{head}");
    assert_eq!(body, "\x01\0\0\0\0\0\0\x05hello\x02\0\0\0\0\0\0\x04done");
    let answer = server.ask(
        "POST /v1.41/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(answer.contains("content-type: application/vnd.docker.raw-stream"), "{answer}");
}

#[test]
fn without_upgrade_the_output_is_the_body() {
    let server = Server::start();
    let (status, body) = server.post("/v1.50/echo", "", "");
    assert_eq!(status, 200);
    assert!(body.contains("hello") && body.contains("done"), "{body}");
}
