//! The context of a build: the files of a directory as an archive, less those of `.dockerignore`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dockerfile::Ignore;
use futures_util::Stream;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Bytes that are sent at once, and pieces that wait to be sent.
const PIECE: usize = 64 << 10;
const QUEUE: usize = 16;
/// The name of a Dockerfile that is not in the directory.
const ELSEWHERE: &str = ".dockerfile.tombolo";

/// What is packed.
#[derive(Debug)]
pub(crate) struct Context {
    top: PathBuf,
    ignore: Ignore,
    /// The Dockerfile's name in the archive.
    pub(crate) dockerfile: String,
    /// Its content, if it is not in the directory.
    extra: Option<Vec<u8>>,
}

impl Context {
    /// A directory, with the Dockerfile that is in it, elsewhere, or on standard input (`-`).
    pub(crate) fn of(directory: &str, dockerfile: Option<&str>) -> Result<Self, Failure> {
        let failed = || Failure::file(format!("unable to prepare context: {directory}"));
        let top = fs::canonicalize(directory).map_err(failed())?;
        if !top.is_dir() {
            return Err(Failure::Said(format!("unable to prepare context: {directory} is not a directory")));
        }
        let (dockerfile, extra) = find(&top, dockerfile)?;
        let ignore = match fs::read_to_string(top.join(".dockerignore")) {
            Ok(text) => Ignore::parse(&text).map_err(|rule| {
                Failure::Said(format!("the pattern {rule:?} in .dockerignore is malformed"))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ignore::default(),
            Err(error) => return Err(failed()(error)),
        };
        Ok(Self { top, ignore, dockerfile, extra })
    }

    /// A Dockerfile alone.
    pub(crate) fn alone(dockerfile: Vec<u8>) -> Self {
        let top = PathBuf::new();
        Self { top, ignore: Ignore::default(), dockerfile: ELSEWHERE.to_owned(), extra: Some(dockerfile) }
    }

    /// The archive, packed while it is sent.
    pub(crate) fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (pieces, mut receiver) = mpsc::channel(QUEUE);
        // The thread ends with the program, or when nobody takes its pieces.
        std::thread::spawn(move || {
            let output = Pieces { piece: Vec::with_capacity(PIECE), sender: pieces.clone() };
            if let Err(error) = self.write(output) {
                let _gone = pieces.blocking_send(Err(error));
            }
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
    }

    fn write(&self, output: impl Write) -> io::Result<()> {
        let mut archive = Builder::new(output);
        if !self.top.as_os_str().is_empty() {
            self.directory(&mut archive, "")?;
        }
        if let Some(content) = &self.extra {
            let mut header = Header::new_gnu();
            header.set_mode(0o600);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, &self.dockerfile, content.as_slice())?;
        }
        archive.into_inner()?.flush()
    }

    fn directory(&self, archive: &mut Builder<impl Write>, path: &str) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.top.join(path))? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            let name = name.to_str().ok_or_else(|| unreadable(&name.to_string_lossy()))?.to_owned();
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            self.entry(archive, &path)?;
        }
        Ok(())
    }

    fn entry(&self, archive: &mut Builder<impl Write>, path: &str) -> io::Result<()> {
        let whole = self.top.join(path);
        let metadata = match fs::symlink_metadata(&whole) {
            // It was there a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let is_left_out = self.leaves_out(path);
        let mut header = header(&metadata);
        if metadata.is_dir() {
            if !is_left_out {
                archive.append_data(&mut header, path, io::empty())?;
            }
            let may_hold_more = !is_left_out || self.ignore.has_exceptions();
            return if may_hold_more { self.directory(archive, path) } else { Ok(()) };
        }
        if is_left_out {
            return Ok(());
        }
        if metadata.is_symlink() {
            return archive.append_link(&mut header, path, fs::read_link(&whole)?);
        }
        if metadata.is_file() {
            let file = File::open(&whole).map_err(|error| naming(path, &error))?;
            // A file that grows meanwhile must not become longer than its header says.
            return archive.append_data(&mut header, path, file.take(metadata.len()));
        }
        if metadata.file_type().is_fifo() {
            header.set_entry_type(EntryType::Fifo);
            return archive.append_data(&mut header, path, io::empty());
        }
        // Sockets and devices are nothing that is built from.
        Ok(())
    }

    /// The engine needs the Dockerfile and the rules, and leaves them out itself.
    fn leaves_out(&self, path: &str) -> bool {
        path != self.dockerfile && path != ".dockerignore" && self.ignore.excludes(path)
    }
}

/// The Dockerfile's name in the archive, and its content if it is not in the directory.
fn find(top: &Path, dockerfile: Option<&str>) -> Result<(String, Option<Vec<u8>>), Failure> {
    let Some(path) = dockerfile else { return Ok(("Dockerfile".to_owned(), None)) };
    let failed = || Failure::file(format!("unable to read the Dockerfile {path}"));
    if path == "-" {
        let mut content = Vec::new();
        io::stdin().lock().read_to_end(&mut content).map_err(failed())?;
        return Ok((ELSEWHERE.to_owned(), Some(content)));
    }
    let whole = fs::canonicalize(path).map_err(failed())?;
    match whole.strip_prefix(top).ok().and_then(Path::to_str) {
        Some(inside) => Ok((inside.to_owned(), None)),
        None => Ok((ELSEWHERE.to_owned(), Some(fs::read(&whole).map_err(failed())?))),
    }
}

/// Everything is root's: the engine does not know the people of this side.
fn header(metadata: &fs::Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata(metadata);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(metadata.mode() & 0o7777);
    header
}

fn unreadable(name: &str) -> io::Error {
    io::Error::other(format!("the name {name:?} is not UTF-8"))
}

fn naming(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {path}: {error}"))
}

/// Collects what is written into pieces.
struct Pieces {
    piece: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(data);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(context: &Context) -> Vec<String> {
        let mut bytes = Vec::new();
        context.write(&mut bytes).expect("an archive");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().expect("entries").map(|entry| {
            let entry = entry.expect("an entry");
            assert_eq!(entry.header().uid().expect("an owner"), 0);
            entry.path().expect("a path").display().to_string()
        });
        entries.collect()
    }

    #[test]
    fn what_is_left_out_is_not_packed() {
        let dir = tempfile::tempdir().expect("a directory");
        for path in ["Dockerfile", "a/b.log", "a/keep.log", "c/d", "e/f/g", "e/x"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, "x").expect("a file");
        }
        let rules = "Dockerfile\n**/*.log\n!a/keep.log\nc\ne\n!e/f\n.dockerignore\n";
        fs::write(dir.path().join(".dockerignore"), rules).expect("a file");
        let context = Context::of(dir.path().to_str().expect("text"), None).expect("a context");
        assert_eq!(packed(&context), [".dockerignore", "Dockerfile", "a", "a/keep.log", "e/f", "e/f/g"]);
    }

    #[test]
    fn a_dockerfile_elsewhere_comes_along() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("sub")).expect("a directory");
        fs::write(dir.path().join("other"), "FROM x").expect("a file");
        let text = |path: &str| dir.path().join(path).to_str().expect("text").to_owned();
        let context = Context::of(&text("sub"), Some(&text("other"))).expect("a context");
        assert_eq!(packed(&context), [ELSEWHERE]);
        let context = Context::of(&text(""), Some(&text("other"))).expect("a context");
        assert_eq!(
            (context.dockerfile.as_str(), packed(&context)),
            ("other", vec!["other".into(), "sub".into()])
        );
    }
}
