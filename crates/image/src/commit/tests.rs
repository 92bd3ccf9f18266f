//! Images made of images.

use super::*;
use crate::testing::{Tar, count, docker_archive, images, quiet};
use crate::{Force, ImageConfig};

fn base(images: &Images) -> ImageId {
    let layer = [Tar::new().file("kept", "1").finish()];
    images.load(docker_archive(&["base"], &layer).as_slice(), &quiet).expect("an image")[0].image
}

#[test]
fn a_step_adds_a_layer_a_line_of_history_and_a_name() {
    let (_dir, images) = images();
    let parent = base(&images);
    let rootfs = images.snapshots().prepare("c", parent).expect("a snapshot");
    let overlay = rootfs.overlay.expect("an overlay");
    std::fs::write(overlay.upper.join("new"), "22").expect("a file");
    let config = ImageConfig { working_dir: "/new".to_owned(), ..ImageConfig::default() };
    let step = Step {
        parent: Some(parent),
        changed: Some(&overlay),
        config,
        author: "me".to_owned(),
        comment: "because".to_owned(),
        created_by: "sh -c x".to_owned(),
        name: Some("made".parse().expect("a name")),
        cache_key: Some(Digest::of(b"step")),
    };
    let id = images.commit(step).expect("an image");
    let image = images.find("made:latest").expect("it");
    assert_eq!((image.id, image.layers.len(), image.layers[1].size), (id, 2, 2));
    assert_eq!(image.config().working_dir, "/new");
    assert_eq!((image.document.author.as_str(), image.document.parent), ("me", Some(parent.to_string())));
    let newest = image.document.history.last().expect("a line");
    assert_eq!(
        (newest.created_by.as_str(), newest.comment.as_str(), newest.empty_layer),
        ("sh -c x", "because", false)
    );
    images.remove("base", Force::No, &[]).expect("the name goes");
    images.get(parent).expect("what others are built on stays");
}

#[test]
fn what_changes_nothing_adds_no_layer() {
    let (_dir, images) = images();
    let parent = base(&images);
    let rootfs = images.snapshots().prepare("c", parent).expect("a snapshot");
    let made =
        images.commit(Step { parent: Some(parent), changed: rootfs.overlay.as_ref(), ..Step::default() });
    let image = images.get(made.expect("an image")).expect("it");
    assert_eq!(image.layers.len(), 1);
    assert!(image.document.history.last().expect("a line").empty_layer);
    let scratch = images.commit(Step::default()).expect("nothing at all");
    assert_eq!(images.get(scratch).expect("it").layers, []);
}

#[test]
fn what_is_too_much_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = crate::Limits { bytes: 4096, entries: 100 };
    let images = Images::open_with(dir.path(), limits).expect("a data root");
    let parent = base(&images);
    let overlay = images.snapshots().prepare("c", parent).expect("a snapshot").overlay.expect("an overlay");
    std::fs::write(overlay.upper.join("new"), [0; 8192]).expect("a file");
    let error = images.commit(Step { parent: Some(parent), changed: Some(&overlay), ..Step::default() });
    assert_eq!(error.expect_err("too much").to_string(), "the archive has more than the limit of 4096 bytes");
    assert_eq!(["layers", "unfinished"].map(|dir| count(&images.root.join(dir))), [1, 0]);
}

#[test]
fn steps_are_found_until_their_image_goes() {
    let (_dir, images) = images();
    let key = Digest::of(b"a step");
    assert_eq!(images.built(key).expect("a look"), None);
    let made = images.commit(Step { cache_key: Some(key), ..Step::default() }).expect("an image");
    assert_eq!(images.built(key).expect("a look"), Some(made));
    images.remove(&made.to_string(), Force::No, &[]).expect("no image");
    assert_eq!(images.built(key).expect("a look"), None);
}

#[test]
fn the_cache_is_what_has_no_name_and_nobody_needs() {
    let (_dir, images) = images();
    let parent = base(&images);
    let step = |name: &str, above, key: &[u8]| {
        let rootfs = images.snapshots().prepare(name, above).expect("a snapshot");
        let overlay = rootfs.overlay.expect("an overlay");
        std::fs::write(overlay.upper.join(name), name).expect("a file");
        let cache_key = Some(Digest::of(key));
        let step = Step { parent: Some(above), changed: Some(&overlay), cache_key, ..Step::default() };
        let made = images.commit(step).expect("an image");
        images.snapshots().remove(name).expect("it goes");
        made
    };
    let needed = step("one", parent, b"1");
    let named = step("two", needed, b"2");
    images.tag(&named.to_string(), "named").expect("a name");
    let lost = step("three", needed, b"3");
    let facts = || -> Vec<(ImageId, bool, bool, u64)> {
        let steps = images.cached_steps().expect("a look");
        steps.iter().map(|step| (step.image, step.is_needed, step.is_shared, step.size)).collect()
    };
    assert_eq!(facts(), [(needed, true, true, 3), (lost, false, false, 5)]);
    images.remove_steps(&[lost]).expect("it goes");
    images.remove_steps(&[needed]).expect("it goes");
    assert_eq!(facts(), []);
    assert_eq!(images.get(named).expect("it stays").layers.len(), 3);
    assert_eq!(count(&images.root.join("layers")), 3);
}
