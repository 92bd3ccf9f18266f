//! What is written, and where.
use runtime::protocol::stream::STDOUT;

use std::path::{Path, PathBuf};

use runtime::bundle::{FileLog, SyslogAddress, SyslogFormat, SyslogLog};

use super::*;

fn log(max_size: Option<u64>, max_files: u32) -> (tempfile::TempDir, Log) {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(&directory.path().join("c-json.log"), max_size, max_files, false);
    (directory, log)
}

fn open(path: &Path, max_size: Option<u64>, max_files: u32, compress: bool) -> Log {
    let file = FileLog { path: path.to_owned(), max_size, max_files, compress, attributes: BTreeMap::new() };
    Log::open(LogConfig { sink: Sink::File(file), waits: true, buffer: 0 }).expect("open")
}

fn path(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("c-json.log")
}

/// The `log` and `stream` of every line.
fn lines(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).expect("a log");
    let parsed = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let word = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    parsed.map(|line| (word(&line["log"]), word(&line["stream"]))).collect()
}

#[test]
fn an_entry_is_dockers_to_the_byte() {
    let form = Form::Json(Vec::new());
    let mut entries = Entries::new(STDERR, &form);
    let time = Stamp("2026-01-02T03:04:05.6789Z".to_owned());
    entries.push(b"a<\"\\\x1b\xff\xe2\x82\xac\xe2\x80\xa9\t\n", &time);
    let text = String::from_utf8(entries.bytes).expect("text");
    let expected = "{\"log\":\"a\\u003c\\\"\\\\\\u001b\\ufffd€\\u2029\\t\\n\",\"stream\":\"stderr\",\
         \"time\":\"2026-01-02T03:04:05.6789Z\"}\n";
    assert_eq!(text, expected);
}

#[test]
fn lines_are_put_together_and_long_ones_split() {
    let (directory, mut log) = log(None, 1);
    log.take(STDOUT, b"one\ntw").expect("write");
    log.take(STDERR, b"err\n").expect("write");
    log.take(STDOUT, b"o\n").expect("write");
    let long = "x".repeat(PART + 3);
    log.take(STDOUT, long.as_bytes()).expect("write");
    log.take(STDOUT, b"y\n").expect("write");
    log.take(STDOUT, b"rest").expect("write");
    log.finish().expect("write");
    let expected = [
        ("one\n", "stdout"),
        ("err\n", "stderr"),
        ("two\n", "stdout"),
        (&long[..PART], "stdout"),
        ("xxxy\n", "stdout"),
        ("rest", "stdout"),
    ];
    let got = lines(&path(&directory));
    assert!(got.iter().map(|(text, stream)| (text.as_str(), stream.as_str())).eq(expected));
}

#[test]
fn a_line_of_just_the_bound_is_whole() {
    let (directory, mut log) = log(None, 1);
    let text = "x".repeat(PART) + "\n";
    log.take(STDOUT, text.as_bytes()).expect("write");
    assert_eq!(lines(&path(&directory)), [(text, "stdout".to_owned())]);
}

#[test]
fn full_files_make_room() {
    let (directory, mut log) = log(Some(100), 3);
    for number in 0..10 {
        log.take(STDOUT, format!("{number} {}\n", "x".repeat(40)).as_bytes()).expect("write");
    }
    let name = |number: u32| PathBuf::from(format!("{}.{number}", path(&directory).display()));
    assert!(lines(&path(&directory)).last().expect("a line").0.starts_with('9'));
    assert!(lines(&name(1)).last().expect("a line").0.starts_with('8'));
    assert!(name(2).exists() && !name(3).exists());
}

#[test]
fn a_moved_file_is_left_alone_after_reopening() {
    let (directory, mut log) = log(None, 1);
    log.take(STDOUT, b"old\n").expect("write");
    let moved = directory.path().join("moved");
    std::fs::rename(path(&directory), &moved).expect("move");
    log.reopen().expect("reopen");
    log.take(STDOUT, b"new\n").expect("write");
    assert_eq!(lines(&moved)[0].0, "old\n");
    assert_eq!(lines(&path(&directory))[0].0, "new\n");
}

