//! What a device asks of a server (`docs/protocol/mls.md`): payloads of requests and messages, for
//! whoever has a stream to send them.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;

use crate::device::Commit;

/// The namespace.
pub const NS: &str = "urn:whimbrel:mls:0";

/// Puts key packages into stock.
pub fn stock(packages: &[Vec<u8>]) -> String {
    let packages: String = packages.iter().map(|package| part("key-package", package)).collect();
    format!("<key-packages xmlns='{NS}'>{packages}</key-packages>")
}

/// Claims key packages of the devices of these accounts.
pub fn claim(jids: &[&str]) -> String {
    format!("<claim xmlns='{NS}'>{}</claim>", named("account", jids))
}

/// Founds a room's group.
pub fn found(group_info: &[u8]) -> String {
    format!("<found xmlns='{NS}'>{}</found>", BASE64.encode(group_info))
}

/// Founds the conversation with another account, and its room.
pub fn direct(with: &str, group_info: &[u8]) -> String {
    format!("<direct xmlns='{NS}' with='{with}'>{}</direct>", BASE64.encode(group_info))
}

/// Brings a commit, by which these accounts become members or cease to be.
pub fn commit(commit: &Commit, add: &[&str], remove: &[&str]) -> String {
    let welcome = commit.welcome.as_deref().map(|welcome| part("welcome", welcome));
    format!(
        "<commit xmlns='{NS}'>{}{}{}{}{}</commit>",
        part("handshake", &commit.message),
        welcome.unwrap_or_default(),
        part("group-info", &commit.group_info),
        named("add", add),
        named("remove", remove),
    )
}

/// Asks for a group as it is, or for the tree of an epoch.
pub fn group(epoch: Option<u64>) -> String {
    let epoch = epoch.map(|epoch| format!(" epoch='{epoch}'"));
    format!("<group xmlns='{NS}'{}/>", epoch.unwrap_or_default())
}

/// What a message to a room holds.
pub fn message(sealed: &[u8]) -> String {
    let sealed = BASE64.encode(sealed);
    format!("<message xmlns='{NS}'>{sealed}</message><store xmlns='urn:xmpp:hints'/>")
}

/// The local part of the address of two accounts' conversation; these are named by their ids.
pub fn direct_address(domain: &str, one: &str, other: &str) -> String {
    let (smaller, larger) = if one < other { (one, other) } else { (other, one) };
    let hash =
        digest(&SHA256, ["whimbrel direct 1", domain, smaller, larger].join("\0").as_bytes());
    let start = hash.as_ref().iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digit = |place: u32| char::from(DIGITS[(start >> (64 - 5 * (place + 1))) as usize & 31]);
    (0..ADDRESS_DIGITS).map(digit).collect()
}

fn part(name: &str, bytes: &[u8]) -> String {
    format!("<{name}>{}</{name}>", BASE64.encode(bytes))
}

fn named(name: &str, jids: &[&str]) -> String {
    jids.iter().map(|jid| format!("<{name} jid='{jid}'/>")).collect()
}

const ADDRESS_DIGITS: u32 = 12;
/// As ids of accounts are written.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
