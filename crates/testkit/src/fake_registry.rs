//! A registry that does what it is told, right or wrong, and remembers what it was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use image::Digest;
use serde_json::{Value, json};

use crate::{
    Machine, Place,
    archive::{self, Packing},
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What one answer does instead of what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A status, with further lines of the header, each with its end.
    Status(u16, String),
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// Nothing comes after so many bytes of the body, and the connection stays.
    StallAfter(usize),
    /// The header promises so many bytes.
    Claims(usize),
    /// Other bytes.
    Body(Vec<u8>),
    /// It is elsewhere.
    Redirect(String),
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Such as `GET /v2/`.
    pub line: String,
    /// Its header, names in lower case.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Paths with media type and content.
    content: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    faults: Mutex<BTreeMap<String, VecDeque<Fault>>>,
    asked: Mutex<Vec<Asked>>,
    /// What every request must show, and the challenge for who does not.
    guard: Mutex<Option<(String, String)>>,
}

/// The server. It ends with the test's process.
#[derive(Clone, Debug)]
pub struct FakeRegistry {
    shared: Arc<Shared>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl FakeRegistry {
    /// Listens on an address in a stack of the machine.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start(machine: &Machine, place: Place<'_>, address: &str) -> Result<Self> {
        let listener = machine.listen(place, address)?;
        listener.set_nonblocking(false)?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, &serving));
        Ok(Self { shared, address })
    }

    /// Adds an image with these layers, packed with gzip, under a tag. Gives the digests of its manifest and of
    /// its layers' blobs.
    ///
    /// # Errors
    /// What the library that packs says.
    pub fn image(&self, name: &str, tag: &str, layers: &[Vec<u8>]) -> Result<(String, Vec<String>)> {
        let config = archive::configuration(layers);
        let config = self.blob(name, CONFIG, config);
        let mut listed = Vec::new();
        for layer in layers {
            listed.push(self.blob(name, LAYER, Packing::Gzip.pack(layer)?));
        }
        let digests = listed.iter().filter_map(|layer| layer["digest"].as_str()).map(str::to_owned).collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": listed });
        Ok((self.manifest(name, tag, MANIFEST, manifest.to_string().into_bytes()), digests))
    }

    /// Adds a list of manifests under a tag; gives its digest.
    pub fn index(&self, name: &str, tag: &str, entries: &[Value]) -> String {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        self.manifest(name, tag, INDEX, index.to_string().into_bytes())
    }

    /// Adds a document under a tag and under its digest, which it gives.
    pub fn manifest(&self, name: &str, tag: &str, media_type: &str, bytes: Vec<u8>) -> String {
        let digest = Digest::of(&bytes).to_string();
        for what in [tag, &digest] {
            let path = format!("/v2/{name}/manifests/{what}");
            lock(&self.shared.content).insert(path, (media_type.to_owned(), bytes.clone()));
        }
        digest
    }

    /// Adds a blob; gives its descriptor.
    pub fn blob(&self, name: &str, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = Digest::of(&bytes).to_string();
        let size = bytes.len();
        self.put(&format!("/v2/{name}/blobs/{digest}"), "application/octet-stream", bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// Has something at a path.
    pub fn put(&self, path: &str, media_type: &str, bytes: Vec<u8>) {
        lock(&self.shared.content).insert(path.to_owned(), (media_type.to_owned(), bytes));
    }

    /// The next answers at a path are these, one after the other; then it is right again.
    pub fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared.faults).entry(path.to_owned()).or_default().extend(faults);
    }

    /// Answers only who shows this in `Authorization`; others get the challenge.
    pub fn guard(&self, authorization: &str, challenge: &str) {
        *lock(&self.shared.guard) = Some((authorization.to_owned(), challenge.to_owned()));
    }

    /// What was asked since the last look.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.shared.asked))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        let shared = Arc::clone(shared);
        // A client that goes away is no mistake of the server's.
        thread::spawn(move || drop(answer(stream, &shared)));
    }
}

/// One request, one connection.
fn answer(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let asked = read(&stream)?;
    let words: Vec<&str> = asked.line.split(' ').collect();
    let (method, target) = (words[0], words.get(1).context("a path")?.to_owned());
    let path = target.split('?').next().unwrap_or_default().to_owned();
    lock(&shared.asked).push(asked.clone());
    let guard = lock(&shared.guard).clone().filter(|_| path.starts_with("/v2/"));
    let stranger = guard.filter(|(wanted, _)| asked.headers.get("authorization") != Some(wanted));
    if let Some((_, challenge)) = stranger {
        let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        let header = format!("WWW-Authenticate: {challenge}\r\n");
        return Ok(send(&mut stream, 401, &header, body, body.len())?);
    }
    let fault = lock(&shared.faults).get_mut(&path).and_then(VecDeque::pop_front);
    let found = lock(&shared.content).get(&path).cloned();
    let Some((media_type, body)) = found else {
        let status = if path == "/v2/" { 200 } else { 404 };
        let status = if let Some(Fault::Status(status, _)) = fault { status } else { status };
        return Ok(send(&mut stream, status, "", b"{}", 2)?);
    };
    let body = if method == "HEAD" { Vec::new() } else { body };
    let begin = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let begin = begin.and_then(|begin| begin.parse::<usize>().ok()).filter(|begin| *begin < body.len());
    let header = format!("Content-Type: {media_type}\r\n");
    match fault {
        None => {
            let (status, range, rest) = match begin {
                Some(begin) => {
                    let last = body.len() - 1;
                    (206, format!("Content-Range: bytes {begin}-{last}/{}\r\n", body.len()), &body[begin..])
                }
                None => (200, String::new(), &body[..]),
            };
            send(&mut stream, status, &(header + &range), rest, rest.len())?;
        }
        Some(Fault::Status(status, lines)) => send(&mut stream, status, &lines, b"", 0)?,
        Some(Fault::CutAfter(length)) => send(&mut stream, 200, &header, &body[..length], body.len())?,
        Some(Fault::StallAfter(length)) => {
            send(&mut stream, 200, &header, &body[..length], body.len())?;
            // Until the client goes away.
            drop(io::Read::read(&mut stream, &mut [0]));
        }
        Some(Fault::Claims(length)) => send(&mut stream, 200, &header, &body, length)?,
        Some(Fault::Body(other)) => send(&mut stream, 200, &header, &other, other.len())?,
        Some(Fault::Redirect(to)) => send(&mut stream, 307, &format!("Location: {to}\r\n"), b"", 0)?,
    }
    Ok(())
}

fn read(stream: &TcpStream) -> Result<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().context("no request")??;
    let line = first.rsplit_once(' ').map_or(first.as_str(), |(line, _)| line).to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Asked { line, headers })
}

fn send(stream: &mut TcpStream, status: u16, header: &str, body: &[u8], length: usize) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {length}\r\n{header}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    stream.flush()
}
