//! Names and images go by Docker's rules.

use super::*;
use crate::testing::{Tar, count, docker_archive, images, quiet};

/// An image with a layer that all have and one of its own.
fn load(images: &Images, names: &[&str], content: &str) -> ImageId {
    let layers = [Tar::new().file("shared", "x").finish(), Tar::new().file("own", content).finish()];
    images.load(docker_archive(names, &layers).as_slice(), &quiet).expect("an image")[0].image
}

fn used(image: ImageId, running: bool) -> Vec<Use> {
    vec![Use { image, container: "0123456789abcdef".to_owned(), running }]
}

/// What was untagged, and how much was deleted.
fn summary(removed: Vec<Removed>) -> (Vec<String>, usize) {
    let untagged = |one: &Removed| if let Removed::Untagged(name) = one { Some(name.clone()) } else { None };
    let names: Vec<_> = removed.iter().filter_map(untagged).collect();
    let deleted = removed.len() - names.len();
    (names, deleted)
}

#[test]
fn the_image_goes_with_its_last_name() {
    let (_dir, images) = images();
    let id = load(&images, &["a:1", "b:1"], "1");
    load(&images, &["c"], "2");
    let remove = |name: &str| summary(images.remove(name, Force::No, &[]).expect(name));
    assert_eq!(remove("a:1"), (vec!["a:1".to_owned()], 0));
    assert_eq!(images.find("b:1").unwrap().id, id);
    assert_eq!(remove("b:1"), (vec!["b:1".to_owned()], 2), "the image and the layer nobody else has");
    assert!(images.get(id).is_err());
    assert_eq!(remove("c"), (vec!["c:latest".to_owned()], 3));
    assert_eq!(["layers", "blobs/sha256"].map(|dir| count(&images.root.join(dir))), [0, 0]);
}

#[test]
fn by_id_an_image_of_one_repository_goes_with_its_name() {
    let (_dir, images) = images();
    let id = load(&images, &["a:1"], "1");
    assert_eq!(summary(images.remove(&id.short(), Force::No, &[]).unwrap()), (vec!["a:1".to_owned()], 3));
    let id = load(&images, &["a:1", "b:1"], "1");
    let error = images.remove(&id.to_string(), Force::No, &[]).expect_err("two names").to_string();
    let short = id.short();
    assert_eq!(
        error,
        format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
        )
    );
    let removed = summary(images.remove(&id.to_string(), Force::Yes, &[]).unwrap());
    assert_eq!(removed, (vec!["a:1".to_owned(), "b:1".to_owned()], 3));
}

#[test]
fn an_image_in_use_is_kept_and_the_answer_is_dockers() {
    let (_dir, images) = images();
    let id = load(&images, &["a:1"], "1");
    let short = id.short();
    let error = |text: &str, force, running| {
        images.remove(text, force, &used(id, running)).expect_err("in use").to_string()
    };
    assert_eq!(
        error("a:1", Force::No, false),
        format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - container 0123456789ab \
             is using its referenced image {short}"
        )
    );
    assert_eq!(
        error(&short, Force::No, false),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container \
             0123456789ab"
        )
    );
    assert_eq!(
        error(&short, Force::Yes, true),
        format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container \
             0123456789ab"
        )
    );
    assert_eq!(images.find("a:1").unwrap().id, id, "nothing was removed");
    let removed = images.remove("a:1", Force::Yes, &used(id, true)).unwrap();
    assert_eq!(summary(removed), (vec!["a:1".to_owned()], 0), "by force the name goes, the image stays");
    let removed = images.remove(&short, Force::Yes, &used(id, false)).unwrap();
    assert_eq!(summary(removed), (vec![], 3));
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    let (_dir, images) = images();
    let error = images.remove("ghost", Force::Yes, &[]).expect_err("none").to_string();
    assert_eq!(error, "No such image: ghost:latest");
}

#[test]
fn names_are_given_and_refused_as_docker_does() {
    let (_dir, images) = images();
    let id = load(&images, &["a:1"], "1");
    let (tagged, name) = images.tag("a:1", "example.org/b").unwrap();
    assert_eq!((tagged, name.familiar()), (id, "example.org/b:latest".to_owned()));
    let error = |source: &str, target: &str| images.tag(source, target).expect_err(target).to_string();
    assert_eq!(error("a:1", &format!("b@{id}")), "refusing to create a tag with a digest reference");
    assert_eq!(error("ghost", "b"), "No such image: ghost:latest");
    assert_eq!(error("a:1", "b:"), "invalid reference format");
}

#[test]
fn history_is_newest_first() {
    let (_dir, images) = images();
    let layers = [Tar::new().file("shared", "xyz").finish()];
    images.load(docker_archive(&["a"], &layers).as_slice(), &quiet).unwrap();
    let image = images.find("a").unwrap();
    let history = image.history();
    let lines: Vec<_> = history.iter().map(|line| (line.created_by.as_str(), line.size)).collect();
    assert_eq!(lines, [("ENV", 0), ("a test", 3)]);
    assert_eq!(
        (history[0].image, history[0].tags.as_slice()),
        (Some(image.id), &["a:latest".to_owned()][..])
    );
    assert_eq!(history[1].image, None);
}
