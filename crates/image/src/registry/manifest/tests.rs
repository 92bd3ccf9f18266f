//! Documents, honest and not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

fn descriptor(media_type: &str, of: &str) -> Value {
    json!({ "mediaType": media_type, "size": 1, "digest": digest(of) })
}

fn image_of(config: &str, layer: &str) -> Value {
    json!({ "schemaVersion": 2, "config": descriptor(config, "c"), "layers": [descriptor(layer, "l")] })
}

#[track_caller]
fn refused(sent_as: &str, document: &Value) -> String {
    parse(sent_as, document.to_string().as_bytes()).expect_err("no image").to_string()
}

#[test]
fn both_families_of_types_are_read() {
    for (sent_as, config, layer) in [
        (DOCKER_MANIFEST, DOCKER_CONFIG, LAYERS[0]),
        (OCI_MANIFEST, OCI_CONFIG, LAYERS[4]),
        ("", OCI_CONFIG, LAYERS[3]),
    ] {
        let document = image_of(config, layer).to_string();
        let parsed = parse(sent_as, document.as_bytes()).expect("an image");
        let (_, Document::Image(manifest)) = parsed else { panic!("{parsed:?}") };
        assert_eq!((manifest.config.digest, manifest.layers[0].digest), (digest("c"), digest("l")));
    }
    let index =
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, "m")] });
    let parsed = parse("application/json; charset=utf-8", index.to_string().as_bytes()).expect("an index");
    assert!(matches!(parsed, (_, Document::Index(entries)) if entries.len() == 1));
}

#[test]
fn what_is_no_image_of_ours_is_refused_by_what_it_is() {
    let sound = image_of(OCI_CONFIG, LAYERS[3]);
    let with = |key: &str, value: Value| {
        let mut document = sound.clone();
        document[key] = value;
        document
    };
    assert!(refused(DOCKER_LIST, &with("mediaType", json!(OCI_MANIFEST))).contains("but was sent as"));
    assert!(refused("", &with("manifests", json!([]))).contains("both"));
    assert!(refused("", &with("schemaVersion", json!(3))).contains("version 3"));
    assert!(refused("", &json!({ "schemaVersion": 1, "fsLayers": [] })).contains("schema 1"));
    assert!(refused("text/html", &sound).contains("text/html"));
    assert!(
        refused("", &image_of("application/vnd.cncf.helm.config.v1+json", LAYERS[3])).contains("no image")
    );
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    assert!(refused("", &image_of(DOCKER_CONFIG, foreign)).contains("may not be kept"));
    assert!(refused("", &image_of(DOCKER_CONFIG, "text/plain")).contains("unknown type"));
    assert!(refused("", &with("config", json!({ "digest": "sha512:00", "size": 1 }))).contains("understood"));
    assert!(
        refused("", &with("config", json!({ "digest": digest("c"), "size": -1 }))).contains("understood")
    );
}

#[test]
fn the_best_variant_is_chosen() {
    let entry = |platform: &str, of: &str| {
        let platform: Option<Platform> = platform.parse().ok();
        Descriptor { platform, ..Descriptor::new(OCI_MANIFEST, 1, digest(of)) }
    };
    let index = [
        entry("linux/arm/v5", "v5"),
        entry("linux/arm/v6", "v6"),
        entry("linux/amd64/v3", "v3"),
        entry("linux/amd64", "64"),
        entry("unknown/unknown", "attestation"),
    ];
    let chosen =
        |wanted: &str| choose(&index, &wanted.parse().expect("a platform")).map(|entry| entry.digest);
    assert_eq!(chosen("linux/arm/v7"), Ok(digest("v6")));
    assert_eq!(chosen("linux/amd64"), Ok(digest("64")));
    assert_eq!(chosen("linux/amd64/v3"), Ok(digest("v3")));
    let there = ["linux/arm/v5", "linux/arm/v6", "linux/amd64/v3", "linux/amd64"].map(str::to_owned).to_vec();
    assert_eq!(chosen("linux/s390x"), Err(there));
    let lone = [entry("", "lone")];
    assert_eq!(choose(&lone, &Platform::host()).map(|entry| entry.digest), Ok(digest("lone")));
}

#[test]
fn what_is_written_is_dockers_and_read_again() {
    let config = Descriptor::new("", 7, digest("c"));
    let (media_type, bytes) = write(config.clone(), vec![Descriptor::new(LAYERS[0], 3, digest("l"))]);
    let text = String::from_utf8(bytes.clone()).expect("text");
    assert_eq!(media_type, DOCKER_MANIFEST);
    assert!(
        text.starts_with("{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"application/vnd.docker"),
        "{text}"
    );
    assert!(text.contains("\"size\": 7,\n      \"digest\": \"sha256:"), "{text}");
    assert!(matches!(parse(&media_type, &bytes), Ok((_, Document::Image(_)))));
    let (media_type, bytes) = write(config, vec![Descriptor::new(LAYERS[4], 3, digest("l"))]);
    assert_eq!(media_type, OCI_MANIFEST);
    assert!(matches!(parse(&media_type, &bytes), Ok((_, Document::Image(_)))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
        read_anything(&bytes);
    }
}
