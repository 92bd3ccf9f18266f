//! Who asks a registry: Docker's configuration file and the programs it names.
//!
//! `config.json` below `DOCKER_CONFIG`, or else `~/.docker`, has credentials (`auths`) or says which program
//! keeps them: `credHelpers` for single registries, `credsStore` for all others. What is not understood in it
//! stays as it is.

mod helper;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use api::registry::AuthConfig;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use helper::Helper;

/// The default registry, as the file names it.
const DEFAULT: &str = "https://index.docker.io/v1/";
/// The same, as names of images do.
const DEFAULT_DOMAIN: &str = "docker.io";

/// The configuration file.
#[derive(Debug)]
pub(crate) struct Credentials {
    path: PathBuf,
    document: Map<String, Value>,
}

impl Credentials {
    /// Reads the file; one that is not there is empty.
    pub(crate) fn read() -> Result<Self, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = || PathBuf::from(set("HOME").unwrap_or_else(|| "/".into())).join(".docker");
        Self::of(set("DOCKER_CONFIG").map_or_else(home, PathBuf::from).join("config.json"))
    }

    fn of(path: PathBuf) -> Result<Self, Failure> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Failure::file(format!("cannot read {}", path.display()))(source)),
        };
        if text.trim().is_empty() {
            return Ok(Self { path, document: Map::new() });
        }
        let document = serde_json::from_str(&text)
            .map_err(|error| Failure::Said(format!("cannot read {}: {error}", path.display())))?;
        Ok(Self { path, document })
    }

    /// Where credentials are kept, for people.
    pub(crate) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The program that keeps those of a registry.
    pub(crate) fn helper(&self, registry: &str) -> Option<Helper> {
        let own = self.document.get("credHelpers").and_then(|helpers| helpers.get(key(registry)));
        let name = own.or_else(|| self.document.get("credsStore")).and_then(Value::as_str)?;
        Helper::named(name)
    }

    /// Who asks this registry; nobody, if nobody logged in.
    pub(crate) fn get(&self, registry: &str) -> Result<Option<AuthConfig>, Failure> {
        let key = key(registry);
        let kept = self.helper(registry).map(|helper| helper.get(key)).transpose()?.flatten();
        if kept.is_some() {
            return Ok(kept);
        }
        let Some(auths) = self.document.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let same = |(name, _): &(&String, &Value)| host(name) == host(key);
        let entry = auths.get(key).or_else(|| auths.iter().find(same).map(|(_, entry)| entry));
        Ok(entry.and_then(|entry| read_entry(entry, key)))
    }

    /// Who asks any registry that is named in the file.
    pub(crate) fn all(&self) -> Result<BTreeMap<String, AuthConfig>, Failure> {
        let names = ["auths", "credHelpers"].iter().filter_map(|key| self.document.get(*key)?.as_object());
        let names: BTreeSet<&String> = names.flat_map(Map::keys).collect();
        let known = |name: &String| self.get(name).map(|known| known.map(|known| (name.clone(), known)));
        names.into_iter().filter_map(|name| known(name).transpose()).collect()
    }

    /// Keeps credentials.
    pub(crate) fn put(&mut self, registry: &str, known: &AuthConfig) -> Result<(), Failure> {
        let key = key(registry);
        if let Some(helper) = self.helper(registry) {
            helper.store(key, known)?;
            // The file says only that there are some.
            self.auths().insert(key.to_owned(), json!({}));
        } else {
            let auth = STANDARD.encode(format!("{}:{}", known.username, known.password));
            let mut entry = json!({ "auth": auth });
            if !known.identitytoken.is_empty() {
                entry["auth"] = STANDARD.encode(format!("{}:", known.username)).into();
                entry["identitytoken"] = known.identitytoken.clone().into();
            }
            self.auths().insert(key.to_owned(), entry);
        }
        self.write()
    }

    /// Forgets credentials; says whether there were any.
    pub(crate) fn remove(&mut self, registry: &str) -> Result<bool, Failure> {
        let key = key(registry);
        let mut had = self.auths().remove(key).is_some();
        if let Some(helper) = self.helper(registry) {
            had |= helper.get(key)?.is_some();
            helper.erase(key)?;
        }
        self.write()?;
        Ok(had)
    }

    fn auths(&mut self) -> &mut Map<String, Value> {
        let auths = self.document.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths.as_object_mut().expect("it was just made one")
    }

    /// Writes the file as a whole, readable by its owner alone.
    fn write(&self) -> Result<(), Failure> {
        let failed = || Failure::file(format!("cannot write {}", self.path.display()));
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        serde::Serialize::serialize(&self.document, &mut serializer)
            .map_err(|error| Failure::Said(error.to_string()))?;
        let aside = path.with_extension(format!("json{}", std::process::id()));
        let write = || -> io::Result<()> {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&aside, &path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&aside))).map_err(failed())
    }
}

