//! What the options of a log mean, and what its driver is told.

mod attributes;
mod syslog;

use std::collections::BTreeMap;

use runtime::bundle::{FileLog, LogConfig, Sink};
use thiserror::Error;

pub(crate) use attributes::Subject;

/// Bytes of one file, and how many there are, unless the user says otherwise: logs do not fill disks.
const MAX_SIZE: u64 = 20 << 20;
const MAX_FILES: u32 = 5;

/// Bytes that wait for a slow receiver (moby `daemon/logger/ring.go`).
const BUFFER: u64 = 1 << 20;

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDriver {
    /// Docker's format, for others to read.
    JsonFile,
    /// The same, compressed, at a place of our own.
    Local,
    Syslog,
    None,
}

/// Why a log is not as it was asked for. Docker's words.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogError {
    #[error("logger: no log driver named '{driver}' is registered")]
    Driver { driver: String },
    #[error("unknown log opt '{option}' for {driver} log driver")]
    Option { option: String, driver: &'static str },
    #[error("invalid value {value:?} for log opt {option:?}")]
    Value { option: &'static str, value: String },
    #[error("max-file cannot be less than 1")]
    MaxFile,
    #[error("compress cannot be true when max-file is less than 2 or max-size is not set")]
    Compress,
    #[error("logger: logging mode not supported: {mode}")]
    Mode { mode: String },
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    Buffer,
    #[error("invalid syslog facility")]
    Facility,
    #[error("invalid syslog format")]
    Format,
    #[error(
        "unsupported syslog address: {address:?}: unix:///PATH, unixgram:///PATH, udp://HOST:PORT or tcp://HOST:PORT"
    )]
    Address { address: String },
    #[error(
        "invalid log tag {tag:?}: {{{{.Name}}}}, {{{{.ID}}}}, {{{{.FullID}}}}, {{{{.ImageName}}}}, {{{{.ImageID}}}} and {{{{.ImageFullID}}}} are known"
    )]
    Tag { tag: String },
    #[error("invalid log opt {option:?}: {value:?} is no regular expression")]
    Pattern { option: &'static str, value: String },
}

type Options = BTreeMap<String, String>;

impl LogDriver {
    /// The driver of this name; none is `json-file`.
    pub fn parse(name: &str) -> Result<Self, LogError> {
        match name {
            "" | "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "syslog" => Ok(Self::Syslog),
            "none" => Ok(Self::None),
            _ => Err(LogError::Driver { driver: name.to_owned() }),
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::Syslog => "syslog",
            Self::None => "none",
        }
    }

    /// Whether what is written can be read again.
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::JsonFile | Self::Local)
    }

    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::JsonFile | Self::Local => &["max-size", "max-file", "compress"],
            Self::Syslog => &["syslog-address", "syslog-facility", "syslog-format"],
            Self::None => &[],
        }
    }
}

/// Options that every driver that keeps something has.
const COMMON: [&str; 7] = ["labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size"];

/// Options for a copy that Docker keeps of what cannot be read. We keep none.
const CACHE: [&str; 4] = ["cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

/// Refuses options that the driver does not have, and values that make no sense.
pub fn check(driver: &str, options: &Options) -> Result<(), LogError> {
    let driver = LogDriver::parse(driver)?;
    let is_known = |option: &str| {
        driver.options().contains(&option)
            || driver != LogDriver::None && COMMON.contains(&option)
            || !driver.is_read() && CACHE.contains(&option)
    };
    if let Some(option) = options.keys().find(|option| !is_known(option)) {
        return Err(LogError::Option { option: option.clone(), driver: driver.name() });
    }
    buffer(options)?;
    attributes::check(options)?;
    match driver {
        LogDriver::JsonFile | LogDriver::Local => limits(driver, options).map(drop),
        LogDriver::Syslog => syslog::check(options),
        LogDriver::None => Ok(()),
    }
}

/// What the shim is told, of options that were checked when the container was made.
pub(crate) fn config(
    driver: LogDriver,
    options: &Options,
    path: std::path::PathBuf,
    subject: &Subject<'_>,
) -> Result<Option<LogConfig>, LogError> {
    let sink = match driver {
        LogDriver::None => return Ok(None),
        LogDriver::Syslog => Sink::Syslog(syslog::config(options, subject)?),
        LogDriver::JsonFile | LogDriver::Local => {
            let Limits { max_size, max_files, compress } = limits(driver, options)?;
            let attributes = attributes::all(options, subject)?;
            Sink::File(FileLog { path, max_size, max_files, compress, attributes })
        }
    };
    let waits = options.get("mode").is_none_or(|mode| mode != "non-blocking");
    Ok(Some(LogConfig { sink, waits, buffer: buffer(options)? }))
}

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// Bytes of one file; unbounded if absent.
    max_size: Option<u64>,
    max_files: u32,
    compress: bool,
}

fn limits(driver: LogDriver, options: &Options) -> Result<Limits, LogError> {
    let wrong = |option, value: &String| LogError::Value { option, value: value.clone() };
    let max_size = match options.get("max-size").map(|value| (value, size(value))) {
        None => Some(MAX_SIZE),
        Some((value, _)) if value == "-1" => None,
        Some((value, None)) => return Err(wrong("max-size", value)),
        Some((_, bytes)) => bytes,
    };
    // As in Docker, who limits the size alone keeps one file.
    let default =
        if options.contains_key("max-size") && driver == LogDriver::JsonFile { 1 } else { MAX_FILES };
    let max_files = match options.get("max-file") {
        None => default,
        Some(text) => match text.parse::<i64>() {
            Ok(..=0) => return Err(LogError::MaxFile),
            Ok(files) => u32::try_from(files).map_err(|_| wrong("max-file", text))?,
            Err(_) => return Err(wrong("max-file", text)),
        },
    };
    let compress = match options.get("compress").map(|text| (text, truth(text))) {
        None => driver == LogDriver::Local && max_files > 1 && max_size.is_some(),
        Some((text, None)) => return Err(wrong("compress", text)),
        Some((_, Some(true))) if max_files < 2 || max_size.is_none() => return Err(LogError::Compress),
        Some((_, Some(compress))) => compress,
    };
    Ok(Limits { max_size, max_files, compress })
}

/// How much waits for a slow receiver.
fn buffer(options: &Options) -> Result<u64, LogError> {
    let mode = options.get("mode").map_or("blocking", String::as_str);
    if !matches!(mode, "" | "blocking" | "non-blocking") {
        return Err(LogError::Mode { mode: mode.to_owned() });
    }
    match options.get("max-buffer-size") {
        None => Ok(BUFFER),
        Some(_) if mode != "non-blocking" => Err(LogError::Buffer),
        Some(text) => {
            size(text).ok_or_else(|| LogError::Value { option: "max-buffer-size", value: text.clone() })
        }
    }
}

/// Go's `strconv.ParseBool`.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads `10m`, `1g`, `512k`, `100`, with units of 1,024; `None` for anything else, and for -1.
pub fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let (digits, shift) = match lower.chars().last()? {
        'k' => (&lower[..lower.len() - 1], 10),
        'm' => (&lower[..lower.len() - 1], 20),
        'g' => (&lower[..lower.len() - 1], 30),
        't' => (&lower[..lower.len() - 1], 40),
        _ => (lower, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests;
