//! Who `--user` means, by the container's own `/etc/passwd` and `/etc/group`.
//!
//! Pure: the caller reads the files (never through the host's name services).
//! The rules are Docker's (moby `sys/user`, `GetExecUser`).

use thiserror::Error;

use crate::spec::UserIds;

/// A user in numbers, and where it is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub ids: UserIds,
    /// `/` if the file does not tell.
    pub home: String,
}

/// Why `--user` means nobody. The texts are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserError {
    #[error("unable to find user {name}: no matching entries in passwd file")]
    NoUser { name: String },
    #[error("unable to find group {name}: no matching entries in group file")]
    NoGroup { name: String },
    #[error("uids and gids must be in range 0-2147483647")]
    OutOfRange,
}

/// Finds who `wanted` (`user`, `uid`, `user:group`, …, or empty for root) is.
///
/// `extra_groups` are `--group-add`'s names or numbers. A number need not be
/// in the files; a name must be. Without a group of its own, the user's
/// supplementary groups are those that list it.
pub fn resolve(wanted: &str, extra_groups: &[String], passwd: &str, group: &str) -> Result<User, UserError> {
    let (name, group_name) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let mut user = account(name, passwd)?;
    match group_name {
        Some(wanted) => user.ids.gid = gid(wanted, group)?,
        None => user.ids.additional_gids = memberships(&login(name, &user, passwd), group),
    }
    // The group of its own is one of them: a file that shuts that group out shuts the process out.
    let own = user.ids.gid;
    user.ids.additional_gids.retain(|gid| *gid != own);
    user.ids.additional_gids.insert(0, own);
    for extra in extra_groups {
        let gid = gid(extra, group)?;
        if !user.ids.additional_gids.contains(&gid) {
            user.ids.additional_gids.push(gid);
        }
    }
    Ok(user)
}

/// Fields of the lines of a colon-separated file; comments and blanks left out.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

fn account(name: &str, passwd: &str) -> Result<User, UserError> {
    let wanted = if name.is_empty() { "0" } else { name };
    let number = number(wanted)?;
    // A name that is a number is looked up as a name first, like `id` does.
    let entry = lines(passwd)
        .find(|fields| fields.first() == Some(&wanted))
        .or_else(|| lines(passwd).find(|fields| number.is_some() && fields.get(2).and_then(parse) == number));
    let home = |fields: &[&str]| match fields.get(5) {
        Some(home) if !home.is_empty() => (*home).to_owned(),
        Some(_) | None => "/".to_owned(),
    };
    match (entry, number) {
        (Some(fields), _) => {
            let id = |index: usize| fields.get(index).and_then(parse).unwrap_or_default();
            let ids = UserIds { uid: id(2), gid: id(3), additional_gids: Vec::new() };
            Ok(User { ids, home: home(&fields) })
        }
        (None, Some(uid)) => {
            let ids = UserIds { uid, gid: 0, additional_gids: Vec::new() };
            Ok(User { ids, home: "/".to_owned() })
        }
        (None, None) => Err(UserError::NoUser { name: wanted.to_owned() }),
    }
}

/// The login name that group files list.
fn login(wanted: &str, user: &User, passwd: &str) -> String {
    let by_number = lines(passwd).find(|fields| fields.get(2).and_then(parse) == Some(user.ids.uid));
    match by_number.as_deref() {
        Some([name, ..]) if wanted.is_empty() || wanted.bytes().all(|byte| byte.is_ascii_digit()) => {
            (*name).to_owned()
        }
        Some(_) | None => wanted.to_owned(),
    }
}

fn memberships(login: &str, group: &str) -> Vec<u32> {
    lines(group)
        .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|name| name == login)))
        .filter_map(|fields| fields.get(2).and_then(parse))
        .collect()
}

fn gid(wanted: &str, group: &str) -> Result<u32, UserError> {
    let by_name = lines(group)
        .find(|fields| fields.first() == Some(&wanted))
        .and_then(|fields| fields.get(2).and_then(parse));
    match (by_name, number(wanted)?) {
        (Some(gid), _) | (None, Some(gid)) => Ok(gid),
        (None, None) => Err(UserError::NoGroup { name: wanted.to_owned() }),
    }
}

/// A number in Docker's range; `None` if it is a name.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    match text.parse::<i64>() {
        Ok(number) if (0..=i64::from(i32::MAX)).contains(&number) => Ok(u32::try_from(number).ok()),
        Ok(_) => Err(UserError::OutOfRange),
        Err(_) => Ok(None),
    }
}

fn parse(text: &&str) -> Option<u32> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n# none\nweb:x:1000:1001::/srv:/bin/sh\n7:x:77:7::/seven:\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:web,root\nvideo:x:44:web\n";

    #[track_caller]
    fn check(wanted: &str, extra: &[&str], expected: Result<(u32, u32, &[u32], &str), &str>) {
        let extra: Vec<String> = extra.iter().map(|name| (*name).to_owned()).collect();
        let got = resolve(wanted, &extra, PASSWD, GROUP).map_err(|error| error.to_string());
        let expected = expected
            .map(|(uid, gid, more, home)| User {
                ids: UserIds { uid, gid, additional_gids: more.to_vec() },
                home: home.to_owned(),
            })
            .map_err(str::to_owned);
        assert_eq!(got, expected);
    }

    #[test]
    fn finds_users_by_name_and_number() {
        check("", &[], Ok((0, 0, &[0, 10], "/root")));
        check("root", &[], Ok((0, 0, &[0, 10], "/root")));
        check("web", &[], Ok((1000, 1001, &[1001, 10, 44], "/srv")));
        check("1000", &[], Ok((1000, 1001, &[1001, 10, 44], "/srv")));
        check("7", &[], Ok((77, 7, &[7], "/seven")));
        check("4711", &[], Ok((4711, 0, &[0], "/")));
        check("web:wheel", &[], Ok((1000, 10, &[10], "/srv")));
        check("web:5", &["video", "99"], Ok((1000, 5, &[5, 44, 99], "/srv")));
    }

    #[test]
    fn refuses_strangers_with_dockers_words() {
        check("nobody", &[], Err("unable to find user nobody: no matching entries in passwd file"));
        check("0:nobody", &[], Err("unable to find group nobody: no matching entries in group file"));
        check("-1", &[], Err("uids and gids must be in range 0-2147483647"));
        check("99999999999", &[], Err("uids and gids must be in range 0-2147483647"));
    }
}
