//! An encrypted room and the clients in it.

use std::time::{SystemTime, UNIX_EPOCH};

use chat_core::mls::NS;
use data_encoding::BASE64;
use mls_client::Changes;

use crate::client::{Client, commit_iq, is_result};
use crate::world::World;

const GROUPS: &str = "urn:whimbrel:groups:0";

pub struct Conversation {
    pub world: World,
    pub room: String,
    pub clients: Vec<Client>,
}

impl Conversation {
    /// A room of these accounts, each with a phone; the first has founded it and added the others.
    pub fn of(names: &[&str]) -> Conversation {
        let mut conversation = Conversation::without_group(names);
        let answer = conversation.clients[0].found(&mut conversation.world, &conversation.room);
        assert!(is_result(&answer), "{answer:?}");
        let taken = conversation.add(0, &names[1..]);
        assert!(taken || names.len() == 1);
        conversation.follow();
        conversation.agree();
        conversation
    }

    /// The accounts, and a room of the first alone without a group.
    pub fn without_group(names: &[&str]) -> Conversation {
        let mut world = World::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        world.now.unix_ms = u64::try_from(now).unwrap();
        for name in names {
            world.account(name);
        }
        let clients = names.iter().map(|name| Client::new(&mut world, &format!("{name}/phone")));
        let mut clients: Vec<Client> = clients.collect();
        let create = format!(
            "<iq type='set' id='create' to='groups.example.org'>\
             <create xmlns='{GROUPS}' kind='encrypted'><name>Family</name></create></iq>"
        );
        let created = clients[0].ask(&mut world, None, &create, "create").expect("an answer");
        let room = created.child("group", GROUPS).and_then(|group| group.attr("jid"));
        Conversation { room: room.expect("a room").to_owned(), world, clients }
    }

    /// A client has the devices of accounts added, and the accounts with them where they are no
    /// members. Says whether that was taken.
    pub fn add(&mut self, by: usize, accounts: &[&str]) -> bool {
        if accounts.is_empty() {
            return false;
        }
        let (world, client) = (&mut self.world, &mut self.clients[by]);
        let known = client.device.members(self.room.as_bytes());
        let add = client.claim(world, accounts);
        let is_new = |name: &&&str| {
            let account = world.id(name).to_string();
            !known.iter().any(|leaf| leaf.starts_with(&account))
        };
        let also: String =
            accounts.iter().filter(is_new).map(|name| format!("<add jid='{{{name}}}'/>")).collect();
        let changes = Changes { add, remove: Vec::new() };
        let answer = client.commit(world, &self.room, &changes, &also);
        answer.is_some_and(|answer| is_result(&answer))
    }

    /// A client takes an account out with all its leaves.
    pub fn remove(&mut self, by: usize, account: &str) -> bool {
        let (world, client) = (&mut self.world, &mut self.clients[by]);
        let id = world.id(account).to_string();
        let leaves = client.device.members(self.room.as_bytes());
        let remove: Vec<String> = leaves.into_iter().filter(|leaf| leaf.starts_with(&id)).collect();
        let also = format!("<remove jid='{{{account}}}'/>");
        let changes = Changes { add: Vec::new(), remove };
        let answer = client.commit(world, &self.room, &changes, &also);
        answer.is_some_and(|answer| is_result(&answer))
    }

    /// All who are there follow the log to its end.
    pub fn follow(&mut self) {
        for client in self.clients.iter_mut().filter(|client| client.is_online) {
            client.follow(&mut self.world, &self.room);
        }
    }

    /// All members agree, and others are out.
    pub fn agree(&self) {
        let room = self.room.as_bytes();
        let members: Vec<&Client> =
            self.clients.iter().filter(|client| client.is_member(&self.room)).collect();
        let first = members.first().expect("a member");
        let secret = |client: &Client| client.device.exporter(room, "test").unwrap();
        for member in &members {
            assert_eq!(member.device.epoch(room), first.device.epoch(room), "{}", member.name);
            assert_eq!(secret(member), secret(first), "{}", member.name);
            assert_eq!(member.device.members(room), first.device.members(room));
        }
        let names: Vec<&str> = members.iter().map(|member| member.device.identity()).collect();
        for leaf in first.device.members(room) {
            assert!(names.contains(&leaf.as_str()), "{leaf} is a leaf that does not follow");
        }
    }
}

