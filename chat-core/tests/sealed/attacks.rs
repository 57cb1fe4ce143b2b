//! What a member or a stranger must not do: each attempt is refused by its name, and the others go
//! on.

use chat_core::mls::NS;
use chat_core::xml::Element;
use data_encoding::BASE64;
use mls_client::{Changes, Device};

use crate::client::commit_iq;
use crate::conversation::Conversation;

/// The name of the application's condition, or of the stanza error's.
fn reason(answer: &Element) -> String {
    let error = answer.child("error", "jabber:client").expect("an error");
    let named = error.children().find(|child| child.ns() == NS);
    named.or_else(|| error.children().next()).unwrap().name().to_owned()
}

fn refused(talk: &mut Conversation, by: usize, iq: &str, id: &str) -> String {
    let room = talk.room.clone();
    let answer = talk.clients[by].ask(&mut talk.world, Some(&room), iq, id).expect("an answer");
    let reason = reason(&answer);
    talk.follow();
    talk.agree();
    reason
}

#[test]
fn key_packages_are_used_by_who_claimed_them_and_once() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    talk.world.account("carol");
    let carol = crate::client::Client::new(&mut talk.world, "carol/phone");
    let package = talk.clients[0].claim(&mut talk.world, &["carol"]);
    let (by, also) = (1, "<add jid='{carol}'/>");
    let add = |package: &Vec<Vec<u8>>| Changes { add: package.clone(), remove: Vec::new() };
    // Bob adds with what was given to Alice, and with what nobody has claimed.
    let own = vec![carol.device.key_package(false).unwrap()];
    for package in [&package, &own] {
        let commit = talk.clients[by].device.commit(room.as_bytes(), &add(package)).unwrap();
        talk.clients[by].device.refused(room.as_bytes()).unwrap();
        let iq = commit_iq(&room, &commit, also);
        assert_eq!(refused(&mut talk, by, &iq, "commit"), "key-package-not-claimed");
    }
    // Alice adds, removes, and adds with the same again.
    let answer = talk.clients[0].commit(&mut talk.world, &room, &add(&package), also);
    assert!(answer.is_some_and(|answer| crate::client::is_result(&answer)));
    talk.clients.push(carol);
    talk.follow();
    talk.agree();
    assert!(talk.remove(0, "carol"));
    talk.follow();
    let commit = talk.clients[0].device.commit(room.as_bytes(), &add(&package)).unwrap();
    talk.clients[0].device.refused(room.as_bytes()).unwrap();
    let iq = commit_iq(&room, &commit, also);
    assert_eq!(refused(&mut talk, 0, &iq, "commit"), "key-package-not-claimed");
}

#[test]
fn commits_of_others_of_the_past_and_of_no_sense_are_refused() {
    let mut talk = Conversation::of(&["alice", "bob", "carol"]);
    let room = talk.room.clone();
    let commit = talk.clients[1].device.commit(room.as_bytes(), &Changes::default()).unwrap();
    talk.clients[1].device.refused(room.as_bytes()).unwrap();
    let iq = commit_iq(&room, &commit, "");
    assert_eq!(refused(&mut talk, 2, &iq, "commit"), "foreign-leaf");
    let mut garbage = commit.clone();
    garbage.message.truncate(100);
    assert_eq!(refused(&mut talk, 1, &commit_iq(&room, &garbage, ""), "commit"), "malformed");
    let mut changed = commit.clone();
    changed.message[60] ^= 1;
    let name = refused(&mut talk, 1, &commit_iq(&room, &changed, ""), "commit");
    assert!(["wrong-signature", "malformed", "invalid-commit"].contains(&name.as_str()), "{name}");
    let taken = talk.clients[0].commit(&mut talk.world, &room, &Changes::default(), "");
    assert!(taken.is_some());
    talk.follow();
    assert_eq!(refused(&mut talk, 1, &iq, "commit"), "other-epoch");
    assert_eq!(refused(&mut talk, 1, &iq, "commit"), "other-epoch", "replayed");
}

