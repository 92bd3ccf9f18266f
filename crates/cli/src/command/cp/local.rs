//! Files on this side, from archives and to archives.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes};
use tar::{Archive, Builder, Header};
use tokio::sync::mpsc;

use super::target::Target;
use crate::failure::Failure;
use crate::output;

/// Bytes of a piece.
const PIECE: usize = 128 << 10;

/// Something that is copied from here: where it is, once a link at its end is followed or not.
#[derive(Clone, Debug)]
pub(super) struct Local {
    path: PathBuf,
    status: fs::Metadata,
}

impl Local {
    pub(super) fn is_dir(&self) -> bool {
        self.status.is_dir()
    }
}

/// Looks at what should be copied.
pub(super) fn source(path: &str, follows: bool) -> Result<Local, Failure> {
    let follows = follows || path.ends_with('/') || path.ends_with("/.");
    let status = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
    let status = status.map_err(Failure::file(format!("lstat {path}")))?;
    Ok(Local { path: path.into(), status })
}

/// Sends an archive of something under another name; without one, of what is in it. Tells its bytes.
pub(super) fn pack(
    local: &Local,
    name: Option<&str>,
    keeps_owners: bool,
    pieces: mpsc::Sender<io::Result<Bytes>>,
) -> Result<usize, Failure> {
    let output = Sending { pieces: pieces.clone(), piece: Vec::with_capacity(PIECE), sent: 0 };
    let failed = |error: io::Error| {
        drop(pieces.blocking_send(Err(io::ErrorKind::Other.into())));
        Failure::file(format!("cannot copy {}", local.path.display()))(error)
    };
    let mut archive = Builder::new(output);
    let top = PathBuf::from(name.unwrap_or("."));
    let done = add_all(&mut archive, local, &top, keeps_owners).and_then(|()| archive.into_inner());
    let mut output = done.map_err(failed)?;
    output.flush().map_err(Failure::Output)?;
    Ok(output.sent)
}

fn add_all(archive: &mut Builder<Sending>, local: &Local, name: &Path, keeps_owners: bool) -> io::Result<()> {
    let mut ahead = vec![(local.path.clone(), name.to_owned(), local.status.clone())];
    while let Some((path, name, status)) = ahead.pop() {
        add(archive, &path, &name, &status, keeps_owners)?;
        if !status.is_dir() {
            continue;
        }
        let mut below: Vec<_> = fs::read_dir(&path)?.collect::<io::Result<_>>()?;
        below.sort_by_key(fs::DirEntry::file_name);
        for entry in below.into_iter().rev() {
            ahead.push((entry.path(), name.join(entry.file_name()), entry.metadata()?));
        }
    }
    Ok(())
}

fn add(
    archive: &mut Builder<Sending>,
    path: &Path,
    name: &Path,
    status: &fs::Metadata,
    keeps_owners: bool,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata(status);
    if !keeps_owners {
        header.set_uid(0);
        header.set_gid(0);
    }
    let kind = status.file_type();
    if kind.is_symlink() {
        header.set_size(0);
        return archive.append_link(&mut header, name, fs::read_link(path)?);
    }
    if kind.is_file() {
        return archive.append_data(
            &mut header,
            name,
            Exactly { file: File::open(path)?, left: status.len() },
        );
    }
    if kind.is_socket() {
        output::warn(&format!("{} is a socket: it is left out", path.display()));
        return Ok(());
    }
    header.set_size(0);
    archive.append_data(&mut header, name, io::empty())
}

