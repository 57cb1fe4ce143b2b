//! `urn:whimbrel:mls:0` as a client writes and reads it.

use data_encoding::BASE64;
use mls_client::Commit;

use crate::error::BenchError;
use crate::xmpp::find;
use crate::xmpp::questions;

/// A key package that the server has given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Whose.
    pub jid: String,
    pub bytes: Vec<u8>,
}

/// "Key packages": what a device puts into its stock.
pub fn stock(packages: &[Vec<u8>]) -> String {
    let packages = packages.iter().map(|bytes| text("key-package", bytes));
    format!("<key-packages xmlns='{MLS}'>{}</key-packages>", packages.collect::<String>())
}

/// "Key packages": the question for some of these accounts'.
pub fn claim(jids: &[String]) -> String {
    let accounts = jids.iter().map(|jid| format!("<account jid='{jid}'/>"));
    format!("<claim xmlns='{MLS}'>{}</claim>", accounts.collect::<String>())
}

/// The answer to [`claim`].
///
/// # Errors
/// A key package is not in base64 or nobody's.
pub fn claimed(answer: &[u8]) -> Result<Vec<Claimed>, BenchError> {
    let read = |package: &[u8]| {
        let jid = find::attribute(package, "jid")?;
        let bytes = BASE64.decode(find::text(package)).ok()?;
        Some(Claimed { jid: String::from_utf8_lossy(jid).into_owned(), bytes })
    };
    let packages = find::descendants(answer, "key-package").map(read);
    packages
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| BenchError::Refused { what: "a claim", answer: questions::shown(answer) })
}

/// "Founding": the group info of epoch 0.
pub fn found(group_info: &[u8]) -> String {
    format!("<found xmlns='{MLS}'>{}</found>", BASE64.encode(group_info))
}

/// "Commits": a commit with who comes by it.
pub fn commit(commit: &Commit, coming: &[String]) -> String {
    let mut request = format!("<commit xmlns='{MLS}'>{}", text("handshake", &commit.message));
    if let Some(welcome) = &commit.welcome {
        request += &text("welcome", welcome);
    }
    request += &text("group-info", &commit.group_info);
    for jid in coming {
        request += &format!("<add jid='{jid}'/>");
    }
    request + "</commit>"
}

fn text(name: &str, bytes: &[u8]) -> String {
    format!("<{name}>{}</{name}>", BASE64.encode(bytes))
}

const MLS: &str = "urn:whimbrel:mls:0";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Option<&[(&str, &[u8])]>) {
        let claimed = claimed(answer.as_bytes()).ok();
        let seen = claimed.as_ref().map(|claimed| {
            let pairs = claimed.iter().map(|one| (one.jid.as_str(), one.bytes.as_slice()));
            pairs.collect::<Vec<_>>()
        });
        assert_eq!(seen.as_deref(), expected, "{answer}");
    }

    #[test]
    fn key_packages_of_an_answer() {
        let one = "<key-package jid='a@l' device='d'>AAEC</key-package>";
        check("<iq type='result'><claimed/></iq>", Some(&[]));
        check(
            &format!("<iq><claimed>{one}{one}</claimed></iq>"),
            Some(&[("a@l", b"\0\x01\x02".as_slice()); 2]),
        );
        check("<iq><key-package jid='a@l'>A</key-package></iq>", None);
        check("<iq><key-package>AAEC</key-package></iq>", None);
    }
}
