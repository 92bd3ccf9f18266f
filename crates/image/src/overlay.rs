//! What overlayfs sees in the directories it joins (Documentation/filesystems/overlayfs.rst).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use linux::root::{Dir, FileKind, Status};

use crate::walk::unless_gone;

/// Overlayfs's mark of a directory that hides all below.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";
/// Overlayfs's marks of what it keeps in another place.
pub(crate) const ELSEWHERE: [&str; 2] = ["trusted.overlay.redirect", "trusted.overlay.metacopy"];

/// Whether this is overlayfs's mark of something removed.
pub(crate) fn is_whiteout(status: &Status) -> bool {
    status.kind == FileKind::CharDevice && status.device == (0, 0)
}

/// Whether the directory of this name hides all below it.
pub(crate) fn is_opaque(dir: &Dir, name: &OsStr) -> io::Result<bool> {
    Ok(dir.xattr(name, OsStr::new(OPAQUE))?.is_some_and(|value| value == b"y"))
}

/// Who owns a directory and may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Attributes {
    /// Those of a layer's top, if the layer says nothing about it.
    const UNSAID: Self = Self { mode: 0o755, uid: 0, gid: 0 };

    pub(crate) const fn of(status: &Status) -> Self {
        Self { mode: status.mode, uid: status.uid, gid: status.gid }
    }

    /// What the lower directories of an overlay, the topmost first, say of `/`.
    pub(crate) fn of_top(lower: &[PathBuf]) -> io::Result<Self> {
        for path in lower {
            let said = Self::of(&Dir::open(path)?.own_status()?);
            if said != Self::UNSAID {
                return Ok(said);
            }
        }
        Ok(Self::UNSAID)
    }
}

/// The lower directories of an overlay, the topmost first, as one tree.
#[derive(Debug)]
pub(crate) struct Below(Vec<Dir>);

/// What one directory says about a path.
enum Said {
    Nothing,
    /// It is not there, and what is further below does not show.
    Hidden,
    Found(Dir, Status),
}

impl Below {
    pub(crate) fn open(lower: &[PathBuf]) -> io::Result<Self> {
        lower.iter().map(|path| Dir::open(path)).collect::<Result<_, _>>().map(Self)
    }

    /// What is at `path`; no link is followed.
    pub(crate) fn status(&self, path: &Path) -> io::Result<Option<Status>> {
        for layer in &self.0 {
            match look(layer, path)? {
                Said::Nothing => {}
                Said::Hidden => return Ok(None),
                Said::Found(_, status) => return Ok(Some(status)),
            }
        }
        Ok(None)
    }

    /// The names in the directory at `path`, if there is one.
    pub(crate) fn names(&self, path: &Path) -> io::Result<BTreeSet<OsString>> {
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for layer in &self.0 {
            let (dir, ends) = match path.file_name() {
                None => (layer.dir_again()?, false),
                Some(name) => match look(layer, path)? {
                    Said::Nothing => continue,
                    Said::Found(parent, status) if status.kind == FileKind::Directory => {
                        (parent.dir(name)?, is_opaque(&parent, name)?)
                    }
                    Said::Hidden | Said::Found(..) => break,
                },
            };
            for name in dir.names()? {
                if is_whiteout(&dir.status(&name)?) {
                    hidden.insert(name);
                } else if !hidden.contains(&name) {
                    names.insert(name);
                }
            }
            if ends {
                break;
            }
        }
        Ok(names)
    }
}

/// Goes to `path` by plain names; says in which directory it is.
fn look(layer: &Dir, path: &Path) -> io::Result<Said> {
    let mut dir = layer.dir_again()?;
    let mut opaque = false;
    let mut names = path.iter().peekable();
    while let Some(name) = names.next() {
        let Some(status) = unless_gone(dir.status(name))? else {
            return Ok(if opaque { Said::Hidden } else { Said::Nothing });
        };
        if is_whiteout(&status) {
            return Ok(Said::Hidden);
        }
        if names.peek().is_none() {
            return Ok(Said::Found(dir, status));
        }
        if status.kind != FileKind::Directory {
            return Ok(Said::Hidden);
        }
        opaque = opaque || is_opaque(&dir, name)?;
        dir = dir.dir(name)?;
    }
    Ok(Said::Hidden)
}
