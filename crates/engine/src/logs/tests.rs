//! Logs are read whole, from their end, and over rotations.

use std::io::Write;

use super::*;

fn line(number: i64) -> String {
    let stream = if number % 2 == 0 { "stdout" } else { "stderr" };
    let time = Timestamp::from_second(number).expect("a time");
    format!("{{\"log\":\"line {number}\\n\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n")
}

fn append(path: &Path, numbers: std::ops::Range<i64>) {
    let mut file = File::options().create(true).append(true).open(path).expect("a log");
    numbers.for_each(|number| file.write_all(line(number).as_bytes()).expect("a line"));
}

fn all() -> LogOptions {
    LogOptions { stdout: true, stderr: true, ..LogOptions::default() }
}

/// The numbers of the lines that are read first.
fn read(path: &Path, options: LogOptions) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut reader = Reader::new(path.to_owned(), options);
    reader.read_first(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    numbers
}

fn note(numbers: &mut Vec<i64>, entry: &LogEntry) -> bool {
    numbers.push(entry.time.as_second());
    assert_eq!(entry.line, format!("line {}\n", entry.time.as_second()));
    true
}

/// Lines 0 to 3 in `log.2`, to 6 in `log.1`, to 9 in `log`.
fn three_files() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    append(&directory.path().join("log.2"), 0..4);
    append(&directory.path().join("log.1"), 4..7);
    append(&path, 7..10);
    (directory, path)
}

#[test]
fn everything_is_read_in_order() {
    let (_directory, path) = three_files();
    assert_eq!(read(&path, all()), (0..10).collect::<Vec<_>>());
}

#[test]
fn the_tail_reaches_into_rotated_files() {
    let (_directory, path) = three_files();
    for count in 0..=12 {
        let expected: Vec<i64> = (10 - i64::try_from(count).expect("small").min(10)..10).collect();
        assert_eq!(read(&path, LogOptions { tail: Some(count), ..all() }), expected, "{count}");
    }
    let errors = LogOptions { stderr: true, tail: Some(2), ..LogOptions::default() };
    assert_eq!(read(&path, errors), [7, 9]);
}

#[test]
fn since_and_until_bound() {
    let (_directory, path) = three_files();
    let at = |second| Some(Timestamp::from_second(second).expect("a time"));
    assert_eq!(read(&path, LogOptions { since: at(8), ..all() }), [8, 9]);
    assert_eq!(read(&path, LogOptions { until: at(1), ..all() }), [0, 1]);
    assert_eq!(read(&path, LogOptions { since: at(3), until: at(5), tail: Some(2), ..all() }), [4, 5]);
}

#[test]
fn reading_goes_on_over_a_rotation() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    append(&path, 0..2);
    let mut numbers = Vec::new();
    let mut reader = Reader::new(path.clone(), all());
    reader.read_first(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    append(&path, 2..4);
    std::fs::rename(&path, directory.path().join("log.1")).expect("a rotation");
    append(&path, 4..6);
    reader.read_more(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    append(&path, 6..7);
    reader.read_more(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    assert_eq!(numbers, (0..7).collect::<Vec<_>>());
}

#[test]
fn a_log_that_begins_anew_is_read_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    append(&path, 0..3);
    let mut numbers = Vec::new();
    let mut reader = Reader::new(path.clone(), all());
    reader.read_first(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    File::options().write(true).open(&path).expect("a log").set_len(0).expect("a cut");
    append(&path, 3..5);
    reader.read_more(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    assert_eq!(numbers, (0..5).collect::<Vec<_>>());
}

#[test]
fn half_a_line_is_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let text = line(1);
    let (head, tail) = text.split_at(20);
    std::fs::write(&path, head).expect("a log");
    let mut numbers = Vec::new();
    let mut reader = Reader::new(path.clone(), all());
    reader.read_first(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    let mut file = File::options().append(true).open(&path).expect("a log");
    file.write_all(tail.as_bytes()).expect("the rest");
    reader.read_more(&mut |entry| note(&mut numbers, &entry)).expect("a log");
    assert_eq!(numbers, [1]);
}

#[test]
fn the_end_of_long_files_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    append(&path, 0..5000);
    assert_eq!(read(&path, LogOptions { tail: Some(3000), ..all() }), (2000..5000).collect::<Vec<_>>());
}

#[test]
fn a_log_that_is_not_there_is_empty_and_damage_is_skipped() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    assert!(read(&path, all()).is_empty());
    append(&path, 0..1);
    File::options()
        .append(true)
        .open(&path)
        .expect("a log")
        .write_all(b"{\"log\":\nnonsense\n")
        .expect("damage");
    append(&path, 1..2);
    assert_eq!(read(&path, all()), [0, 1]);
}

/// What was compressed is read like everything else, and leaves no file behind.
#[test]
fn compressed_files_are_read() {
    let (directory, path) = three_files();
    for number in [1, 2] {
        let plain = directory.path().join(format!("log.{number}"));
        let packed = File::create(directory.path().join(format!("log.{number}.gz"))).expect("a file");
        let mut packer = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        io::copy(&mut File::open(&plain).expect("a file"), &mut packer).expect("packed");
        packer.finish().expect("packed");
        std::fs::remove_file(plain).expect("removed");
    }
    assert_eq!(read(&path, all()), (0..10).collect::<Vec<_>>());
    assert_eq!(read(&path, LogOptions { tail: Some(8), ..all() }), (2..10).collect::<Vec<_>>());
    let since = Some(Timestamp::from_second(5).expect("a time"));
    assert_eq!(read(&path, LogOptions { since, ..all() }), (5..10).collect::<Vec<_>>());
    let names = std::fs::read_dir(directory.path()).expect("a directory");
    assert_eq!(names.count(), 3, "nothing is left of what was unpacked");
    let sizes = ["log", "log.1.gz", "log.2.gz"]
        .map(|name| std::fs::metadata(directory.path().join(name)).expect("a file").len());
    assert_eq!(size(&path), sizes.iter().sum::<u64>());
}