#[test]
fn members_talk_and_others_read_a_fallback() {
    let mut talk = Conversation::of(&["alice", "bob", "carol"]);
    let room = talk.room.clone();
    talk.clients[1].write(&mut talk.world, &room, "hello");
    talk.follow();
    for client in &talk.clients {
        assert_eq!(client.read, ["hello"], "{}", client.name);
    }
    let got = talk.clients[2].device.send(room.as_bytes(), b"x").unwrap();
    let sealed = data_encoding::BASE64.encode(&got);
    talk.world.send(
        "carol/phone",
        &format!("<message type='groupchat' to='{room}' id='f'><message xmlns='{NS}'>{sealed}</message><store xmlns='urn:xmpp:hints'/></message>"),
    );
    let fallback = "This message is end-to-end encrypted, and your client cannot read it.";
    talk.world.expect("alice/phone", &format!("<message><body>{fallback}</body></message>"));
}

#[test]
fn who_is_away_reads_all_that_was_written_since_it_was_added() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    talk.world.account("carol");
    let mut carol = Client::new(&mut talk.world, "carol/phone");
    carol.go(&mut talk.world);
    talk.clients.push(carol);
    assert!(talk.add(0, &["carol"]));
    talk.clients[0].write(&mut talk.world, &room, "one");
    talk.follow();
    let taken = talk.clients[1].commit(&mut talk.world, &room, &Changes::default(), "");
    assert!(taken.is_some_and(|answer| is_result(&answer)));
    talk.follow();
    talk.clients[1].write(&mut talk.world, &room, "two");
    talk.world.crash();
    for client in &mut talk.clients {
        client.come(&mut talk.world);
    }
    talk.follow();
    assert_eq!(talk.clients[2].read, ["one", "two"]);
    talk.agree();
}

#[test]
fn who_is_removed_is_out() {
    let mut talk = Conversation::of(&["alice", "bob", "carol"]);
    let room = talk.room.clone();
    assert!(!talk.remove(1, "carol"), "members do not remove one another");
    assert!(talk.remove(0, "carol"));
    talk.follow();
    talk.clients[1].write(&mut talk.world, &room, "secret");
    talk.follow();
    assert!(!talk.clients[2].is_member(&room));
    assert!(talk.clients[2].read.is_empty());
    let refused = talk.clients[2].join(&mut talk.world, &room);
    assert!(refused.is_none(), "{refused:?}");
    talk.agree();
}

#[test]
fn who_comes_and_goes_by_a_commit_stands_in_its_message() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    let world = &mut talk.world;
    world.account("carol");
    let _carol = Client::new(world, "carol/phone");
    talk.clients[1].go(world);
    let add = talk.clients[0].claim(world, &["carol"]);
    world.clear("carol/phone");
    let remove = vec![talk.clients[1].device.identity().to_owned()];
    let commit = talk.clients[0].device.commit(room.as_bytes(), &Changes { add, remove }).unwrap();
    let also = "<add jid='{carol}'/><remove jid='{bob}'/>";
    world.send("alice/phone", &commit_iq(&room, &commit, also));
    let told = format!(
        "<message type='groupchat' from='{room}' id='*'><body/>\
         <change xmlns='{GROUPS}' by='{{alice}}'><added jid='{{carol}}' affiliation='member'/>\
         <removed jid='{{bob}}'/></change><fallback xmlns='urn:xmpp:fallback:0' for='{GROUPS}'/>\
         <commit xmlns='{NS}' epoch='2'><handshake/><welcome/></commit>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{room}' id='*'/></message>"
    );
    let live = world.expect("alice/phone", &told);
    world.expect("alice/phone", "<iq type='result' id='commit'/>");
    world.expect_nothing("alice/phone");
    world.expect("carol/phone", &told);
    world.expect_nothing("carol/phone");
    // Who was taken out meanwhile gets it when it comes, as its last, and so does the archive.
    world.crash();
    world.come_as_device_to_groups("bob/phone");
    world.skip_presence("bob/phone");
    world.expect("bob/phone", &told);
    world.expect_nothing("bob/phone");
    world.come_as_device_to_groups("carol/phone");
    world.clear("carol/phone");
    let query = "<query xmlns='urn:xmpp:mam:2'/>";
    world.send("carol/phone", &format!("<iq type='set' id='log' to='{room}'>{query}</iq>"));
    let page = world.receive("carol/phone").unwrap();
    let result = page.child("result", "urn:xmpp:mam:2").expect("a message of the archive");
    assert_eq!(result.attr("id"), live.attr("id"));
    let forwarded = result.child("forwarded", "urn:xmpp:forward:0").unwrap();
    let message = forwarded.child("message", "jabber:client").unwrap();
    assert!(message.child("change", GROUPS).is_some() && message.child("commit", NS).is_some());
    world.expect("carol/phone", "<iq type='result' id='log'/>");
}