#[test]
fn leaves_are_of_members() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    talk.world.account("carol");
    let _carol = crate::client::Client::new(&mut talk.world, "carol/phone");
    let add = talk.clients[0].claim(&mut talk.world, &["carol"]);
    let changes = Changes { add, remove: Vec::new() };
    let commit = talk.clients[0].device.commit(room.as_bytes(), &changes).unwrap();
    talk.clients[0].device.refused(room.as_bytes()).unwrap();
    assert_eq!(refused(&mut talk, 0, &commit_iq(&room, &commit, ""), "commit"), "foreign-leaf");
    let commit = talk.clients[0].device.commit(room.as_bytes(), &Changes::default()).unwrap();
    talk.clients[0].device.refused(room.as_bytes()).unwrap();
    let iq = commit_iq(&room, &commit, "<remove jid='{bob}'/>");
    assert_eq!(refused(&mut talk, 0, &iq, "commit"), "foreign-leaf", "a leaf would stay");
    let remove = remove_of(&talk, "alice");
    let commit = talk.clients[1].device.commit(room.as_bytes(), &remove).unwrap();
    talk.clients[1].device.refused(room.as_bytes()).unwrap();
    assert_eq!(refused(&mut talk, 1, &commit_iq(&room, &commit, ""), "commit"), "forbidden");
}

fn remove_of(talk: &Conversation, account: &str) -> Changes {
    Changes { add: Vec::new(), remove: vec![format!("{}/phone", talk.world.id(account))] }
}

#[test]
fn who_blocks_the_one_who_adds_is_not_added() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    talk.world.account("carol");
    let mut carol = crate::client::Client::new(&mut talk.world, "carol/phone");
    let block = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>\
                 <item jid='{alice}'/></block></iq>";
    carol.ask(&mut talk.world, None, block, "b");
    carol.go(&mut talk.world);
    assert!(!talk.add(0, &["carol"]));
    talk.agree();
}

#[test]
fn nobody_takes_back_a_commit() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    let taken = talk.clients[0].commit(&mut talk.world, &room, &Changes::default(), "");
    let committed = taken.expect("an answer");
    let id = committed.child("committed", NS).and_then(|committed| committed.attr("id")).unwrap();
    let moderate = format!(
        "<iq type='set' id='m' to='{room}'><moderate xmlns='urn:xmpp:message-moderate:1' \
         id='{id}'><retract xmlns='urn:xmpp:message-retract:1'/></moderate></iq>"
    );
    talk.clients[0].ask(&mut talk.world, Some(&room), &moderate, "m");
    let log = log(&talk);
    assert!(
        log.iter().any(|(stored, xml)| stored.to_string() == id && xml.contains("<handshake>"))
    );
}

#[test]
fn commits_stay_when_messages_disappear() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    let sealed = BASE64.encode(&talk.clients[1].device.send(room.as_bytes(), b"x").unwrap());
    let message = format!(
        "<message type='groupchat' to='{room}' id='m'><message xmlns='{NS}'>{sealed}</message>\
         <ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>\
         <store xmlns='urn:xmpp:hints'/></message>"
    );
    talk.world.send("bob/phone", &message);
    // One that asks for an end of itself gets none.
    let commit = talk.clients[0].device.commit(room.as_bytes(), &Changes::default()).unwrap();
    let also = "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>";
    let iq = commit_iq(&room, &commit, also);
    talk.clients[0].ask(&mut talk.world, Some(&room), &iq, "commit");
    let before = log(&talk).len();
    talk.world.now.unix_ms += 400 * 24 * 3600 * 1000;
    talk.world.pass(120);
    let after = log(&talk);
    assert_eq!(after.len(), before - 1, "the message alone is over");
    assert_eq!(after.iter().filter(|(_, xml)| xml.contains("<handshake>")).count(), 2);
}

/// What the room's log holds.
fn log(talk: &Conversation) -> Vec<(chat_core::id::MessageId, String)> {
    let room = chat_core::jid::Jid::parse(&talk.room).unwrap();
    talk.world.disk.archive(chat_core::jid::RoomId::of(&room).unwrap().owner())
}

