//! Images made of files instead of fetched: the default image, and those of tests.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::config::{HistoryEntry, ImageConfig, ImageDocument, RootfsLayers, host_architecture};
use crate::{Digest, LayerId};

/// The name of the default image.
pub const DEFAULT_IMAGE: &str = "tombolo/busybox:latest";

/// What the default image's shell and tools are called; BusyBox does what its name says.
/// All of them are in Debian's busybox-static.
const APPLETS: &str = "[ [[ arp arping ash awk base64 basename brctl cat chgrp chmod chown chroot clear cmp cp cut date \
     dc dd df diff dirname dmesg dnsdomainname du echo egrep env expand expr factor false fgrep find \
     fold free ftpget ftpput getopt grep groups gunzip gzip head hexdump hostid hostname httpd id \
     ifconfig ip ipcalc ipneigh kill killall less link ln logger ls md5sum mkdir mkfifo mknod mktemp \
     more mount mv nameif nc netstat nl nproc nsenter nslookup od paste patch pidof ping ping6 printf \
     ps pwd readlink realpath renice reset rev rm rmdir route sed seq setpriv setsid sh sha1sum \
     sha256sum sha512sum shuf sleep sort ssl_client stat strings stty su sync sysctl tac tail tar \
     taskset tee telnet telnetd test tftp time timeout top touch tr traceroute traceroute6 true \
     truncate tty umount uname uniq unlink unshare uptime usleep uudecode uuencode vconfig vi watch wc \
     wget which who whoami xargs xxd yes zcat";

/// A file of an image that is made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u64,
    pub content: FileContent,
}

/// What kind of file, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    Directory,
    File(Vec<u8>),
    /// The target as it is written in the link.
    Symlink(Vec<u8>),
    /// Another name of this path.
    HardLink(Vec<u8>),
    Fifo,
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
}

impl FileEntry {
    /// A directory of root's.
    #[must_use]
    pub fn directory(path: &str, mode: u32) -> Self {
        Self::new(path, mode, FileContent::Directory)
    }