#[test]
fn a_further_device_comes_from_outside() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    let mut laptop = Client::new(&mut talk.world, "bob/laptop");
    assert!(laptop.join(&mut talk.world, &room).is_some_and(|answer| is_result(&answer)));
    talk.clients.push(laptop);
    talk.follow();
    talk.agree();
    talk.clients[2].write(&mut talk.world, &room, "from the laptop");
    talk.follow();
    assert_eq!(talk.clients[0].read, ["from the laptop"]);
    assert_eq!(talk.clients[1].read, ["from the laptop"]);
}

#[test]
fn two_found_their_conversation_at_once_and_meet_in_it() {
    let mut talk = Conversation::without_group(&["alice", "bob"]);
    let address = |one, other| {
        let room = chat_core::rooms::direct_address(&crate::world::config(), one, other);
        room.expect("groups are there").to_string()
    };
    let (alice, bob) = (talk.world.id("alice"), talk.world.id("bob"));
    let room = address(alice, bob);
    assert_eq!(room, address(bob, alice));
    talk.room = room.clone();
    let [first, second] = [(0, "bob"), (1, "alice")].map(|(by, with)| {
        talk.clients[by].found_direct(&mut talk.world, &room, with).expect("an answer")
    });
    assert!(is_result(&first), "{first:?}");
    let error = second.child("error", "jabber:client").unwrap();
    assert_eq!(error.child("other-epoch", NS).unwrap().attr("epoch"), Some("0"));
    assert!(talk.clients[1].join(&mut talk.world, &room).is_some_and(|answer| is_result(&answer)));
    talk.follow();
    talk.agree();
    talk.world.crash();
    for client in &mut talk.clients {
        client.come(&mut talk.world);
    }
    talk.clients[1].write(&mut talk.world, &room, "hello");
    talk.follow();
    assert_eq!(talk.clients[0].read, ["hello"]);
    // It stays a conversation of two.
    talk.world.account("carol");
    let _carol = Client::new(&mut talk.world, "carol/phone");
    assert!(!talk.add(0, &["carol"]));
    talk.agree();
}

/// The address of the conversation of two accounts, and a conversation that is not founded yet.
fn two() -> (Conversation, String) {
    let mut talk = Conversation::without_group(&["alice", "bob"]);
    let (alice, bob) = (talk.world.id("alice"), talk.world.id("bob"));
    let room = chat_core::rooms::direct_address(&crate::world::config(), alice, bob);
    let room = room.expect("groups are there").to_string();
    talk.room.clone_from(&room);
    (talk, room)
}

