//! PLAIN: the password against the keys that SCRAM uses.

use super::*;

#[track_caller]
fn check(message: &[u8], expected: Result<usize, SaslCondition>) {
    let account = account(&["pencil", "app password"]);
    let mut server = Server::new(tls(), Some(account.clone()));
    let actual = match server.start("PLAIN", Some(message)) {
        Step::Success(success) => {
            assert_eq!(success.username, "user");
            assert_eq!(success.additional_data, None);
            Ok(place(success.credential, &account))
        }
        step => Err(failure(step)),
    };
    assert_eq!(actual, expected);
}

#[test]
fn each_password_of_the_account() {
    check(b"\0user\0pencil", Ok(0));
    check(b"\0user\0app password", Ok(1));
    check("\0us\u{ad}er\0pen\u{ad}cil".as_bytes(), Ok(0));
}

#[test]
fn what_is_not_a_password_of_it() {
    let refused = SaslCondition::NotAuthorized;
    check(b"\0user\0Pencil", Err(refused));
    check(b"\0user\0", Err(refused));
    check(b"\0user\0\x07", Err(refused));
}

#[test]
fn what_is_not_plain() {
    let malformed = SaslCondition::MalformedRequest;
    check(b"", Err(malformed));
    check(b"user\0pencil", Err(malformed));
    check(b"\0\0pencil", Err(malformed));
    check(b"\0user\0pencil\0", Err(malformed));
    check(b"\0user\0\xff", Err(malformed));
    let long = ["\0user\0", &"x".repeat(PASSWORD_BYTES_MAX + 1)].concat();
    check(long.as_bytes(), Err(malformed));
}

#[test]
fn an_unknown_user_fails_as_a_wrong_password_does() {
    let mut server = Server::new(tls(), None);
    let step = server.start("PLAIN", Some(b"\0user\0pencil"));
    assert_eq!(failure(step), SaslCondition::NotAuthorized);
}
