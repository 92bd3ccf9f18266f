//! Options and what becomes of them.

use super::*;

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn refused(driver: &str, pairs: &[(&str, &str)], text: &str) {
    let error = check(driver, &options(pairs)).expect_err(text);
    assert_eq!(error.to_string(), text, "{pairs:?}");
}

#[track_caller]
fn kept(driver: LogDriver, pairs: &[(&str, &str)], expected: (Option<u64>, u32, bool)) {
    let Limits { max_size, max_files, compress } = limits(driver, &options(pairs)).expect("limits");
    assert_eq!((max_size, max_files, compress), expected, "{pairs:?}");
}

#[test]
fn reads_sizes() {
    let cases = [
        ("10m", Some(10 << 20)),
        ("1G", Some(1 << 30)),
        ("512kb", Some(512 << 10)),
        ("2MiB", Some(2 << 20)),
        ("100", Some(100)),
    ];
    for (text, bytes) in cases {
        assert_eq!(size(text), bytes, "{text}");
    }
    for text in ["", "m", "-1", "0", "1.5m", "99999999999999999999", "é"] {
        assert_eq!(size(text), None, "{text}");
    }
}

#[test]
fn a_log_does_not_fill_the_disk_unless_it_is_told_to() {
    use LogDriver::{JsonFile, Local};
    kept(JsonFile, &[], (Some(20 << 20), 5, false));
    kept(Local, &[], (Some(20 << 20), 5, true));
    kept(JsonFile, &[("max-size", "1k")], (Some(1024), 1, false));
    kept(Local, &[("max-size", "1k")], (Some(1024), 5, true));
    kept(JsonFile, &[("max-size", "-1")], (None, 1, false));
    kept(JsonFile, &[("max-file", "3"), ("compress", "true")], (Some(20 << 20), 3, true));
    kept(Local, &[("compress", "false")], (Some(20 << 20), 5, false));
}

#[test]
fn what_makes_no_sense_is_refused_in_dockers_words() {
    refused("journald", &[], "logger: no log driver named 'journald' is registered");
    refused("json-file", &[("size", "1")], "unknown log opt 'size' for json-file log driver");
    refused("none", &[("max-size", "1")], "unknown log opt 'max-size' for none log driver");
    refused("local", &[("max-file", "0")], "max-file cannot be less than 1");
    refused("", &[("max-size", "lots")], "invalid value \"lots\" for log opt \"max-size\"");
    let compress = "compress cannot be true when max-file is less than 2 or max-size is not set";
    refused("", &[("compress", "true"), ("max-file", "1")], compress);
    refused("", &[("mode", "sometimes")], "logger: logging mode not supported: sometimes");
    let buffer = "logger: max-buffer-size option is only supported with 'mode=non-blocking'";
    refused("syslog", &[("max-buffer-size", "1m")], buffer);
    refused("syslog", &[("syslog-facility", "nobody")], "invalid syslog facility");
    refused("syslog", &[("syslog-format", "rfc1")], "invalid syslog format");
    for address in ["tls://198.51.100.1", "198.51.100.1:514", "unix:relative", "udp://", "tcp://h:99999"] {
        check("syslog", &options(&[("syslog-address", address)])).expect_err(address);
    }
    check("json-file", &options(&[("tag", "{{.Nome}}")])).expect_err("no such field");
    check("json-file", &options(&[("labels-regex", "(")])).expect_err("no expression");
}

#[test]
fn lines_are_marked_with_what_was_chosen() {
    let labels = options(&[("role", "db"), ("com.x", "1")]);
    let env = ["A=1".to_owned(), "PATH=/bin".to_owned()];
    let subject = Subject {
        id: "0123456789abcdef",
        name: "box",
        image: "busybox",
        image_id: "sha256:fedcba9876543210",
        labels: &labels,
        env: &env,
    };
    let asked = options(&[
        ("labels", "role,none"),
        ("labels-regex", "^com"),
        ("env", "A"),
        ("env-regex", "^PA"),
        ("tag", "{{.Name}}/{{.ID}} {{ .ImageID }}"),
    ]);
    let found = attributes::all(&asked, &subject).expect("attributes");
    let expected = options(&[
        ("role", "db"),
        ("com.x", "1"),
        ("A", "1"),
        ("PATH", "/bin"),
        ("tag", "box/0123456789ab fedcba987654"),
    ]);
    assert_eq!(found, expected);
    assert!(attributes::all(&Options::new(), &subject).expect("none").is_empty());
}

#[test]
fn a_syslog_server_is_found_by_its_address() {
    use runtime::bundle::SyslogAddress::{Local, Stream, Tcp, Udp};
    let read = |address: &str| {
        let options = options(&[("syslog-address", address), ("syslog-facility", "local3")]);
        check("syslog", &options).expect(address);
        let labels = Options::new();
        let subject =
            Subject { id: "0123456789abcdef", name: "", image: "", image_id: "", labels: &labels, env: &[] };
        let config = syslog::config(&options, &subject).expect(address);
        assert_eq!((config.facility, config.tag.as_str()), (19, "0123456789ab"));
        config.address
    };
    assert_eq!(read("udp://127.0.0.1:1514"), Udp("127.0.0.1:1514".to_owned()));
    assert_eq!(read("tcp://[::1]"), Tcp("[::1]:514".to_owned()));
    assert_eq!(read("tcp://logs.example:6514"), Tcp("logs.example:6514".to_owned()));
    assert_eq!(read("unix:///run/log"), Stream("/run/log".into()));
    assert_eq!(read("unixgram:///run/log"), Local("/run/log".into()));
}
