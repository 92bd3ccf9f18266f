//! Users and groups of a root file system: its /etc/passwd and /etc/group, read
//! by hand, as the host's name services know other people. The texts are Docker's.

use std::io;
use std::path::Path;

use linux::root::Root;
use thiserror::Error;

/// The most bytes of passwd and group.
const FILE_LIMIT: u64 = 16 << 20;
/// The largest id Docker takes.
const LARGEST_ID: u32 = i32::MAX as u32;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Groups the user is in besides.
    pub additional_gids: Vec<u32>,
    /// The home directory; `/` if nothing says another.
    pub home: String,
}

/// Why a user or group is unknown.
#[derive(Debug, Error)]
pub enum UserError {
    #[error("unable to find user {name}: no matching entries in passwd file")]
    NoUser { name: String },
    #[error("unable to find group {name}: no matching entries in group file")]
    NoGroup { name: String },
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
    #[error("cannot read {path} of the root file system")]
    Read { path: &'static str, source: io::Error },
}

/// Finds who `name|uid[:group|gid]` is in a root file system; nothing is root.
pub fn resolve_user(rootfs: &Path, spec: &str) -> Result<User, UserError> {
    let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
    let accounts = Accounts::read(rootfs)?;
    let uid = number(user)?;
    let account = accounts.users.iter().find(|account| match (user, uid) {
        ("", _) => account.uid == 0,
        (name, uid) => account.name == name || Some(account.uid) == uid,
    });
    let mut found = match (account, uid) {
        (Some(account), _) => User {
            uid: account.uid,
            gid: account.gid,
            additional_gids: Vec::new(),
            home: account.home.clone(),
        },
        (None, Some(uid)) => User { uid, gid: 0, additional_gids: Vec::new(), home: "/".to_owned() },
        (None, None) if user.is_empty() => {
            User { uid: 0, gid: 0, additional_gids: Vec::new(), home: "/".to_owned() }
        }
        (None, None) => return Err(UserError::NoUser { name: user.to_owned() }),
    };
    if !group.is_empty() {
        found.gid = accounts.gid(group)?;
    } else if let Some(account) = account {
        found.additional_gids = accounts.gids_of(&account.name);
    }
    Ok(found)
}

/// Finds the groups of `--group-add`, by name or number.
pub fn resolve_groups(rootfs: &Path, groups: &[String]) -> Result<Vec<u32>, UserError> {
    let accounts = Accounts::read(rootfs)?;
    groups.iter().map(|group| accounts.gid(group)).collect()
}

struct Accounts {
    users: Vec<Account>,
    groups: Vec<Group>,
}

struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl Accounts {
    fn read(rootfs: &Path) -> Result<Self, UserError> {
        let root = Root::open(rootfs).map_err(|source| UserError::Read { path: "/", source })?;
        let users = lines(&root, "/etc/passwd")?.iter().filter_map(|line| account(line)).collect();
        let groups = lines(&root, "/etc/group")?.iter().filter_map(|line| group(line)).collect();
        Ok(Self { users, groups })
    }

    fn gid(&self, text: &str) -> Result<u32, UserError> {
        let wanted = number(text)?;
        let group = self.groups.iter().find(|group| group.name == text || Some(group.gid) == wanted);
        let gid = group.map(|group| group.gid).or(wanted);
        gid.ok_or_else(|| UserError::NoGroup { name: text.to_owned() })
    }

    fn gids_of(&self, user: &str) -> Vec<u32> {
        let member = |group: &&Group| group.members.iter().any(|member| member == user);
        self.groups.iter().filter(member).map(|group| group.gid).collect()
    }
}

/// A number that is no id is an error; what is no number is a name.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let id = text.parse().ok().filter(|id| *id <= LARGEST_ID);
    id.map(Some).ok_or(UserError::Range)
}

/// A root file system without the file has no users.
fn lines(root: &Root, path: &'static str) -> Result<Vec<String>, UserError> {
    let content = match root.read(Path::new(path), FILE_LIMIT) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Vec::new()
        }
        other => other.map_err(|source| UserError::Read { path, source })?,
    };
    Ok(String::from_utf8_lossy(&content).lines().map(str::to_owned).collect())
}

/// `name:password:uid:gid:comment:home:shell`
fn account(line: &str) -> Option<Account> {
    let fields: Vec<_> = line.trim().split(':').collect();
    let [name, _, uid, gid, ..] = fields[..] else { return None };
    let home = fields.get(5).filter(|home| !home.is_empty()).map_or("/", |home| *home).to_owned();
    Some(Account { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home })
}

/// `name:password:gid:member,member`
fn group(line: &str) -> Option<Group> {
    let fields: Vec<_> = line.trim().split(':').collect();
    let [name, _, gid, ..] = fields[..] else { return None };
    let members = fields.get(3).map_or_else(Vec::new, |members| members.split(',').collect());
    let members = members.into_iter().map(str::to_owned).collect();
    Some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rootfs() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a scratch directory");
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = "# comment\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:34:,,:/srv/web:/bin/false\nbad\n\
                      7:x:70:70::/seven:\nshort:x:5:6\n";
        std::fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        let group = "root:x:0:\nweb:x:34:\nlogs:x:50:web,other\ntty:x:5:root,web\nbad:x:y:\n";
        std::fs::write(dir.path().join("etc/group"), group).unwrap();
        dir
    }

    #[track_caller]
    fn check(spec: &str, ids: (u32, u32), additional: &[u32], home: &str) {
        let dir = rootfs();
        let user = resolve_user(dir.path(), spec).expect(spec);
        assert_eq!(
            ((user.uid, user.gid), &user.additional_gids[..], user.home.as_str()),
            (ids, additional, home)
        );
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        check("", (0, 0), &[5], "/root");
        check("root", (0, 0), &[5], "/root");
        check("web", (33, 34), &[50, 5], "/srv/web");
        check("33", (33, 34), &[50, 5], "/srv/web");
        check("web:logs", (33, 50), &[], "/srv/web");
        check("web:77", (33, 77), &[], "/srv/web");
        check("4000", (4000, 0), &[], "/");
        check("4000:50", (4000, 50), &[], "/");
        check(":logs", (0, 50), &[], "/root");
        check("7", (70, 70), &[], "/seven");
        check("short", (5, 6), &[], "/");
    }

    #[test]
    fn the_unknown_are_refused_with_dockers_words() {
        let dir = rootfs();
        let error = |spec: &str| resolve_user(dir.path(), spec).expect_err(spec).to_string();
        assert_eq!(error("ghost"), "unable to find user ghost: no matching entries in passwd file");
        assert_eq!(error("web:ghosts"), "unable to find group ghosts: no matching entries in group file");
        assert_eq!(error("4294967295"), "uids and gids must be in range 0-2147483647");
        assert_eq!(error("-1"), "uids and gids must be in range 0-2147483647");
        assert_eq!(resolve_groups(dir.path(), &["logs".to_owned(), "9".to_owned()]).unwrap(), [50, 9]);
    }

    #[test]
    fn a_root_file_system_without_etc_has_numbers_only() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(resolve_user(dir.path(), "").unwrap().uid, 0);
        assert_eq!(resolve_user(dir.path(), "5:6").unwrap().gid, 6);
        assert!(matches!(resolve_user(dir.path(), "web"), Err(UserError::NoUser { .. })));
    }

    #[test]
    fn passwd_is_not_looked_up_outside() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        assert!(resolve_user(dir.path(), "root").is_err(), "a link to itself, not the host's /etc");
    }
}
