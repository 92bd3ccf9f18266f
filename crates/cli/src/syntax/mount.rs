//! Mounts: `-v source:target:mode`, `--mount type=bind,…`, `--tmpfs path:options`.

use api::mount::{BindOptions, ImageOptions, Mount, TmpfsOptions, VolumeDriver, VolumeOptions};
use api::{Empty, StringMap, StringSet};

use super::{Malformed, csv, file, size};

/// What `-v` flags ask for: binds as the API takes them, and anonymous volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Volumes {
    pub(crate) binds: Vec<String>,
    pub(crate) anonymous: StringSet,
}

/// Reads all `-v` flags.
pub(crate) fn volumes(flags: &[String]) -> Result<Volumes, Malformed> {
    let mut volumes = Volumes::default();
    for flag in flags {
        let invalid = |why: &str| Malformed::new(format!("invalid spec: {flag}: {why}"));
        let parts: Vec<&str> = flag.split(':').collect();
        match parts.as_slice() {
            [""] => return Err(invalid("empty section between colons")),
            [target] => {
                volumes.anonymous.insert((*target).to_owned(), Empty {});
            }
            [source, rest @ ..] if rest.len() <= 2 => {
                if parts.iter().any(|part| part.is_empty()) {
                    return Err(invalid("empty section between colons"));
                }
                volumes.binds.push(format!("{}:{}", file::absolute(source)?, rest.join(":")));
            }
            _ => return Err(invalid("too many colons")),
        }
    }
    Ok(volumes)
}

/// Reads all `--tmpfs` flags.
pub(crate) fn tmpfs(flags: &[String]) -> StringMap {
    let pair = |flag: &String| {
        let (path, options) = flag.split_once(':').unwrap_or((flag, ""));
        (path.to_owned(), options.to_owned())
    };
    flags.iter().map(pair).collect()
}

/// Reads one `--mount` flag.
pub(crate) fn mount(flag: &str) -> Result<Mount, Malformed> {
    let mut mount = Mount { r#type: "volume".to_owned(), ..Mount::default() };
    let mut options = Options::default();
    for field in csv::fields(flag)? {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value)),
            None => (field.trim().to_ascii_lowercase(), None),
        };
        let text = value.unwrap_or_default();
        match name.as_str() {
            "type" if value.is_some() => mount.r#type = text.to_ascii_lowercase(),
            "source" | "src" if value.is_some() => mount.source = file::absolute(text)?,
            "target" | "dst" | "destination" if value.is_some() => mount.target = text.to_owned(),
            "readonly" | "ro" => mount.read_only = truth(&name, value)?,
            "consistency" if value.is_some() => mount.consistency = text.to_ascii_lowercase(),
            _ => options.set(&name, value)?,
        }
    }
    if mount.target.is_empty() {
        return Err(Malformed::new("target is required"));
    }
    options.give(mount)
}

/// Options that only one type of mount has.
#[derive(Default)]
struct Options {
    bind: Option<BindOptions>,
    volume: Option<VolumeOptions>,
    image: Option<ImageOptions>,
    tmpfs: Option<TmpfsOptions>,
}

