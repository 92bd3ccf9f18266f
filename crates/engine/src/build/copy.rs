//! `COPY` and `ADD`: which files are meant, what identifies them, and where they go. All of it blocks.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use dockerfile::{Copy, Glob, Inline};
use image::{
    Context, CopyAttributes, Digest, Images, TreeCopy, checksum, find_files, is_archive, resolve_user,
};
use linux::root::{FileKind, Root};

use super::change::joined;
use crate::error::CopyError;

/// `COPY` or `ADD`, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Copy,
    Add,
}

impl Word {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Copy => "COPY",
            Self::Add => "ADD",
        }
    }
}

/// Where files come from.
#[derive(Debug)]
pub(crate) enum From {
    Context(Arc<Context>),
    /// A stage or an image, mounted here.
    Image(PathBuf),
}

/// A copy whose files are known.
#[derive(Debug)]
pub(crate) struct Files {
    word: Word,
    copy: Copy,
    from: From,
    sources: Vec<PathBuf>,
    /// Files of the Dockerfile's own.
    inline: Option<Context>,
    /// Absolute, with a slash at its end if it is a directory.
    destination: String,
    mode: Option<u32>,
    /// What identifies all that is copied.
    pub(crate) sum: String,
}

impl Files {
    /// Finds what an instruction copies.
    pub(crate) fn find(
        (word, copy): (Word, Copy),
        from: From,
        workdir: &str,
        images: &Images,
    ) -> Result<Self, CopyError> {
        let root = from.root()?;
        let is_image = matches!(from, From::Image(_));
        let mut sources = Vec::new();
        for text in &copy.sources {
            sources.extend(find_source((word, text), root.as_root(), is_image)?);
        }
        let count = sources.len() + copy.inline.len();
        let destination = destination(workdir, &copy.destination);
        match count {
            0 => return Err(CopyError::NoSource),
            1 => {}
            _ if destination.ends_with('/') => {}
            _ => return Err(CopyError::ManyIntoOne { word: word.text() }),
        }
        let mode = mode(&copy.mode)?;
        let keeps_owner = is_image && copy.owner.is_empty();
        let attributes = CopyAttributes { owner: (!keeps_owner).then_some((0, 0)), mode };
        let sum = sum(root.as_root(), &sources, &copy.inline, attributes)?;
        let inline = inline(&copy.inline, images)?;
        drop(root);
        Ok(Self { word, copy, from, sources, inline, destination, mode, sum })
    }

    /// What the history shows: the same for the same files.
    pub(crate) fn shown(&self) -> String {
        let flag = |name: &str, value: &str| {
            if value.is_empty() { String::new() } else { format!("--{name}={value} ") }
        };
        let Copy { owner, mode, .. } = &self.copy;
        let flags = flag("chown", owner) + &flag("chmod", mode);
        format!("{} {flags}{} in {} ", self.word.text(), self.sum, self.destination)
    }

    /// Copies them into a root file system.
    pub(crate) fn put(&self, into: &Path, images: &Images) -> Result<(), CopyError> {
        let to = Root::open(into)?;
        let attributes = CopyAttributes { owner: self.owner(into)?, mode: self.mode };
        let from = self.from.root()?;
        let destination = Path::new(&self.destination);
        let mut copy = TreeCopy::new(from.as_root(), &to, attributes);
        for source in &self.sources {
            match self.unpacked(from.as_root(), source, images)? {
                Some(archive) => {
                    let own = CopyAttributes::default();
                    TreeCopy::new(archive.root(), &to, own).put(Path::new("."), destination)?;
                }
                None => copy.put(source, destination)?,
            }
        }
        if let Some(inline) = &self.inline {
            let mut copy = TreeCopy::new(inline.root(), &to, attributes);
            for Inline { name, .. } in &self.copy.inline {
                copy.put(Path::new(name), destination)?;
            }
        }
        Ok(())
    }

    /// `ADD` unpacks archives, which it knows by their content.
    fn unpacked(&self, from: &Root, source: &Path, images: &Images) -> Result<Option<Context>, CopyError> {
        if self.word == Word::Copy || from.target_status(source)?.kind != FileKind::File {
            return Ok(None);
        }
        if !is_archive(from.open_file(source)?) {
            return Ok(None);
        }
        let failed =
            |source_error| CopyError::Unpack { path: source.display().to_string(), source: source_error };
        images.context(from.open_file(source)?).map(Some).map_err(failed)
    }

    /// Who owns what is copied: whoever is asked for, as the image knows them; for files of
    /// another image their owners there; root.
    fn owner(&self, into: &Path) -> Result<Option<(u32, u32)>, CopyError> {
        match (&self.from, self.copy.owner.as_str()) {
            (From::Image(_), "") => Ok(None),
            (From::Context(_), "") => Ok(Some((0, 0))),
            (_, owner) => {
                let user = resolve_user(into, owner)?;
                // A number alone is the group, too.
                let alone = owner.parse::<u32>().ok();
                Ok(Some((user.uid, alone.unwrap_or(user.gid))))
            }
        }
    }
}