#[test]
fn a_stranger_gets_nothing() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    talk.world.account("mallory");
    let mallory = crate::client::Client::new(&mut talk.world, "mallory/phone");
    talk.clients.push(mallory);
    let get = format!("<iq type='get' id='g' to='{room}'><group xmlns='{NS}'/></iq>");
    assert_eq!(refused(&mut talk, 2, &get, "g"), "registration-required");
    let get = format!("<iq type='get' id='g' to='{room}'><group xmlns='{NS}' epoch='1'/></iq>");
    assert_eq!(refused(&mut talk, 2, &get, "g"), "registration-required");
    // With what a member has told it, it could build a commit.
    let mut device = Device::new(&talk.world.id("mallory").to_string(), "phone").unwrap();
    let bob = &mut talk.clients[1];
    let own = bob.device.commit(room.as_bytes(), &Changes::default()).unwrap();
    bob.device.refused(room.as_bytes()).unwrap();
    let tree = bob.device.tree(room.as_bytes()).unwrap();
    if let Ok(commit) = device.join_externally(&own.group_info, &tree) {
        let iq = commit_iq(&room, &commit, "");
        assert_eq!(refused(&mut talk, 2, &iq, "commit"), "registration-required");
    }
    let info = BASE64.encode(&device.create(room.as_bytes()).unwrap());
    let found =
        format!("<iq type='set' id='f' to='{room}'><found xmlns='{NS}'>{info}</found></iq>");
    assert_eq!(refused(&mut talk, 2, &found, "f"), "registration-required");
}

#[test]
fn nothing_open_is_taken_and_nothing_of_another_epoch_or_group() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    talk.world.clear("bob/phone");
    let sealed = BASE64.encode(&talk.clients[1].device.send(room.as_bytes(), b"old").unwrap());
    for _ in 0..5 {
        talk.clients[0].commit(&mut talk.world, &room, &Changes::default(), "");
        talk.follow();
    }
    talk.clients[1].device.create(b"other").unwrap();
    let other = BASE64.encode(&talk.clients[1].device.send(b"other", b"x").unwrap());
    let late = format!("<message xmlns='{NS}'>{sealed}</message><store xmlns='urn:xmpp:hints'/>");
    let foreign = format!("<message xmlns='{NS}'>{other}</message><store xmlns='urn:xmpp:hints'/>");
    for (content, name) in [
        ("<body>open</body>".to_owned(), "content-not-encrypted"),
        (format!("<body>open</body>{late}"), "content-not-encrypted"),
        (late, "other-epoch"),
        (foreign, "other-group"),
        (format!("<message xmlns='{NS}'>AAAA</message>"), "malformed"),
    ] {
        let message = format!("<message type='groupchat' to='{room}' id='m'>{content}</message>");
        talk.world.send("bob/phone", &message);
        let got = talk.world.receive("bob/phone").expect("an error");
        assert_eq!(reason(&got), name);
    }
    talk.world.expect_nothing("alice/phone");
}

#[test]
fn what_the_room_says_of_its_group_is_said_by_nobody_else() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    let commit = talk.clients[1].device.commit(room.as_bytes(), &Changes::default()).unwrap();
    let handshake = BASE64.encode(&commit.message);
    talk.world.send(
        "bob/phone",
        &format!(
            "<message type='groupchat' to='{room}' id='m'><commit xmlns='{NS}' epoch='2'>\
             <handshake>{handshake}</handshake></commit><founded xmlns='{NS}' by='x'/>\
             <store xmlns='urn:xmpp:hints'/></message>"
        ),
    );
    let got = talk.world.expect("alice/phone", "<message id='m'/>");
    assert!(got.children().all(|child| child.ns() != NS), "{got:?}");
}

#[test]
fn the_second_founder_learns_the_epoch() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    let mut device = Device::new(&talk.world.id("bob").to_string(), "phone").unwrap();
    let info = BASE64.encode(&device.create(room.as_bytes()).unwrap());
    let found =
        format!("<iq type='set' id='f' to='{room}'><found xmlns='{NS}'>{info}</found></iq>");
    assert_eq!(refused(&mut talk, 1, &found, "f"), "other-epoch");
}