impl Options {
    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Malformed> {
        let unknown =
            || Malformed::new(format!("unexpected key '{name}' in '{name}={}'", value.unwrap_or("")));
        match (name, value) {
            ("bind-nonrecursive", _) => self.bind().non_recursive = truth(name, value)?,
            ("bind-follow" | "follow", _) => self.bind().follow = truth(name, value)?,
            ("bind-create-src", _) => self.bind().create_mountpoint = truth(name, value)?,
            ("volume-nocopy", _) => self.volume().no_copy = truth(name, value)?,
            (_, None) => {
                return Err(Malformed::new(format!("invalid field '{name}' must be a key=value pair")));
            }
            ("bind-propagation", Some(text)) => self.bind().propagation = text.to_ascii_lowercase(),
            ("bind-recursive", Some(text)) => self.recursive(text)?,
            ("bind-idmap", Some(text)) => self.bind().id_map = text.to_owned(),
            ("volume-subpath", Some(text)) => self.volume().subpath = text.to_owned(),
            ("volume-label", Some(text)) => {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                let labels = self.volume().labels.get_or_insert_default();
                labels.insert(name.to_owned(), value.to_owned());
            }
            ("volume-driver", Some(text)) => self.driver().name = text.to_owned(),
            ("volume-opt", Some(text)) => {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                let options = self.driver().options.get_or_insert_default();
                options.insert(name.to_owned(), value.to_owned());
            }
            ("image-subpath", Some(text)) => self.image.get_or_insert_default().subpath = text.to_owned(),
            ("tmpfs-size", Some(text)) => {
                let invalid = |_| Malformed::new(format!("invalid value for {name}: {text}"));
                self.tmpfs().size_bytes = size::parse(text).map_err(invalid)?;
            }
            ("tmpfs-mode", Some(text)) => {
                let invalid = |_| Malformed::new(format!("invalid value for {name}: {text}"));
                self.tmpfs().mode = u32::from_str_radix(text, 8).map_err(invalid)?;
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn recursive(&mut self, text: &str) -> Result<(), Malformed> {
        match text {
            "enabled" => {}
            "disabled" => self.bind().non_recursive = true,
            "writable" => self.bind().read_only_non_recursive = true,
            "readonly" => self.bind().read_only_force_recursive = true,
            other => {
                return Err(Malformed::new(format!(
                    "invalid value for bind-recursive: {other} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                )));
            }
        }
        Ok(())
    }

    fn bind(&mut self) -> &mut BindOptions {
        self.bind.get_or_insert_default()
    }

    fn volume(&mut self) -> &mut VolumeOptions {
        self.volume.get_or_insert_default()
    }

    fn driver(&mut self) -> &mut VolumeDriver {
        self.volume().driver_config.get_or_insert_default()
    }

    fn tmpfs(&mut self) -> &mut TmpfsOptions {
        self.tmpfs.get_or_insert_default()
    }

    /// Gives the mount the options of its type, and refuses those of another.
    fn give(self, mut mount: Mount) -> Result<Mount, Malformed> {
        let Self { bind, volume, image, tmpfs } = self;
        let of = [
            ("bind", bind.is_some()),
            ("volume", volume.is_some()),
            ("image", image.is_some()),
            ("tmpfs", tmpfs.is_some()),
        ];
        if let Some((kind, _)) = of.iter().find(|(kind, is_set)| *is_set && *kind != mount.r#type) {
            return Err(Malformed::new(format!(
                "cannot mix '{kind}-*' options with mount type '{}'",
                mount.r#type
            )));
        }
        if let Some(options) = &bind {
            check_recursion(options, mount.read_only)?;
        }
        mount.bind_options = bind;
        mount.volume_options = volume;
        mount.image_options = image;
        mount.tmpfs_options = tmpfs;
        Ok(mount)
    }
}

/// Docker's rules for `bind-recursive`.
fn check_recursion(options: &BindOptions, read_only: bool) -> Result<(), Malformed> {
    let requires = |given: &str, other: &str| {
        Malformed::new(format!(
            "option 'bind-recursive={given}' requires '{other}' to be specified in conjunction"
        ))
    };
    if options.read_only_non_recursive && !read_only {
        return Err(requires("writable", "readonly"));
    }
    if options.read_only_force_recursive {
        if !read_only {
            return Err(requires("readonly", "readonly"));
        }
        if options.propagation != "rprivate" {
            return Err(requires("readonly", "bind-propagation=rprivate"));
        }
    }
    Ok(())
}

fn truth(name: &str, value: Option<&str>) -> Result<bool, Malformed> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(Malformed::new(format!("invalid value for {name}: {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(flag: &str, expected: &str) {
        let shown =
            mount(flag).map_or_else(|error| error.0, |mount| serde_json::to_string(&mount).expect("JSON"));
        assert_eq!(shown, expected, "{flag}");
    }

    #[test]
    fn mounts() {
        check(
            "type=bind,source=/a,target=/b,readonly,bind-propagation=rshared",
            r#"{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rshared"}}"#,
        );
        check("src=data,dst=/d", r#"{"Type":"volume","Source":"data","Target":"/d"}"#);
        check(
            "type=volume,src=d,dst=/d,volume-nocopy,volume-label=a=b,volume-opt=x=y,volume-subpath=s",
            r#"{"Type":"volume","Source":"d","Target":"/d","VolumeOptions":{"NoCopy":true,"Labels":{"a":"b"},"Subpath":"s","DriverConfig":{"Options":{"x":"y"}}}}"#,
        );
        check(
            "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770",
            r#"{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":67108864,"Mode":1016}}"#,
        );
        check("type=bind,\"source=/a,b\",dst=/c", r#"{"Type":"bind","Source":"/a,b","Target":"/c"}"#);
        check(
            "type=bind,src=/a,dst=/b,bind-idmap=1000:999,bind-follow",
            r#"{"Type":"bind","Source":"/a","Target":"/b","BindOptions":{"IdMap":"1000:999","Follow":true}}"#,
        );
        check(
            "type=bind,src=/a,dst=/b,bind-recursive=writable",
            "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
        );
        check("type=bind,src=/a", "target is required");
        check("type=tmpfs,dst=/a,volume-nocopy", "cannot mix 'volume-*' options with mount type 'tmpfs'");
        check("type=bind,dst=/a,nope=1", "unexpected key 'nope' in 'nope=1'");
        check("dst=/a,ro=maybe", "invalid value for ro: maybe");
        check("dst=/a,tmpfs-size", "invalid field 'tmpfs-size' must be a key=value pair");
    }

    #[test]
    fn volumes_are_binds_or_anonymous() {
        let read = |flag: &str| volumes(&[flag.to_owned()]);
        assert_eq!(read("/a:/b:ro").expect("a bind").binds, ["/a:/b:ro"]);
        assert_eq!(read("data:/b").expect("a bind").binds, ["data:/b"]);
        assert!(read("/data").expect("a volume").anonymous.contains_key("/data"));
        assert!(read("./x:/b").expect("a bind").binds[0].starts_with('/'));
        assert_eq!(read("/a::ro").expect_err("no").0, "invalid spec: /a::ro: empty section between colons");
        assert_eq!(read("a:b:c:d").expect_err("no").0, "invalid spec: a:b:c:d: too many colons");
    }

    #[test]
    fn tmpfs_has_options_after_a_colon() {
        let map = tmpfs(&["/run:size=64m,mode=1777".to_owned(), "/tmp".to_owned()]);
        assert_eq!(map["/run"], "size=64m,mode=1777");
        assert_eq!(map["/tmp"], "");
    }
}
