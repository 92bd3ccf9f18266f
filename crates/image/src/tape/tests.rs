//! The framing of archives, honest and not.

use tar::EntryType;

use super::*;
use crate::FileEntry;
use crate::testing::Tar;

/// All entries and their contents.
fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TapeError> {
    let mut tape = Tape::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = tape.next()? {
        let mut content = Vec::new();
        tape.content().read_to_end(&mut content).map_err(broken)?;
        entries.push((entry, content));
    }
    Ok(entries)
}

#[track_caller]
fn check_refused(archive: &[u8], text: &str) {
    assert_eq!(read(archive).expect_err(text).to_string(), text);
}

#[test]
fn long_names_and_records_belong_to_the_next_entry() {
    let long = "n".repeat(300);
    let archive = Tar::new()
        .file(&long, "1")
        .pax(&[("path", b"pax"), ("mtime", b"5.5"), ("uid", b"70000"), ("SCHILY.xattr.user.x", b"a\nb")])
        .file("ignored", "2")
        .file("plain", "3")
        .finish();
    let entries = read(&archive).unwrap();
    let names: Vec<_> = entries.iter().map(|(entry, _)| String::from_utf8_lossy(&entry.path)).collect();
    assert_eq!(names, [long.as_str(), "pax", "plain"]);
    let (pax, content) = &entries[1];
    assert_eq!((pax.mtime, pax.uid, content.as_slice()), ((5, 500_000_000), 70_000, &b"2"[..]));
    assert_eq!(pax.xattrs, [(b"user.x".to_vec(), b"a\nb".to_vec())]);
    assert_eq!((entries[2].0.uid, &entries[2].0.xattrs), (0, &Vec::new()));
}

#[test]
fn an_archive_may_end_without_its_end() {
    let whole = Tar::new().file("a", "content").finish();
    assert_eq!(read(&whole[..1024]).unwrap().len(), 1);
    assert_eq!(read(&[]).unwrap(), []);
}

#[test]
fn an_archive_that_ends_anywhere_else_is_truncated() {
    let whole = Tar::new().file(&"n".repeat(300), &"c".repeat(600)).finish();
    let content_ends = whole.len() - 1024;
    for length in (1..content_ends).filter(|length| *length != 512 * 2) {
        assert!(matches!(read(&whole[..length]), Err(TapeError::Truncated)) || length % 512 == 0, "{length}");
    }
    check_refused(&whole[..content_ends - 600], "the archive ends in the middle");
}

#[test]
fn what_claims_to_be_large_costs_nothing() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader]
    {
        let archive = Tar::new().raw(kind, 1 << 40, b"").finish();
        let error = read(&archive).expect_err("too long").to_string();
        assert!(error.ends_with("is longer than 1048576 bytes"), "{error}");
    }
    check_refused(&Tar::new().file(&"a".repeat(5000), "").finish(), "the name is longer than 4095 bytes");
    check_refused(
        &Tar::new().raw(EntryType::Regular, u64::MAX >> 1, b"").finish(),
        "the archive ends in the middle",
    );
}

#[test]
fn what_is_no_archive_is_refused() {
    check_refused(&[b'x'; 512], "this is not a tar archive");
    check_refused(
        &Tar::new().raw(EntryType::new(b'D'), 0, b"").finish(),
        "an entry has the unknown type 'D'",
    );
    check_refused(
        &Tar::new().pax(&[("path", b"a\0b")]).file("x", "").finish(),
        "the name in a header is invalid",
    );
}

fn sparse(pieces: &[(u64, u64)], size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(content.len() as u64);
    let gnu = header.as_gnu_mut().expect("a GNU header");
    gnu.name[..6].copy_from_slice(b"sparse");
    gnu.realsize.copy_from_slice(format!("{size:011o}\0").as_bytes());
    for (field, (offset, length)) in gnu.sparse.iter_mut().zip(pieces) {
        field.offset.copy_from_slice(format!("{offset:011o}\0").as_bytes());
        field.numbytes.copy_from_slice(format!("{length:011o}\0").as_bytes());
    }
    Tar::new().header(header, content).entry(&FileEntry::file("after", 0o644, "x")).finish()
}

#[test]
fn holes_are_known() {
    let entries = read(&sparse(&[(10, 3), (1000, 2)], 5000, b"abcde")).unwrap();
    assert_eq!(entries[0].0.pieces, Some(vec![(10, 3), (1000, 2)]));
    assert_eq!((entries[0].0.size, entries[0].1.as_slice()), (5000, &b"abcde"[..]));
    assert_eq!(entries[1].0.path, b"after");
    for bad in [
        sparse(&[(10, 3)], 12, b"abc"),
        sparse(&[(10, 3), (11, 2)], 99, b"abcde"),
        sparse(&[(10, 3)], 99, b"abcde"),
    ] {
        check_refused(&bad, "a sparse file has a form that is not supported");
    }
}

/// An entry with these records and this content.
fn pax_sparse(records: &[(&str, &[u8])], content: &[u8]) -> Vec<u8> {
    Tar::new().pax(records).entry(&FileEntry::file("GNUSparseFile.1/x", 0o644, content)).finish()
}

#[test]
fn holes_of_newer_archives_are_known_too() {
    let mut content = b"2\n10\n3\n1000\n2\n".to_vec();
    content.resize(512, 0);
    content.extend_from_slice(b"abcde");
    let newest: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.realsize", b"5000"),
    ];
    let middle: &[(&str, &[u8])] =
        &[("GNU.sparse.size", b"5000"), ("GNU.sparse.name", b"sparse"), ("GNU.sparse.map", b"10,3,1000,2")];
    let oldest: &[(&str, &[u8])] = &[
        ("GNU.sparse.size", b"5000"),
        ("path", b"sparse"),
        ("GNU.sparse.offset", b"10"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"1000"),
        ("GNU.sparse.numbytes", b"2"),
    ];
    for (records, content) in [(newest, &content[..]), (middle, b"abcde"), (oldest, b"abcde")] {
        let entries = read(&pax_sparse(records, content)).unwrap();
        let (entry, content) = &entries[0];
        assert_eq!(
            (entry.path.as_slice(), entry.size, content.as_slice()),
            (&b"sparse"[..], 5000, &b"abcde"[..])
        );
        assert_eq!(entry.pieces, Some(vec![(10, 3), (1000, 2)]));
    }
}

#[test]
fn maps_of_holes_that_lie_are_refused() {
    let text = "a sparse file has a form that is not supported";
    let one: &[(&str, &[u8])] = &[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"5000")];
    for map in ["x\n", "99999999999999999999\n", "1000000\n", "1\n4999\n2\n", "1\n-1\n2\n"] {
        let mut content = map.as_bytes().to_vec();
        content.resize(514, 0);
        check_refused(&pax_sparse(one, &content), text);
    }
    check_refused(&pax_sparse(one, b"1\n0\n"), "the archive ends in the middle");
    check_refused(&pax_sparse(&[("GNU.sparse.major", b"2"), ("GNU.sparse.size", b"1")], b""), text);
    check_refused(&pax_sparse(&[("GNU.sparse.map", b"0,1")], b"x"), text);
    check_refused(&pax_sparse(&[("GNU.sparse.size", b"9"), ("GNU.sparse.map", b"0,1,2")], b"x"), text);
    check_refused(&Tar::new().pax(&[("GNU.sparse.size", b"9")]).dir("d").finish(), text);
}