#[test]
fn lines_are_marked() {
    let marks = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b<".to_owned(), "\"".to_owned())]);
    let form = Form::Json(attributes(&marks));
    let mut entries = Entries::new(STDOUT, &form);
    entries.push(b"x\n", &Stamp("T".to_owned()));
    let text = String::from_utf8(entries.bytes).expect("text");
    let expected = "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"1\",\"b\\u003c\":\"\\\"\"},\"time\":\"T\"}\n";
    assert_eq!(text, expected);
}

#[test]
fn full_files_are_compressed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut log = open(&path(&directory), Some(100), 3, true);
    for number in 0..10 {
        log.take(STDOUT, format!("{number} {}\n", "x".repeat(40)).as_bytes()).expect("write");
    }
    let names = || {
        let all = std::fs::read_dir(directory.path()).expect("a directory");
        let mut names: Vec<_> =
            all.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["c-json.log", "c-json.log.1.gz", "c-json.log.2.gz"]);
    let mut log = open(&path(&directory), Some(100), 3, false);
    log.take(STDOUT, b"the last one was full, and stays as it is\n").expect("write");
    assert_eq!(names(), ["c-json.log", "c-json.log.1", "c-json.log.2.gz"]);
}

fn syslog(address: SyslogAddress, format: SyslogFormat, waits: bool, buffer: u64) -> io::Result<Log> {
    let server = SyslogLog { address, facility: 3, format, tag: "box".to_owned() };
    Log::open(LogConfig { sink: Sink::Syslog(server), waits, buffer })
}

#[test]
fn messages_look_as_srslog_makes_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("log");
    let server = std::os::unix::net::UnixDatagram::bind(&at).expect("a server");
    let process = std::process::id();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for (format, ends) in [
        (SyslogFormat::Unix, format!(" box[{process}]: one\n")),
        (SyslogFormat::Rfc3164, format!(" {host} box[{process}]: one\n")),
        (SyslogFormat::Rfc5424, format!(" {host} box {process} box - one\n")),
        (SyslogFormat::Rfc5424Micro, format!(" {host} box {process} box - one\n")),
    ] {
        let mut log = syslog(SyslogAddress::Local(at.clone()), format, true, 1 << 20).expect("open");
        log.take(STDERR, b"one\n").expect("write");
        let mut buffer = [0; 256];
        let length = server.recv(&mut buffer).expect("a message");
        let text = std::str::from_utf8(&buffer[..length]).expect("text");
        assert!(text.starts_with("<27>") && text.ends_with(&ends), "{text}");
    }
    assert!(syslog(SyslogAddress::Local("/nowhere".into()), SyslogFormat::Unix, true, 1).is_err());
}

#[test]
fn a_slow_server_has_the_container_wait_or_loses_lines() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("log");
    let server = std::os::unix::net::UnixListener::bind(&at).expect("a server");
    let mut log = syslog(SyslogAddress::Stream(at.clone()), SyslogFormat::Unix, true, 1000).expect("open");
    let line = "x".repeat(1000) + "\n";
    while !log.is_full() {
        log.take(STDOUT, line.as_bytes()).expect("write");
    }
    assert!(log.pending().is_some());
    let mut losing = syslog(SyslogAddress::Stream(at), SyslogFormat::Unix, false, 1000).expect("open");
    for _ in 0..5000 {
        losing.take(STDOUT, line.as_bytes()).expect("write");
        assert!(!losing.is_full());
    }
    let (mut slow, _) = server.accept().expect("a client");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut slow, &mut bytes).map(|_| bytes)
    });
    log.finish().expect("all is delivered");
    assert!(!log.is_full());
    drop(log);
    let text = reader.join().expect("a thread").expect("bytes");
    assert!(text.ends_with(b"x\n"));
}
