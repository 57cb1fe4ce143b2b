//! Rooms as clients know them that join: XEP-0045.

use crate::world::{self, World};

const ROOM: &str = "tea@groups.example.org";

/// Alice has made a room by joining it.
fn room() -> World {
    let mut world = World::with(&["alice", "bob", "carol"]);
    join(&mut world, "alice", "Alice");
    world.clear("alice/phone");
    world
}

/// Joins without history.
fn join(world: &mut World, name: &str, nick: &str) {
    world.send(
        &format!("{name}/phone"),
        &format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='0'/></x></presence>"
        ),
    );
}

/// An admin's change of an affiliation.
fn affiliate(world: &mut World, by: &str, name: &str, affiliation: &str) {
    world.send(
        &format!("{by}/phone"),
        &format!(
            "<iq type='set' id='a' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='{affiliation}' jid='{{{name}}}'/></query></iq>"
        ),
    );
}

/// Alice's room, in which Bob is too.
fn room_of_two() -> World {
    let mut world = room();
    affiliate(&mut world, "alice", "bob", "member");
    join(&mut world, "bob", "Bob");
    world.clear("alice/phone");
    world.clear("bob/phone");
    world
}

fn user(inside: &str) -> String {
    format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x>")
}

#[test]
fn who_joins_a_room_that_is_not_there_makes_it() {
    let mut world = World::with(&["alice", "bob"]);
    world.send(
        "alice/phone",
        &format!(
            "<presence to='{ROOM}/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ),
    );
    let own = user(
        "<item affiliation='owner' role='moderator'/><status code='201'/><status code='110'/>",
    );
    world.expect("alice/phone", &format!("<presence from='{ROOM}/Alice'>{own}</presence>"));
    // What was said before, then what the room talks about.
    world.expect("alice/phone", "<message><delay xmlns='urn:xmpp:delay'/></message>");
    world.expect(
        "alice/phone",
        &format!("<message type='groupchat' from='{ROOM}'><subject/></message>"),
    );
    world.ask(
        "alice/phone",
        &format!(
            "<iq type='set' id='c' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
             <x xmlns='jabber:x:data' type='submit'/></query></iq>"
        ),
        "<iq type='result' id='c'/>",
    );
    join(&mut world, "bob", "Bob");
    world.expect(
        "bob/phone",
        &format!(
            "<presence type='error' from='{ROOM}/Bob'><error type='auth'><registration-required \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ),
    );
}

#[test]
fn occupants_see_each_other_and_what_is_said() {
    let mut world = room();
    affiliate(&mut world, "alice", "bob", "member");
    world.clear("alice/phone");
    join(&mut world, "bob", "Bob");
    let item = |affiliation: &str, name: &str| {
        user(&format!("<item affiliation='{affiliation}' jid='{{{name}/phone}}'/>"))
    };
    world.expect(
        "bob/phone",
        &format!("<presence from='{ROOM}/Alice'>{}</presence>", item("owner", "alice")),
    );
    let own = user(
        "<item affiliation='member' role='participant'/><status code='110'/><status code='100'/>",
    );
    world.expect("bob/phone", &format!("<presence from='{ROOM}/Bob'>{own}</presence>"));
    world.expect("bob/phone", "<message><subject/></message>");
    world.expect(
        "alice/phone",
        &format!("<presence from='{ROOM}/Bob'>{}</presence>", item("member", "bob")),
    );
    world.send(
        "bob/phone",
        &format!(
            "<message type='groupchat' id='m' to='{ROOM}'><body>hi</body>\
             <occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/></message>"
        ),
    );
    for name in ["alice/phone", "bob/phone"] {
        let got = world.expect(
            name,
            &format!(
                "<message type='groupchat' id='m' from='{ROOM}/Bob'><body>hi</body></message>"
            ),
        );
        let ids: Vec<_> = got.children_named("occupant-id", "urn:xmpp:occupant-id:0").collect();
        assert!(ids.len() == 1 && ids[0].attr("id") != Some("forged"));
    }
    // XEP-0410.
    let ping = |nick: &str| {
        format!("<iq type='get' id='p' to='{ROOM}/{nick}'><ping xmlns='urn:xmpp:ping'/></iq>")
    };
    world.ask("bob/phone", &ping("Bob"), "<iq type='result' id='p'/>");
    world.send("bob/phone", &format!("<presence type='unavailable' to='{ROOM}/Bob'/>"));
    let gone = user("<item role='none'/>");
    world.expect(
        "alice/phone",
        &format!("<presence type='unavailable' from='{ROOM}/Bob'>{gone}</presence>"),
    );
    world.expect("bob/phone", "<presence type='unavailable'/>");
    world.ask(
        "bob/phone",
        &ping("Bob"),
        "<iq type='error' id='p'><error><not-acceptable \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    );
    world.expect_nothing("bob/phone");
}

#[test]
fn a_session_that_ends_leaves_its_rooms() {
    let mut world = room_of_two();
    world.disconnect("bob/phone", true);
    world.expect("alice/phone", &format!("<presence type='unavailable' from='{ROOM}/Bob'/>"));
    world.expect_nothing("alice/phone");
}

#[test]
fn history_comes_before_what_is_said_meanwhile() {
    let mut world = room_of_two();
    world.send("bob/phone", &format!("<presence type='unavailable' to='{ROOM}/Bob'/>"));
    let say = |id: &str| {
        format!("<message type='groupchat' id='{id}' to='{ROOM}'><body>x</body></message>")
    };
    for id in ["h1", "h2", "h3"] {
        world.send("alice/phone", &say(id));
    }
    world.clear("bob/phone");
    world.send(
        "bob/phone",
        &format!(
            "<presence to='{ROOM}/Bob'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='2'/></x></presence>"
        ),
    );
    world.send("alice/phone", &say("live"));
    world.skip_presence("bob/phone");
    for id in ["h2", "h3"] {
        world.expect(
            "bob/phone",
            &format!("<message id='{id}'><delay xmlns='urn:xmpp:delay'/></message>"),
        );
    }
    world.expect("bob/phone", "<message><subject/></message>");
    world.expect("bob/phone", "<message id='live'/>");
}

#[test]
fn a_nick_belongs_to_one_member() {
    let mut world = room();
    affiliate(&mut world, "alice", "bob", "member");
    world.clear("alice/phone");
    join(&mut world, "bob", "Alice");
    world.expect(
        "bob/phone",
        "<presence type='error'><error><conflict \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
    );
    join(&mut world, "bob", "Bob");
    world.clear("bob/phone");
    world.clear("alice/phone");
    world.send("bob/phone", &format!("<presence to='{ROOM}/Bert'/>"));
    let renamed = user("<item nick='Bert'/><status code='303'/>");
    world.expect(
        "alice/phone",
        &format!("<presence type='unavailable' from='{ROOM}/Bob'>{renamed}</presence>"),
    );
    world.expect("alice/phone", &format!("<presence from='{ROOM}/Bert'/>"));
    world.expect_nothing("alice/phone");
}

#[test]
fn who_is_taken_out_is_out_at_once() {
    let mut world = room_of_two();
    affiliate(&mut world, "bob", "alice", "none");
    world.expect(
        "bob/phone",
        "<iq type='error' id='a'><error><forbidden \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    );
    affiliate(&mut world, "alice", "bob", "none");
    let out = user("<item affiliation='none' role='none'/><status code='321'/>");
    world.skip_messages("bob/phone");
    world.expect(
        "bob/phone",
        &format!("<presence type='unavailable' from='{ROOM}/Bob'>{out}</presence>"),
    );
    world.send(
        "alice/phone",
        &format!("<message type='groupchat' to='{ROOM}'><body>he is gone</body></message>"),
    );
    world.expect_nothing("bob/phone");
    join(&mut world, "bob", "Bob");
    world.expect("bob/phone", "<presence type='error'/>");
}

#[test]
fn nobody_is_named_twice_in_one_change_and_an_owner_stays() {
    let mut world = room_of_two();
    let twice = |first: &str, second: &str| {
        format!(
            "<iq type='set' id='a' to='{ROOM}'><query \
             xmlns='http://jabber.org/protocol/muc#admin'>{first}{second}</query></iq>"
        )
    };
    let item = |name: &str, affiliation: &str| {
        format!("<item affiliation='{affiliation}' jid='{{{name}}}'/>")
    };
    let refused = "<iq type='error' id='a'><error type='modify'><bad-request \
                   xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    let step_down = item("alice", "member");
    world.ask("alice/phone", &twice(&step_down, &step_down), refused);
    let (up, out) = (item("bob", "owner"), item("bob", "none"));
    world.ask("alice/phone", &twice(&up, &out), refused);
    affiliate(&mut world, "alice", "bob", "admin");
    world.skip_messages("alice/phone");
    world.skip_presence("alice/phone");
    world.expect("alice/phone", "<iq type='result' id='a'/>");
}

#[test]
fn an_address_that_the_server_gives_is_not_taken_by_joining_it() {
    let mut world = World::with(&["alice", "bob", "carol"]);
    let (bob, carol) = (world.id("bob"), world.id("carol"));
    let theirs = chat_core::rooms::direct_address(&world::config(), bob, carol).unwrap();
    world.send(
        "alice/phone",
        &format!(
            "<presence to='{theirs}/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ),
    );
    world.expect(
        "alice/phone",
        "<presence type='error'><error><item-not-found \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
    );
}

#[test]
fn a_link_that_admins_approve_is_used_once_by_who_joins_again_and_again() {
    let mut world = room();
    let invite = format!(
        "<iq type='set' id='i' to='{ROOM}'>\
         <invite xmlns='urn:whimbrel:groups:0' uses='2' approve='true'/></iq>"
    );
    let answer = world.ask("alice/phone", &invite, "<iq type='result' id='i'/>");
    let token = answer.children().next().unwrap().attr("token").unwrap().to_owned();
    let join = format!(
        "<iq type='set' id='j' to='{ROOM}'>\
         <join xmlns='urn:whimbrel:groups:0' token='{token}'/></iq>"
    );
    let waits = "<iq type='result' id='j'><waiting xmlns='urn:whimbrel:groups:0'/></iq>";
    for _ in 0..3 {
        world.ask("bob/phone", &join, waits);
    }
    world.ask("carol/phone", &join, waits);
}

#[test]
fn the_configuration_is_a_form() {
    let mut world = room_of_two();
    let owner = "http://jabber.org/protocol/muc#owner";
    let get = format!("<iq type='get' id='f' to='{ROOM}'><query xmlns='{owner}'/></iq>");
    world.ask("bob/phone", &get, "<iq type='error' id='f'/>");
    let answer = world.ask("alice/phone", &get, "<iq type='result' id='f'/>");
    let form = answer.children().next().unwrap().children().next().unwrap();
    assert!(form.children().any(|it| it.attr("var") == Some("muc#roomconfig_roomname")));
    let set = |name: &str, value: &str| {
        format!(
            "<iq type='set' id='f' to='{ROOM}'><query xmlns='{owner}'>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field var='{name}'><value>{value}</value></field></x></query></iq>"
        )
    };
    world.send("alice/phone", &set("muc#roomconfig_moderatedroom", "1"));
    world.clear("alice/phone");
    world.skip_messages("bob/phone");
    world.send(
        "bob/phone",
        &format!("<message type='groupchat' id='m' to='{ROOM}'><body>x</body></message>"),
    );
    world.expect("bob/phone", "<message type='error' id='m'><error type='auth'/></message>");
    world.send("alice/phone", &set("muc#roomconfig_roomname", "Tea time"));
    let info = format!(
        "<iq type='get' id='i' to='{ROOM}'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    );
    world.skip_messages("bob/phone");
    world.ask(
        "bob/phone",
        &info,
        "<iq type='result' id='i'><query xmlns='http://jabber.org/protocol/disco#info'>\
         <identity category='conference' type='text' name='Tea time'/>\
         <feature var='muc_membersonly'/></query></iq>",
    );
    // Who is no member learns no name.
    let answer = world.ask("carol/phone", &info, "<iq type='result' id='i'/>");
    let identity = answer.children().next().unwrap().children().next().unwrap();
    assert_eq!(identity.attr("name"), None);
}

#[test]
fn members_are_versioned() {
    let mut world = room();
    affiliate(&mut world, "alice", "bob", "member");
    affiliate(&mut world, "alice", "carol", "member");
    let ask = |since: &str| {
        format!(
            "<presence to='{ROOM}/Bob'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='0'/><mav xmlns='urn:xmpp:muc:affiliations:1'{since}/></x></presence>"
        )
    };
    world.send("bob/phone", &ask(""));
    let told = world.expect(
        "bob/phone",
        &format!(
            "<message>{}</message>",
            user("<mav xmlns='urn:xmpp:muc:affiliations:1' until='*'/>")
        ),
    );
    let x = told.children().next().unwrap();
    let until = x.children().next().unwrap().attr("until").unwrap().to_owned();
    assert_eq!(x.children().count(), 4);
    world.clear("bob/phone");
    world.clear("alice/phone");
    affiliate(&mut world, "alice", "carol", "admin");
    world.skip_messages_with_body("bob/phone");
    let step = user(&format!(
        "<mav xmlns='urn:xmpp:muc:affiliations:1' since='{until}' until='*'/>\
         <item jid='{{carol}}' affiliation='admin'/>"
    ));
    world.expect("bob/phone", &format!("<message>{step}</message>"));
    world.send("bob/phone", &format!("<presence type='unavailable' to='{ROOM}/Bob'/>"));
    world.clear("bob/phone");
    world.send("bob/phone", &ask(&format!(" since='{until}'")));
    let told = world.expect("bob/phone", &format!("<message>{step}</message>"));
    assert_eq!(told.children().next().unwrap().children().count(), 2);
}

#[test]
fn the_log_is_for_members() {
    let mut world = room_of_two();
    world.send(
        "alice/phone",
        &format!("<message type='groupchat' id='m' to='{ROOM}'><body>x</body></message>"),
    );
    world.clear("bob/phone");
    let query = format!("<iq type='set' id='q' to='{ROOM}'><query xmlns='urn:xmpp:mam:2'/></iq>");
    world.send("bob/phone", &query);
    let result = |inside: &str| {
        format!(
            "<message from='{ROOM}'><result xmlns='urn:xmpp:mam:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'>{inside}</forwarded></result></message>"
        )
    };
    // From when Bob came.
    world.expect(
        "bob/phone",
        &result("<message xmlns='jabber:client' from='tea@groups.example.org'/>"),
    );
    world.expect("bob/phone", &result("<message xmlns='jabber:client' id='m'/>"));
    world.expect(
        "bob/phone",
        "<iq type='result' id='q'><fin xmlns='urn:xmpp:mam:2' complete='true'/></iq>",
    );
    world.ask("carol/phone", &query, "<iq type='error' id='q'/>");
}

#[test]
fn an_invitation_makes_a_member_and_a_link_is_a_password() {
    let mut world = room();
    world.send(
        "alice/phone",
        &format!(
            "<message to='{ROOM}'>{}</message>",
            user("<invite to='{bob}'><reason>tea</reason></invite>")
        ),
    );
    let invited = user("<invite from='{alice}'><reason>tea</reason></invite>");
    world.expect("bob/phone", &format!("<message from='{ROOM}'>{invited}</message>"));
    join(&mut world, "bob", "Bob");
    world.expect("bob/phone", &format!("<presence from='{ROOM}/Alice'/>"));
    world.clear("alice/phone");
    world.send(
        "alice/phone",
        &format!("<iq type='set' id='i' to='{ROOM}'><invite xmlns='urn:whimbrel:groups:0'/></iq>"),
    );
    let answer = world.expect("alice/phone", "<iq type='result' id='i'/>");
    let token = answer.children().next().unwrap().attr("token").unwrap().to_owned();
    world.send(
        "carol/phone",
        &format!(
            "<presence to='{ROOM}/Carol'><x xmlns='http://jabber.org/protocol/muc'>\
             <password>{token}</password></x></presence>"
        ),
    );
    world.expect("carol/phone", "<presence/>");
    world.expect("carol/phone", "<presence/>");
    world.expect("carol/phone", &format!("<presence from='{ROOM}/Carol'/>"));
}

#[test]
fn an_invitation_waits_for_who_is_away() {
    let mut world = room();
    world.disconnect("bob/phone", true);
    world.crash();
    world.come("alice/phone");
    world.send(
        "alice/phone",
        &format!("<message to='{ROOM}'>{}</message>", user("<invite to='{bob}'/>")),
    );
    world.crash();
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    world.skip_presence("bob/phone");
    let invited = user("<invite from='{alice}'/>");
    world.expect(
        "bob/phone",
        &format!("<message from='{ROOM}'>{invited}<delay xmlns='urn:xmpp:delay'/></message>"),
    );
    join(&mut world, "bob", "Bob");
    world.expect("bob/phone", &format!("<presence from='{ROOM}/Bob'/>"));
}

#[test]
fn a_bookmark_comes_and_goes_with_the_membership() {
    let mut world = room();
    world.disconnect("bob/phone", true);
    world.pass(60);
    let bookmarks = |world: &mut World, name: &str| {
        world.clear(name);
        let get = "<iq type='get' id='b'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                   <items node='urn:xmpp:bookmarks:1'/></pubsub></iq>";
        world.send(name, get);
        let answer = world.receive(name).unwrap();
        String::from_utf8(answer.to_bytes("jabber:client").to_vec()).unwrap()
    };
    assert!(bookmarks(&mut world, "alice/phone").contains(ROOM), "who is there has it at once");
    affiliate(&mut world, "alice", "bob", "member");
    world.crash();
    world.come("alice/phone");
    world.come("bob/phone");
    let got = bookmarks(&mut world, "bob/phone");
    assert!(got.contains(ROOM) && got.contains("autojoin='true'"), "{got}");
    affiliate(&mut world, "alice", "bob", "none");
    assert!(!bookmarks(&mut world, "bob/phone").contains(ROOM));
    // One of his own stays as it is.
    let publish = format!(
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='urn:xmpp:bookmarks:1'><item id='{ROOM}'>\
         <conference xmlns='urn:xmpp:bookmarks:1' name='mine'/></item></publish></pubsub></iq>"
    );
    world.ask("bob/phone", &publish, "<iq type='result' id='p'/>");
    affiliate(&mut world, "alice", "bob", "member");
    let got = bookmarks(&mut world, "bob/phone");
    assert!(got.contains("name='mine'") && !got.contains("autojoin"), "{got}");
}

#[test]
fn a_destroyed_room_is_gone() {
    let mut world = room_of_two();
    world.send(
        "alice/phone",
        &format!(
            "<iq type='set' id='d' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
             <destroy/></query></iq>"
        ),
    );
    world.skip_messages("bob/phone");
    world.expect(
        "bob/phone",
        &format!("<presence type='unavailable'>{}</presence>", user("<destroy/>")),
    );
    join(&mut world, "bob", "Bob");
    world.expect(
        "bob/phone",
        "<presence type='error'><error><gone \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
    );
}

#[test]
fn private_messages_go_to_the_members_own_address() {
    let mut world = room_of_two();
    world.send(
        "bob/phone",
        &format!("<message type='chat' id='p' to='{ROOM}/Alice'><body>x</body></message>"),
    );
    world.expect(
        "bob/phone",
        "<message type='error' id='p'><error><not-allowed \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    world.expect_nothing("alice/phone");
}