#[test]
fn a_conversation_of_two_stays_and_blocking_is_heeded_in_it() {
    let (mut talk, room) = two();
    assert!(talk.clients[0].found_direct(&mut talk.world, &room, "bob").is_some());
    assert!(talk.clients[1].join(&mut talk.world, &room).is_some_and(|answer| is_result(&answer)));
    talk.follow();
    for request in [
        format!("<leave xmlns='{GROUPS}'/>"),
        format!("<destroy xmlns='{GROUPS}'/>"),
        format!("<invite xmlns='{GROUPS}'/>"),
        format!("<remove xmlns='{GROUPS}'><member jid='{{alice}}'/></remove>"),
        "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>".to_owned(),
    ] {
        let iq = format!("<iq type='set' id='q' to='{room}'>{request}</iq>");
        let answer = talk.clients[1].ask(&mut talk.world, Some(&room), &iq, "q").unwrap();
        let error = answer.child("error", "jabber:client").expect("an error");
        assert!(error.child("conversation-of-two", NS).is_some(), "{request}: {answer:?}");
    }
    let block = |name: &str| {
        format!(
            "<iq type='set' id='b'><{name} xmlns='urn:xmpp:blocking'>\
             <item jid='{{bob}}'/></{name}></iq>"
        )
    };
    talk.clients[0].ask(&mut talk.world, None, &block("block"), "b");
    // Neither the room nor Alice need be in memory.
    talk.world.crash();
    talk.clients[1].come(&mut talk.world);
    talk.follow();
    let sealed = BASE64.encode(&talk.clients[1].device.send(room.as_bytes(), b"x").unwrap());
    let message = |id: &str| {
        format!(
            "<message type='groupchat' to='{room}' id='{id}'><message xmlns='{NS}'>{sealed}\
             </message><store xmlns='urn:xmpp:hints'/></message>"
        )
    };
    talk.world.send("bob/phone", &message("blocked"));
    talk.world.expect(
        "bob/phone",
        "<message type='error' id='blocked'><error><service-unavailable \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    talk.clients[0].come(&mut talk.world);
    talk.world.clear("alice/phone");
    talk.world.send("alice/phone", &message("blocking"));
    talk.world.expect(
        "alice/phone",
        "<message type='error' id='blocking'><error>\
         <blocked xmlns='urn:xmpp:blocking:errors'/></error></message>",
    );
    talk.clients[0].ask(&mut talk.world, None, &block("unblock"), "b");
    talk.world.send("bob/phone", &message("heard"));
    talk.world.expect("alice/phone", "<message id='heard'/>");
}

#[test]
fn an_accounts_own_devices_meet_in_a_conversation_of_one() {
    let mut talk = Conversation::without_group(&["alice"]);
    let alice = talk.world.id("alice");
    let room = chat_core::rooms::direct_address(&crate::world::config(), alice, alice);
    talk.room = room.expect("groups are there").to_string();
    let room = talk.room.clone();
    let answer = talk.clients[0].found_direct(&mut talk.world, &room, "alice");
    assert!(is_result(&answer.expect("an answer")));
    let mut laptop = Client::new(&mut talk.world, "alice/laptop");
    assert!(laptop.join(&mut talk.world, &room).is_some_and(|answer| is_result(&answer)));
    talk.clients.push(laptop);
    talk.world.crash();
    for client in &mut talk.clients {
        client.come(&mut talk.world);
    }
    talk.follow();
    talk.clients[1].write(&mut talk.world, &room, "a note");
    talk.follow();
    assert_eq!(talk.clients[0].read, ["a note"]);
    // Nobody else comes into it.
    talk.world.account("carol");
    let _carol = Client::new(&mut talk.world, "carol/phone");
    assert!(!talk.add(0, &["carol"]));
    talk.agree();
}

#[test]
fn who_founds_while_the_other_is_looked_for_is_second() {
    let mut talk = Conversation::without_group(&["alice", "bob"]);
    let (alice, bob) = (talk.world.id("alice"), talk.world.id("bob"));
    let room = chat_core::rooms::direct_address(&crate::world::config(), alice, bob);
    let room = room.expect("groups are there").to_string();
    talk.world.answers_at_once = false;
    for (by, with) in [(0, "bob"), (1, "alice")] {
        assert_eq!(talk.clients[by].found_direct(&mut talk.world, &room, with), None);
    }
    talk.world.answer_all();
    talk.world.skip_messages("alice/phone");
    talk.world.skip_messages("bob/phone");
    talk.world.expect("alice/phone", "<iq type='result' id='direct'/>");
    let refused = format!(
        "<iq type='error' id='direct'><error>\
         <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><other-epoch xmlns='{NS}' epoch='0'/>\
         </error></iq>"
    );
    talk.world.expect("bob/phone", &refused);
}

#[test]
fn after_a_restore_the_group_is_founded_anew() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    talk.world.restore();
    for client in &mut talk.clients {
        client.come(&mut talk.world);
    }
    talk.follow();
    let commit = talk.clients[0].commit(&mut talk.world, &room, &Changes::default(), "");
    let error = commit.expect("an answer");
    let error = error.child("error", "jabber:client").expect("an error");
    assert!(error.child("server-restored", NS).is_some(), "{error:?}");
    talk.clients[0].device.forget(room.as_bytes()).unwrap();
    assert!(is_result(&talk.clients[0].found(&mut talk.world, &room)));
    assert!(talk.clients[1].join(&mut talk.world, &room).is_some_and(|answer| is_result(&answer)));
    talk.follow();
    talk.agree();
}

