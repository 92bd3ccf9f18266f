//! Archives of images, honest ones and what nobody honest would write.

use std::{collections::BTreeSet, fs, io::Write};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use image::Digest;
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// An archive that is being written, entry by entry. Paths are written as they are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// A directory of root's.
    #[must_use]
    pub fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", &[])
    }

    /// A file of root's that anybody may run.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, path, "", content.as_ref())
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, &[])
    }

    /// Another name of a file.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, &[])
    }

    /// A character or block device, or a FIFO.
    #[must_use]
    pub fn device(self, kind: EntryType, path: &str, (major, minor): (u32, u32)) -> Self {
        let mut header = header(kind, path, "");
        header.set_device_major(major).expect("the format has devices");
        header.set_device_minor(minor).expect("the format has devices");
        self.append(header, &[])
    }

    /// An extended attribute of the next entry.
    #[must_use]
    pub fn xattr(self, name: &str, value: &[u8]) -> Self {
        self.records(&[(&format!("SCHILY.xattr.{name}"), value)])
    }

    /// PAX records of the next entry.
    #[must_use]
    pub fn records(self, records: &[(&str, &[u8])]) -> Self {
        let records: Vec<_> = records.iter().map(|(key, value)| pax(key, value)).collect();
        self.entry(EntryType::XHeader, "pax", "", &records.concat())
    }

    /// A header that promises a content, and nothing after it.
    #[must_use]
    pub fn claiming(self, kind: EntryType, path: &str, size: u64) -> Self {
        let mut header = header(kind, path, "");
        header.set_size(size);
        self.append(header, &[])
    }

    /// The entries of another one behind these.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// An entry of any kind.
    #[must_use]
    pub fn entry(self, kind: EntryType, path: &str, link: &str, content: &[u8]) -> Self {
        let mut header = header(kind, path, link);
        header.set_size(content.len() as u64);
        self.append(header, content)
    }

    fn append(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A header with nothing checked: `..` and leading slashes are what tests are after.
fn header(kind: EntryType, path: &str, link: &str) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let fields = header.as_gnu_mut().expect("the header was made so");
    fields.name[..path.len()].copy_from_slice(path.as_bytes());
    fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// How a layer or an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Gzip, Self::Zstd];

    /// The bytes as they are packed.
    ///
    /// # Errors
    /// What the library says.
    pub fn pack(self, plain: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Plain => plain.to_vec(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(plain)?;
                encoder.finish()?
            }
            Self::Zstd => zstd::encode_all(plain, 1)?,
        })
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A layer with a static shell, and nothing else that is not needed to run it.
///
/// # Errors
/// If busybox is not installed.
pub fn shell() -> Result<Vec<u8>> {
    let busybox = fs::read("/bin/busybox").context("busybox-static is not installed")?;
    let tar = Tar::default().dir("bin/").file("bin/busybox", busybox);
    let tools = ["sh", "cat", "ls", "stat", "find", "mount", "sleep", "test", "true", "echo", "sort", "head"];
    Ok(tools.iter().fold(tar, |tar, tool| tar.hard_link(&format!("bin/{tool}"), "bin/busybox")).finish())
}

/// The configuration of an image with these layers, uncompressed.
pub fn configuration(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let history: Vec<_> =
        (0..layers.len()).map(|number| json!({"created_by": format!("step {number}")})).collect();
    let document = json!({
        "architecture": image::host_architecture(), "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ids}, "history": history,
    });
    document.to_string().into_bytes()
}

/// What `docker save` writes of images: names and layers, lowest first.
pub fn docker(images: &[(&[&str], &[Vec<u8>])]) -> Vec<u8> {
    let (mut tar, mut manifest, mut written) = (Tar::default(), Vec::new(), BTreeSet::new());
    let path = |blob: &[u8]| format!("blobs/sha256/{}", Digest::of(blob).hex());
    for (names, layers) in images {
        let config = configuration(layers);
        let paths: Vec<_> = layers.iter().map(|layer| path(layer)).collect();
        manifest.push(json!({"Config": path(&config), "RepoTags": names, "Layers": paths}));
        for blob in layers.iter().chain([&config]) {
            if written.insert(path(blob)) {
                tar = tar.file(&path(blob), blob);
            }
        }
    }
    tar.file("manifest.json", Value::Array(manifest).to_string()).finish()
}

/// An OCI layout with one image, its layers packed in some way.
///
/// # Errors
/// What the library that packs says.
pub fn oci(name: &str, layers: &[Vec<u8>], packing: Packing) -> Result<Vec<u8>> {
    let descriptor = |kind: &str, blob: &[u8]| json!({"mediaType": kind, "digest": Digest::of(blob).to_string(), "size": blob.len()});
    let config = configuration(layers);
    let blobs = layers.iter().map(|layer| packing.pack(layer)).collect::<Result<Vec<_>>>()?;
    let listed: Vec<_> = blobs.iter().map(|blob| descriptor(packing.media_type(), blob)).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config), "layers": listed,
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] =
        json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    let tar = Tar::default().file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let tar = tar.file("index.json", index.to_string());
    let all = blobs.iter().chain([&config, &manifest]);
    let add = |tar: Tar, blob: &Vec<u8>| tar.file(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
    Ok(all.fold(tar, add).finish())
}