/// What is sent with a request to the engine.
pub(crate) fn header(known: &impl serde::Serialize) -> String {
    URL_SAFE.encode(serde_json::to_vec(known).expect("strings can be written"))
}

/// The registry of an image's name: what comes before the first slash, if it looks like one.
pub(crate) fn registry_of(name: &str) -> &str {
    let looks = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|it| it.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some(("index.docker.io", _)) | None => DEFAULT_DOMAIN,
        Some((first, _)) if looks(first) => first,
        Some(_) => DEFAULT_DOMAIN,
    }
}

/// The name of a registry in the file.
pub(crate) fn key(registry: &str) -> &str {
    let registry = registry.trim_end_matches('/');
    match host(registry) {
        "" | DEFAULT_DOMAIN | "index.docker.io" | "registry-1.docker.io" => DEFAULT,
        host => host,
    }
}

/// An address without scheme and path.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn read_entry(entry: &Value, key: &str) -> Option<AuthConfig> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut known = AuthConfig {
        username: text("username"),
        password: text("password"),
        identitytoken: text("identitytoken"),
        registrytoken: text("registrytoken"),
        serveraddress: key.to_owned(),
        auth: String::new(),
    };
    let plain = STANDARD.decode(text("auth")).unwrap_or_default();
    if let Some((name, secret)) = String::from_utf8_lossy(&plain).split_once(':') {
        (known.username, known.password) = (name.to_owned(), secret.trim_end_matches('\0').to_owned());
    }
    let is_empty =
        known.username.is_empty() && known.identitytoken.is_empty() && known.registrytoken.is_empty();
    (!is_empty).then_some(known)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn registries_are_named_as_in_the_file() {
        for (name, registry, in_file) in [
            ("busybox", "docker.io", DEFAULT),
            ("user/app:1", "docker.io", DEFAULT),
            ("docker.io/busybox", "docker.io", DEFAULT),
            ("localhost:5000/a/b@sha256:0", "localhost:5000", "localhost:5000"),
            ("registry.example/app", "registry.example", "registry.example"),
            ("localhost/app", "localhost", "localhost"),
        ] {
            assert_eq!(registry_of(name), registry, "{name}");
            assert_eq!(key(registry), in_file, "{name}");
        }
        assert_eq!(key("https://localhost:5000/v2/"), "localhost:5000");
        assert_eq!(key("https://index.docker.io/v1/"), DEFAULT);
    }

    #[test]
    fn the_file_keeps_what_it_does_not_know() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deep/config.json");
        let mut file = Credentials::of(path.clone()).expect("no file is an empty one");
        assert_eq!(file.get("localhost:5000").expect("no helper"), None);
        file.document.insert("HttpHeaders".to_owned(), json!({ "a": "b" }));
        let known = AuthConfig {
            username: "me".to_owned(),
            password: "pass:word".to_owned(),
            serveraddress: "localhost:5000".to_owned(),
            ..AuthConfig::default()
        };
        file.put("localhost:5000", &known).expect("written");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let mut again = Credentials::of(path.clone()).expect("a file");
        assert_eq!(again.get("localhost:5000").expect("no helper"), Some(known));
        assert_eq!(again.document["HttpHeaders"]["a"], "b");
        assert!(again.remove("localhost:5000").expect("written"));
        assert!(!again.remove("localhost:5000").expect("written"));
        assert_eq!(Credentials::of(path).expect("a file").get("localhost:5000").expect("no helper"), None);
    }

    #[test]
    fn entries_of_old_clients_are_found_by_their_host() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.json");
        fs::write(&path, r#"{"auths":{"https://old.example/v1/":{"auth":"YTpi"},"x":{}}}"#).expect("written");
        let file = Credentials::of(path).expect("a file");
        let known = file.get("old.example").expect("no helper").expect("found");
        assert_eq!((known.username.as_str(), known.password.as_str()), ("a", "b"));
        assert_eq!(file.get("x").expect("no helper"), None);
    }
}