    /// A file of root's.
    #[must_use]
    pub fn file(path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        Self::new(path, mode, FileContent::File(content.into()))
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(path: &str, target: &str) -> Self {
        Self::new(path, 0o777, FileContent::Symlink(target.into()))
    }

    fn new(path: &str, mode: u32, content: FileContent) -> Self {
        Self { path: path.into(), mode, uid: 0, gid: 0, mtime: 0, content }
    }
}

/// Writes a `docker save` archive of an image with one layer; [`crate::Images::load`] reads it.
pub fn image_from_files(name: &str, entries: &[FileEntry], config: &ImageConfig) -> io::Result<Vec<u8>> {
    let layer = layer_archive(entries)?;
    let document = ImageDocument {
        architecture: host_architecture().to_owned(),
        os: "linux".to_owned(),
        created: Some("1970-01-01T00:00:00Z".to_owned()),
        config: config.clone(),
        rootfs: RootfsLayers { kind: "layers".to_owned(), diff_ids: vec![LayerId(Digest::of(&layer))] },
        history: vec![HistoryEntry { created_by: "files".to_owned(), ..HistoryEntry::default() }],
        ..ImageDocument::default()
    };
    let document = serde_json::to_vec(&document)?;
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let manifest = json!([{ "Config": blob(&document), "RepoTags": [name], "Layers": [blob(&layer)] }]);
    let mut archive = Builder::new(Vec::new());
    for (path, bytes) in [
        (blob(&layer), layer),
        (blob(&document), document),
        ("manifest.json".to_owned(), manifest.to_string().into()),
    ] {
        append(&mut archive, &FileEntry::file(&path, 0o644, bytes))?;
    }
    archive.into_inner()
}

/// The default image: one static executable that is all of BusyBox.
pub fn default_image(busybox: &[u8]) -> io::Result<Vec<u8>> {
    image_from_files(DEFAULT_IMAGE, &default_files(busybox), &shell())
}

/// The default image with further files, under a name of its own.
pub fn default_image_with(name: &str, busybox: &[u8], files: Vec<FileEntry>) -> io::Result<Vec<u8>> {
    let mut entries = default_files(busybox);
    entries.extend(files);
    image_from_files(name, &entries, &shell())
}

fn default_files(busybox: &[u8]) -> Vec<FileEntry> {
    let mut entries: Vec<_> = [
        ("", 0o755),
        ("bin", 0o755),
        ("dev", 0o755),
        ("etc", 0o755),
        ("proc", 0o555),
        ("root", 0o700),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr", 0o755),
        ("var", 0o755),
        ("var/www", 0o755),
    ]
    .map(|(path, mode)| FileEntry::directory(path, mode))
    .into();
    entries.push(FileEntry::file("bin/busybox", 0o755, busybox));
    let applets = APPLETS.split_whitespace();
    entries.extend(applets.map(|applet| FileEntry::symlink(&format!("bin/{applet}"), "busybox")));
    entries.extend([
        FileEntry::symlink("usr/bin", "../bin"),
        FileEntry::symlink("sbin", "bin"),
        FileEntry::file(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\n\
             www-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        ),
        FileEntry::file("etc/group", 0o644, "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n"),
        FileEntry::file("var/www/index.html", 0o644, "<h1>It works.</h1>\n"),
    ]);
    entries
}

/// The default image made of a directory of the host, which should have a `bin/sh`.
pub fn default_image_of_directory(directory: &Path) -> io::Result<Vec<u8>> {
    image_from_files(DEFAULT_IMAGE, &directory_entries(directory)?, &shell())
}

fn shell() -> ImageConfig {
    ImageConfig {
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
        cmd: Some(vec!["sh".to_owned()]),
        ..ImageConfig::default()
    }
}

/// All files of a directory of the host, parents first; sockets are left out.
pub fn directory_entries(directory: &Path) -> io::Result<Vec<FileEntry>> {
    let mut entries = Vec::new();
    let mut first_names = HashMap::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(path) = ahead.pop() {
        let status = fs::symlink_metadata(&path)?;
        let inside = path.strip_prefix(directory).map_err(io::Error::other)?.as_os_str().as_bytes();
        if let Some(content) = content(&path, &status, &mut first_names, inside)? {
            entries.push(FileEntry {
                path: inside.to_owned(),
                mode: status.mode() & 0o7777,
                uid: status.uid(),
                gid: status.gid(),
                mtime: u64::try_from(status.mtime()).unwrap_or(0),
                content,
            });
        }
        if status.is_dir() {
            for entry in fs::read_dir(&path)? {
                ahead.push(entry?.path());
            }
        }
    }
    Ok(entries)
}

/// The first name of each file with several, by file system and number.
type FirstNames = HashMap<(u64, u64), Vec<u8>>;

fn content(
    path: &Path,
    status: &fs::Metadata,
    first_names: &mut FirstNames,
    inside: &[u8],
) -> io::Result<Option<FileContent>> {
    let kind = status.file_type();
    if !kind.is_dir() && status.nlink() > 1 {
        let known = first_names.entry((status.dev(), status.ino())).or_insert_with(|| inside.to_owned());
        if known.as_slice() != inside {
            return Ok(Some(FileContent::HardLink(known.clone())));
        }
    }
    let (major, minor) = linux::root::device_numbers(status.rdev());
    Ok(Some(if kind.is_dir() {
        FileContent::Directory
    } else if kind.is_file() {
        FileContent::File(fs::read(path)?)
    } else if kind.is_symlink() {
        FileContent::Symlink(fs::read_link(path)?.as_os_str().as_bytes().to_owned())
    } else if kind.is_fifo() {
        FileContent::Fifo
    } else if kind.is_char_device() {
        FileContent::CharDevice { major, minor }
    } else if kind.is_block_device() {
        FileContent::BlockDevice { major, minor }
    } else {
        return Ok(None);
    }))
}

/// The uncompressed archive of one layer.
pub(crate) fn layer_archive(entries: &[FileEntry]) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    entries.iter().try_for_each(|entry| append(&mut archive, entry))?;
    archive.into_inner()
}

pub(crate) fn append(archive: &mut Builder<Vec<u8>>, entry: &FileEntry) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(entry.mtime);
    header.set_size(0);
    let mut content: &[u8] = &[];
    let mut link: &[u8] = &[];
    let kind = match &entry.content {
        FileContent::Directory => EntryType::Directory,
        FileContent::File(bytes) => {
            content = bytes;
            header.set_size(bytes.len() as u64);
            EntryType::Regular
        }
        FileContent::Symlink(target) => {
            link = target;
            EntryType::Symlink
        }
        FileContent::HardLink(target) => {
            link = target;
            EntryType::Link
        }
        FileContent::Fifo => EntryType::Fifo,
        FileContent::CharDevice { major, minor } => {
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
            EntryType::Char
        }
        FileContent::BlockDevice { major, minor } => {
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
            EntryType::Block
        }
    };
    header.set_entry_type(kind);
    set_long(archive, &mut header, &entry.path, link)?;
    header.set_cksum();
    archive.append(&header, content)
}

/// Sets name and link target; what does not fit comes in an entry before (GNU).
/// The `tar` crate would change `//` and `./` in them.
fn set_long(archive: &mut Builder<Vec<u8>>, header: &mut Header, path: &[u8], link: &[u8]) -> io::Result<()> {
    let path = if path.is_empty() { b"./" } else { path };
    for (kind, bytes) in [(EntryType::GNULongName, path), (EntryType::GNULongLink, link)] {
        let old = header.as_old_mut();
        let field = if kind == EntryType::GNULongName { &mut old.name } else { &mut old.linkname };
        let fits = bytes.len().min(field.len());
        field[..fits].copy_from_slice(&bytes[..fits]);
        if bytes.len() <= field.len() {
            continue;
        }
        let mut long = Header::new_gnu();
        long.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
        long.set_entry_type(kind);
        long.set_size(bytes.len() as u64 + 1);
        long.set_cksum();
        archive.append(&long, [bytes, b"\0"].concat().as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
