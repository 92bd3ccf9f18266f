//! The client against a small server on a socket, which answers with prepared bytes.

use std::path::PathBuf;

use api::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// Serves one connection after the other, each with the next script.
struct Server {
    directory: tempfile::TempDir,
    listener: UnixListener,
}

impl Server {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("s")).expect("a socket");
        Self { directory, listener }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn client(&self) -> Client {
        Client::with_version(Host::Unix(self.path()), Version::v1(44))
    }

    async fn accept(&self) -> UnixStream {
        self.listener.accept().await.expect("a client").0
    }
}

/// The head of the next request.
async fn head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    String::from_utf8(head).expect("text")
}

async fn answer(stream: &mut UnixStream, status: &str, body: &str) {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.expect("a client that reads");
}

#[tokio::test]
async fn the_version_is_the_engines_newest() {
    let server = Server::new();
    let client = Client::new(Host::Unix(server.path()));
    let serve = async {
        let mut stream = server.accept().await;
        assert!(head(&mut stream).await.starts_with("HEAD /_ping HTTP/1.1"));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n")
            .await
            .expect("a client");
        let request = head(&mut stream).await;
        assert!(request.starts_with("GET /v1.41/containers/a%20b/json HTTP/1.1"), "{request}");
        answer(&mut stream, "200 OK", r#"{"Id":"x"}"#).await;
    };
    let ask = client.json::<api::exec::IdResponse>(Call::get(["containers", "a b", "json"]));
    let ((), document) = tokio::join!(serve, ask);
    assert_eq!(document.expect("a document").id, "x");
}

#[tokio::test]
async fn errors_are_in_the_engines_words() {
    let server = Server::new();
    let client = server.client();
    let serve = async {
        let mut stream = server.accept().await;
        for (status, body) in [
            ("404 Not Found", r#"{"message":"No such container: x"}"#),
            ("409 Conflict", "plain words\n"),
            ("500 Internal Server Error", ""),
        ] {
            head(&mut stream).await;
            answer(&mut stream, status, body).await;
        }
    };
    let ask = async {
        let mut texts = Vec::new();
        for _ in 0..3 {
            texts.push(client.done(Call::post(["x"])).await.expect_err("an error").to_string());
        }
        texts
    };
    let ((), texts) = tokio::join!(serve, ask);
    assert_eq!(
        texts,
        [
            "Error response from daemon: No such container: x",
            "Error response from daemon: plain words",
            "Error response from daemon: 500 Internal Server Error",
        ]
    );
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_explained() {
    let client = Client::new(Host::Unix("/nonexistent/socket".into()));
    let error = client.version().await.expect_err("nobody listens");
    assert!(error.to_string().contains("Cannot connect to the engine at unix:///nonexistent/socket"));
    assert!(error.to_string().contains("sudo tombolo daemon"));
}

#[tokio::test]
async fn a_hijacked_connection_carries_both_ways_and_half_closes() {
    let server = Server::new();
    let client = server.client();
    let serve = async {
        let mut stream = server.accept().await;
        let request = head(&mut stream).await.to_ascii_lowercase();
        assert!(request.contains("upgrade: tcp") && request.contains("connection: upgrade"), "{request}");
        stream
            .write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            .await
            .expect("a client");
        let mut input = String::new();
        // Ends with the client's half-close; after it, output still goes the other way.
        stream.read_to_string(&mut input).await.expect("input");
        let mut output = Vec::new();
        Stream::Stdout.frame(input.to_uppercase().as_bytes(), &mut output);
        Stream::Stderr.frame(b"warning", &mut output);
        for byte in output {
            stream.write_all(&[byte]).await.expect("a client that reads");
        }
        drop(stream);
    };
    let ask = async {
        let hijacked = client.hijack(Call::post(["containers", "x", "attach"])).await.expect("a connection");
        let (mut reader, mut writer) = hijacked.split(false);
        writer.send(b"hello").await.expect("a reader");
        writer.close().await.expect("half of it");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some((stream, piece)) = reader.next().await.expect("frames") {
            if stream == Stream::Stderr { err.extend(piece) } else { out.extend(piece) }
        }
        (out, err)
    };
    let ((), output) = tokio::join!(serve, ask);
    assert_eq!(output, (b"HELLO".to_vec(), b"warning".to_vec()));
}

#[tokio::test]
async fn lines_come_in_any_pieces() {
    let server = Server::new();
    let client = server.client();
    let serve = async {
        let mut stream = server.accept().await;
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("a client");
        for piece in ["{\"Id\":", "\"a\"}\n{\"Id\"", ":\"b\"}\n\n", "{\"Id\":\"c\"}"] {
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            stream.write_all(chunk.as_bytes()).await.expect("a client");
        }
        stream.write_all(b"0\r\n\r\n").await.expect("a client");
    };
    let ask = async {
        let mut lines = client.send(Call::get(["events"])).await?.lines::<api::exec::IdResponse>();
        let mut ids = Vec::new();
        while let Some(line) = lines.next().await? {
            ids.push(line.id);
        }
        Ok::<_, ClientError>(ids)
    };
    let ((), ids) = tokio::join!(serve, ask);
    assert_eq!(ids.expect("lines"), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_busy_connection_does_not_hold_up_the_next_request() {
    let server = Server::new();
    let client = server.client();
    let serve = async {
        let mut first = server.accept().await;
        head(&mut first).await;
        first.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("a client");
        let mut second = server.accept().await;
        head(&mut second).await;
        answer(&mut second, "204 No Content", "").await;
        first.write_all(b"2\r\n{}\r\n0\r\n\r\n").await.expect("a client");
    };
    let ask = async {
        let waiting = client.send(Call::post(["wait"])).await?;
        client.done(Call::post(["start"])).await?;
        waiting.bytes().await
    };
    let ((), body) = tokio::join!(serve, ask);
    assert_eq!(&body.expect("a body")[..], b"{}");
}