/// As many bytes of a file as were promised, whatever becomes of it.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let mut length = self.file.read(&mut buffer[..most])?;
        if length == 0 {
            buffer[..most].fill(0);
            length = most;
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// Collects what is written into pieces and sends them.
struct Sending {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    sent: usize,
}

impl Write for Sending {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&buffer[..length]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sent += piece.len();
        let sent = self.pieces.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Reads pieces as they come.
struct Receiving {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Receiving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Unpacks an archive of something that is called `root` in it.
///
/// Whoever lives in the container has chosen the names: none leads out of the target, and no
/// link below it is followed.
pub(super) fn unpack(
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    root: &Path,
    target: &Target,
    keeps_owners: bool,
) -> Result<(), Failure> {
    let mut archive = Archive::new(Receiving { pieces, piece: Bytes::new() });
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(keeps_owners);
    let failed = || Failure::file("cannot unpack what came from the container");
    let mut directories = Vec::new();
    for entry in archive.entries().map_err(failed())? {
        let mut entry = entry.map_err(failed())?;
        let path = entry.path().map_err(failed())?.into_owned();
        let at = placed(&path, root, target)?;
        let shown = || Failure::file(format!("cannot write {}", at.display()));
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            make_directory(&at).map_err(shown())?;
            directories.push((at, Header::clone(entry.header())));
        } else if kind.is_character_special() || kind.is_block_special() {
            output::warn(&format!("{} is a device: it is left out", path.display()));
        } else if kind.is_hard_link() {
            let original = entry.link_name().map_err(failed())?.unwrap_or_default();
            let original = placed(&original, root, target)?;
            remove_file(&at).and_then(|()| fs::hard_link(original, &at)).map_err(shown())?;
        } else {
            entry.unpack(&at).map_err(shown())?;
        }
    }
    // Last: what is made in a directory changes its time, and some may not be written.
    for (at, header) in directories.into_iter().rev() {
        let shown = Failure::file(format!("cannot write {}", at.display()));
        finish_directory(&at, &header, keeps_owners).map_err(shown)?;
    }
    Ok(())
}

/// Where an entry goes. Its way there leads through no link.
fn placed(path: &Path, root: &Path, target: &Target) -> Result<PathBuf, Failure> {
    let leaves = || Failure::Said(format!("the archive's entry {} leaves its place", path.display()));
    let inner = path.strip_prefix(root).map_err(|_| leaves())?;
    let mut at = PathBuf::from(&target.directory);
    let name = target.name.iter().map(|name| Component::Normal(name.as_ref()));
    let mut ahead = name.chain(inner.components().filter(|part| *part != Component::CurDir)).peekable();
    while let Some(component) = ahead.next() {
        let Component::Normal(name) = component else { return Err(leaves()) };
        at.push(name);
        if ahead.peek().is_some() && fs::symlink_metadata(&at).is_ok_and(|found| found.is_symlink()) {
            return Err(Failure::Said(format!("{} is a link, which is not followed", at.display())));
        }
    }
    Ok(at)
}

fn make_directory(at: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(at) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::symlink_metadata(at)? {
            found if found.is_dir() => Ok(()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        },
        made => made,
    }
}

fn finish_directory(at: &Path, header: &Header, keeps_owners: bool) -> io::Result<()> {
    if keeps_owners {
        let [uid, gid] = [header.uid()?, header.gid()?].map(|id| u32::try_from(id).unwrap_or(0));
        std::os::unix::fs::lchown(at, Some(uid), Some(gid))?;
    }
    let directory = File::open(at)?;
    directory.set_permissions(fs::Permissions::from_mode(header.mode()? & 0o7777))?;
    directory.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(header.mtime()?))
}

fn remove_file(at: &Path) -> io::Result<()> {
    match fs::remove_file(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let here = tempfile::tempdir().expect("a directory");
        let directory = here.path().display().to_string();
        std::os::unix::fs::symlink("/etc", here.path().join("link")).expect("a link");
        let target = Target { directory: directory.clone(), name: Some("new".to_owned()) };
        let place = |path: &str, root: &str, target: &Target| {
            placed(Path::new(path), Path::new(root), target).map(|path| path.display().to_string())
        };
        assert_eq!(place("d/f", "d", &target).expect("a place"), format!("{directory}/new/f"));
        assert_eq!(place("/bin", "/", &target).expect("a place"), format!("{directory}/new/bin"));
        assert!(place("d/../../x", "d", &target).is_err());
        assert!(place("other", "d", &target).is_err());
        let content = Target { name: None, ..target };
        assert_eq!(place("./f", ".", &content).expect("a place"), format!("{directory}/f"));
        assert_eq!(place("./link", ".", &content).expect("itself"), format!("{directory}/link"));
        assert!(place("./link/passwd", ".", &content).is_err());
    }
}