/// A root, borrowed or one's own.
enum Opened<'a> {
    Borrowed(&'a Root),
    Own(Root),
}

impl Opened<'_> {
    fn as_root(&self) -> &Root {
        match self {
            Self::Borrowed(root) => root,
            Self::Own(root) => root,
        }
    }
}

impl From {
    fn root(&self) -> Result<Opened<'_>, CopyError> {
        Ok(match self {
            Self::Context(context) => Opened::Borrowed(context.root()),
            Self::Image(path) => Opened::Own(Root::open(path)?),
        })
    }
}

/// The files that one source means.
fn find_source((word, text): (Word, &str), root: &Root, is_image: bool) -> Result<Vec<PathBuf>, CopyError> {
    if ["http://", "https://", "git://", "git@"].iter().any(|scheme| text.starts_with(scheme)) {
        let url = text.to_owned();
        return Err(if word == Word::Copy { CopyError::CopyUrl } else { CopyError::AddUrl { url } });
    }
    let path = inside(text, is_image)?;
    if let (true, Some(glob)) = (Glob::is_pattern(text), path.to_str().and_then(Glob::parse)) {
        let literal =
            |component: &Component<'_>| !component.as_os_str().to_str().is_some_and(Glob::is_pattern);
        let below: PathBuf = path.components().take_while(literal).collect();
        let wanted = |found: &Path| found.to_str().is_some_and(|found| glob.matches(found));
        return match find_files(root, &below, wanted) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            found => Ok(found?),
        };
    }
    match root.target_status(&path) {
        Ok(_) => Ok(vec![path]),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let path = path.display().to_string();
            Err(if is_image { CopyError::NotInImage { path } } else { CopyError::NotInContext { path } })
        }
        Err(error) => Err(error.into()),
    }
}

/// A path without its slash in front, `.` and `..`; one that climbs out of the context is refused.
fn inside(text: &str, is_image: bool) -> Result<PathBuf, CopyError> {
    let mut clean = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() && !is_image => {
                return Err(CopyError::Outside { path: text.to_owned() });
            }
            Component::ParentDir | Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// Absolute; `.`, `..` and a slash at the end mean a directory.
fn destination(workdir: &str, text: &str) -> String {
    let last = text.rsplit('/').next().unwrap_or_default();
    let is_directory = matches!(last, "" | "." | "..");
    let path = if text.starts_with('/') { joined("/", text) } else { joined(workdir, text) };
    if is_directory && path != "/" { path + "/" } else { path }
}

fn mode(text: &str) -> Result<Option<u32>, CopyError> {
    if text.is_empty() {
        return Ok(None);
    }
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.map(Some).ok_or_else(|| CopyError::Mode { mode: text.to_owned() })
}

/// One text for all files, as Docker's history has it.
fn sum(
    root: &Root,
    sources: &[PathBuf],
    inline: &[Inline],
    attributes: CopyAttributes,
) -> Result<String, CopyError> {
    let mut sums = Vec::new();
    for source in sources {
        let kind = match root.target_status(source)?.kind {
            FileKind::Directory => "dir",
            FileKind::File
            | FileKind::Symlink
            | FileKind::Fifo
            | FileKind::Socket
            | FileKind::CharDevice
            | FileKind::BlockDevice => "file",
        };
        sums.push(format!("{kind}:{}", checksum(root, source, attributes)?.hex()));
    }
    for Inline { name, content, .. } in inline {
        sums.push(format!("inline:{}", Digest::of(format!("{name}\0{content}").as_bytes()).hex()));
    }
    match &sums[..] {
        [only] => Ok(only.clone()),
        all => Ok(format!("multi:{}", Digest::of(all.join(",").as_bytes()).hex())),
    }
}

fn inline(files: &[Inline], images: &Images) -> Result<Option<Context>, CopyError> {
    if files.is_empty() {
        return Ok(None);
    }
    let files: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.content.as_bytes())).collect();
    let failed = |source| CopyError::Unpack { path: "a heredoc".to_owned(), source };
    images.context_of(&files).map(Some).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_absolute_and_keep_their_slash() {
        for (workdir, text, expected) in [
            ("", "a", "/a"),
            ("/w", "a/", "/w/a/"),
            ("/w", "/a/../b", "/b"),
            ("/w", ".", "/w/"),
            ("/w", "./x/..", "/w/"),
            ("", "/", "/"),
            ("", ".", "/"),
        ] {
            assert_eq!(destination(workdir, text), expected, "{workdir} {text}");
        }
    }

    #[test]
    fn sources_stay_inside() {
        assert_eq!(inside("/a/./b/../c", false).expect("a path"), Path::new("a/c"));
        assert_eq!(inside("../a", true).expect("a path"), Path::new("a"));
        let error = inside("a/../../b", false).expect_err("outside").to_string();
        assert_eq!(error, "forbidden path outside the build context: a/../../b ()");
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!((mode("").expect("none"), mode("0755").expect("one")), (None, Some(0o755)));
        assert!(mode("u+x").is_err() && mode("99").is_err() && mode("17777").is_err());
    }
}
