//! Where and how a syslog server is told.

use std::path::PathBuf;

use runtime::bundle::{SyslogAddress, SyslogFormat, SyslogLog};

use super::{LogError, Options, attributes};
use crate::log_options::Subject;

/// Names of facilities by their numbers (RFC 5424, table 1; syslog(3)).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "",
    "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const DAEMON: u8 = 3;
const PORT: u16 = 514;

pub(super) fn check(options: &Options) -> Result<(), LogError> {
    address(options)?;
    facility(options)?;
    format(options).map(drop)
}

pub(super) fn config(options: &Options, subject: &Subject<'_>) -> Result<SyslogLog, LogError> {
    let default = || attributes::short(subject.id).to_owned();
    Ok(SyslogLog {
        address: address(options)?,
        facility: facility(options)?,
        format: format(options)?,
        tag: attributes::tag(options, subject)?.unwrap_or_else(default),
    })
}

fn facility(options: &Options) -> Result<u8, LogError> {
    let Some(text) = options.get("syslog-facility").filter(|text| !text.is_empty()) else {
        return Ok(DAEMON);
    };
    let by_name = || FACILITIES.iter().position(|name| name == text).and_then(|at| u8::try_from(at).ok());
    let by_number = text.parse().ok().filter(|number: &u8| usize::from(*number) < FACILITIES.len());
    by_number.or_else(by_name).ok_or(LogError::Facility)
}

fn format(options: &Options) -> Result<SyslogFormat, LogError> {
    Ok(match options.get("syslog-format").map_or("", String::as_str) {
        "" => SyslogFormat::Unix,
        "rfc3164" => SyslogFormat::Rfc3164,
        "rfc5424" => SyslogFormat::Rfc5424,
        "rfc5424micro" => SyslogFormat::Rfc5424Micro,
        _ => return Err(LogError::Format),
    })
}

fn address(options: &Options) -> Result<SyslogAddress, LogError> {
    let Some(text) = options.get("syslog-address").filter(|text| !text.is_empty()) else {
        return Ok(SyslogAddress::Local(PathBuf::from("/dev/log")));
    };
    let wrong = || LogError::Address { address: text.clone() };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    match scheme {
        "unix" | "unixgram" if !rest.starts_with('/') => Err(wrong()),
        "unix" => Ok(SyslogAddress::Stream(rest.into())),
        "unixgram" => Ok(SyslogAddress::Local(rest.into())),
        "udp" => with_port(rest).map(SyslogAddress::Udp).ok_or_else(wrong),
        "tcp" => with_port(rest).map(SyslogAddress::Tcp).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// `host:port`, where the port may be missing.
fn with_port(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse::<u16>().ok()?),
        _ => (text, PORT),
    };
    (!host.is_empty()).then(|| format!("{host}:{port}"))
}
