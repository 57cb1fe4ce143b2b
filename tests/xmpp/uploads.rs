//! Files that a device uploads by a token of the account API.

use serde_json::{Value, json};

use crate::account_api::{authorization, post, register, try_post};
use crate::house::House;

/// A whole upload in one request (tus creation-with-upload).
fn upload(house: &House, token: &str, content: &[u8]) -> (u16, String) {
    let head = format!(
        "POST /upload HTTP/1.1\nTus-Resumable: 1.0.0\nUpload-Length: {}\n\
         Content-Type: application/offset+octet-stream{}",
        content.len(),
        authorization(token)
    );
    house.http(&head, content)
}

#[test]
fn a_device_uploads_for_its_account_within_what_it_asked_for() {
    let mut house = House::start("", "[media]\nquota_bytes_max = 1000\nobject_bytes_max = 5000\n");
    let (bearer, account) = register(&mut house, "+493023125555");
    let token = |wish: Value| {
        let given = post(&house, "upload-tokens", &bearer, &wish);
        given["token"].as_str().unwrap().to_owned()
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let passing = token(json!({ "bytes": 600, "expires": now.as_secs() + 3600 }));
    let other = token(json!({ "bytes": 600, "digest": "ab".repeat(32) }));
    let (status, answer) = upload(&house, &other, &[7; 600]);
    assert_eq!(status, 422, "{answer}");
    assert_eq!(upload(&house, &passing, &[7; 601]).0, 413);
    let (status, answer) = upload(&house, &passing, &[7; 600]);
    assert_eq!(status, 201, "{answer}");
    let media = answer.lines().find_map(|line| line.strip_prefix("content-location: ")).unwrap();
    let (_, got) = house.http(&format!("GET {media} HTTP/1.1"), b"");
    assert!(got.ends_with(&"\u{7}".repeat(600)), "{got}");
    let max_age = got.split_once("max-age=").unwrap().1;
    let max_age = max_age.split(|it: char| !it.is_ascii_digit()).next().unwrap();
    assert!((3000..=3600).contains(&max_age.parse::<u32>().unwrap()), "{got}");

    // It counts once, and what it brought counts for the account.
    assert_eq!(upload(&house, &passing, b"x").0, 403);
    let (status, refused) = try_post(&house, "upload-tokens", &bearer, &json!({ "bytes": 600 }));
    assert_eq!((status, &refused["type"]), (507, &json!("urn:whimbrel:problem:no-room")));
    let (status, refused) = try_post(&house, "upload-tokens", &bearer, &json!({ "bytes": 5001 }));
    assert_eq!((status, &refused["type"]), (413, &json!("urn:whimbrel:problem:too-large")));
    // A token for uploads opens nothing else.
    let small = token(json!({ "bytes": 1 }));
    for bearer in [small.clone(), format!("{account}.phone.{small}")] {
        assert_eq!(try_post(&house, "upload-tokens", &bearer, &json!({ "bytes": 1 })).0, 401);
    }
}
