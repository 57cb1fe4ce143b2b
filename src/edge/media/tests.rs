//! Media, from the store to an answer.

use media_store::{StoreConfig, UploadSpec};

use super::*;

struct Shelf {
    _folder: tempfile::TempDir,
    media: Media,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &StoreConfig::default()).unwrap();
        Self { _folder: folder, media: Media::new(store) }
    }

    fn put(&self, body: &[u8], spec: UploadSpec) -> Digest {
        let mut upload = self.media.store.begin(spec).unwrap();
        upload.write(body).unwrap();
        upload.finish().unwrap().digest
    }

    fn get(&self, route: Route, path: &str) -> Resource {
        let facts = self.media.look(route, path).unwrap();
        self.media.build(&facts, &FileSystems::default()).unwrap()
    }
}

fn typed(media_type: &str) -> UploadSpec {
    UploadSpec { media_type: Some(media_type.to_owned()), ..UploadSpec::by("alice") }
}

fn field(resource: &Resource, name: &str) -> String {
    let value = resource.variants[0].fields.get(name);
    value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[test]
fn an_object_without_end() {
    let shelf = Shelf::new();
    let digest = shelf.put(b"picture", typed("image/png"));
    let resource = shelf.get(Route::Media, &format!("/media/{digest}"));
    assert_eq!((resource.status, resource.until_s), (200, None));
    assert_eq!(field(&resource, "etag"), format!("\"{digest}\""));
    assert_eq!(field(&resource, "cache-control"), "public, immutable, max-age=31536000");
    assert_eq!(field(&resource, "content-type"), "image/png");
    assert_eq!(field(&resource, "content-disposition"), "");
    assert!(field(&resource, "content-security-policy").starts_with("sandbox;"));
}

#[test]
fn an_object_that_ends() {
    let shelf = Shelf::new();
    let until = shelf.media.store.now().plus(60);
    let story = UploadSpec { reference_until: Some(until), ..typed("image/png") };
    let digest = shelf.put(b"story", story);
    let resource = shelf.get(Route::Media, &format!("/media/{digest}"));
    assert_eq!(resource.until_s, Some(until.0));
}

#[test]
fn what_is_no_object() {
    let shelf = Shelf::new();
    let digest = shelf.put(b"x", typed("image/png")).to_string();
    for path in [
        format!("/media/{}", digest.to_uppercase()),
        format!("/media/{digest}/"),
        format!("/media/{}", &digest[1..]),
        format!("/media/%{digest}"),
        format!("/media/{}", Digest::of(b"y")),
        "/media/".to_owned(),
        "/media/../etc/passwd".to_owned(),
    ] {
        assert_eq!(shelf.get(Route::Media, &path).status, 404, "{path}");
    }
}

#[test]
fn what_a_browser_would_run_is_saved() {
    let shelf = Shelf::new();
    for (media_type, saved) in [
        ("text/html", true),
        ("image/svg+xml", true),
        ("text/xml", true),
        ("text/javascript", true),
        ("text/plain", false),
        ("video/mp4", false),
    ] {
        let digest = shelf.put(media_type.as_bytes(), typed(media_type));
        let resource = shelf.get(Route::Media, &format!("/media/{digest}"));
        let disposition = field(&resource, "content-disposition");
        assert_eq!(disposition == "attachment", saved, "{media_type}");
        assert_eq!(field(&resource, "x-content-type-options"), "nosniff");
    }
}

#[test]
fn the_address_of_an_upload() {
    let shelf = Shelf::new();
    let id = UploadId::random().unwrap();
    let path = format!("/upload/{id}/{}", "%C3%A9%20%22x%22.html");
    let spec = UploadSpec {
        id: Some(id),
        name: Some("é \"x\".html".to_owned()),
        ..UploadSpec::by("alice")
    };
    let mut upload = shelf.media.store.begin(spec).unwrap();
    upload.write(b"hello").unwrap();
    assert_eq!(shelf.get(Route::Upload, &path).status, 404);
    let digest = upload.finish().unwrap().digest;
    let resource = shelf.get(Route::Upload, &path);
    assert_eq!((resource.status, field(&resource, "etag")), (200, format!("\"{digest}\"")));
    let disposition = "attachment; filename=\"_ _x_.html\"; filename*=UTF-8''%C3%A9%20%22x%22.html";
    assert_eq!(field(&resource, "content-disposition"), disposition);
    for other in ["invoice.html", "", "a/b", "%2e%2e%2f", "%FF"] {
        let path = format!("/upload/{id}/{other}");
        assert_eq!(shelf.get(Route::Upload, &path).status, 404, "{path}");
    }
    assert_eq!(shelf.get(Route::Upload, &format!("/upload/{id}")).status, 404);
}

#[test]
fn large_objects_stay_on_disk() {
    let shelf = Shelf::new();
    let digest = shelf.put(&vec![7; SMALL_BYTES_MAX as usize + 1], typed("video/mp4"));
    let resource = shelf.get(Route::Media, &format!("/media/{digest}"));
    assert!(matches!(resource.variants[0].source, Source::File(_)));
}