#[test]
fn a_commit_adds_nobody_who_does_not_let_itself_be_added() {
    let mut talk = Conversation::without_group(&["alice", "bob"]);
    let room = talk.room.clone();
    assert!(is_result(&talk.clients[0].found(&mut talk.world, &room)));
    let set = |by| format!("<iq type='set' id='b'><addable xmlns='{GROUPS}' by='{by}'/></iq>");
    talk.clients[1].ask(&mut talk.world, None, &set("nobody"), "b").expect("an answer");
    let (world, alice) = (&mut talk.world, &mut talk.clients[0]);
    let add = alice.claim(world, &["bob"]);
    let changes = Changes { add, remove: Vec::new() };
    let refused = alice.commit(world, &room, &changes, "<add jid='{bob}'/>").expect("an answer");
    let error = refused.child("error", "jabber:client").expect("an error");
    let named = error.child("not-addable", GROUPS).and_then(|it| it.child("member", GROUPS));
    assert_eq!(named.and_then(|member| member.attr("jid")), Some(world.jid("bob").as_str()));
    talk.clients[1].ask(&mut talk.world, None, &set("everybody"), "b").expect("an answer");
    assert!(talk.add(0, &["bob"]));
    talk.follow();
    talk.agree();
}

#[test]
fn a_silent_device_is_named() {
    let mut talk = Conversation::of(&["alice", "bob"]);
    let room = talk.room.clone();
    // What a log-in with a token would have left.
    let account = talk.world.id("bob");
    let mut writes = Vec::new();
    let mut access = chat_core::access::Access::load(account, &[]);
    let secret = chat_core::sasl::ServerSecret::new(&[1; 32]);
    let now_unix_s = talk.world.now.unix_ms / 1000;
    let mechanism = chat_core::sasl::TokenMechanism::Unbound;
    let device = "phone".parse().unwrap();
    access.add_device(device, "", mechanism, &secret, now_unix_s, &mut writes);
    let command = chat_core::chat::Command::Write { account, writes, log_out: false };
    talk.world.input(chat_core::chat::Input::Command { id: 0, command });
    talk.clients[1].go(&mut talk.world);
    let get = format!("<iq type='get' id='g' to='{room}'><group xmlns='{NS}'/></iq>");
    for (days, is_named) in [(29, false), (2, true)] {
        talk.world.now.unix_ms += days * 24 * 3600 * 1000;
        let answer = talk.clients[0].ask(&mut talk.world, Some(&room), &get, "g").unwrap();
        let group = answer.child("group", NS).unwrap();
        let silent = group.child("silent", NS).and_then(|silent| silent.attr("leaf"));
        assert_eq!(silent, is_named.then(|| talk.clients[1].device.identity()));
    }
}
