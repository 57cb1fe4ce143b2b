//! Rooms as our own clients know them: `urn:whimbrel:groups:0`.

use chat_core::chat::{Command, Input};
use chat_core::jid::{AccountId, RoomId};
use chat_core::rooms::GROUPS_MAX;
use chat_core::stream::{Bind2, Enable, Inline, Resume};
use chat_core::transaction::{Answer, Query, Write};

use crate::world::{self, World};

/// A client that takes rooms' messages without joining.
fn come(world: &mut World, name: &str) {
    world.connect(name);
    world.ask(
        name,
        "<iq type='set' id='g' to='groups.example.org'><enable xmlns='urn:whimbrel:groups:0'/></iq>",
        "<iq type='result' id='g'/>",
    );
    world.send(name, "<presence/>");
    world.clear(name);
}

fn world(names: &[&str]) -> World {
    let mut world = World::new();
    for name in names {
        world.account(name);
        come(&mut world, &format!("{name}/phone"));
    }
    world
}

/// Creates a group with these members, and gives its JID.
fn create(world: &mut World, owner: &str, members: &[&str]) -> String {
    let members: String =
        members.iter().map(|member| format!("<member jid='{{{member}}}'/>")).collect();
    let client = format!("{owner}/phone");
    world.send(
        &client,
        &format!(
            "<iq type='set' id='new' to='groups.example.org'>\
             <create xmlns='urn:whimbrel:groups:0'><name>Family</name>{members}</create></iq>"
        ),
    );
    let mut jid = None;
    while let Some(got) = world.receive(&client) {
        if got.name() == "iq" {
            let group = got.child("group", "urn:whimbrel:groups:0");
            jid = group.and_then(|group| group.attr("jid")).map(str::to_owned);
        }
    }
    jid.expect("the group is there")
}

fn clear(world: &mut World, names: &[&str]) {
    names.iter().for_each(|name| world.clear(name));
}

#[test]
fn a_message_reaches_all_members_and_comes_back_to_its_author() {
    let mut world = world(&["alice", "bob", "carol"]);
    let group = create(&mut world, "alice", &["bob"]);
    world.expect(
        "bob/phone",
        "<message type='groupchat'><change xmlns='urn:whimbrel:groups:0' by='{alice}'>\
         <added jid='{bob}' affiliation='member'/></change></message>",
    );
    world.send(
        "bob/phone",
        &format!("<message type='groupchat' to='{group}' id='m1'><body>hi</body></message>"),
    );
    for name in ["alice/phone", "bob/phone"] {
        let got = world.expect(
            name,
            &format!(
                "<message type='groupchat' id='m1' from='{group}/{{bob}}'><body>hi</body></message>"
            )
            .replace("/{bob}", &format!("/{}", world.id("bob"))),
        );
        assert_eq!(got.attr("to"), None, "it is serialised once, for all");
        assert!(got.child("stanza-id", "urn:xmpp:sid:0").is_some());
        let x = got.child("x", "http://jabber.org/protocol/muc#user").unwrap();
        let item = x.children().next().unwrap();
        assert_eq!(item.attr("jid"), Some(world.jid("bob").as_str()));
    }
    world.expect_nothing("carol/phone");
    world.send(
        "carol/phone",
        &format!("<message type='groupchat' to='{group}' id='m2'><body>hi</body></message>"),
    );
    world.expect(
        "carol/phone",
        "<message type='error' id='m2'><error type='auth'>\
         <registration-required xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    world.expect_nothing("alice/phone");
}

#[test]
fn nothing_is_seen_before_it_is_stored() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &["bob"]);
    clear(&mut world, &["alice/phone", "bob/phone"]);
    world.commits_at_once = false;
    world.send(
        "alice/phone",
        &format!("<message type='groupchat' to='{group}' id='m'><body>x</body></message>"),
    );
    // What has nothing to do with it waits behind it on the same stream.
    world.send("bob/phone", "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    world.expect_nothing("bob/phone");
    world.commit();
    world.expect("bob/phone", "<message id='m'/>");
    world.expect("bob/phone", "<iq id='p' type='result'/>");
}

#[test]
fn a_device_that_was_away_gets_all_in_one_order() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &["bob"]);
    world.disconnect("bob/phone", true);
    let to_group = |id: &str| {
        format!("<message type='groupchat' to='{group}' id='{id}'><body>x</body></message>")
    };
    world.send("alice/phone", &to_group("g1"));
    world.send("alice/phone", "<message type='chat' to='{bob}' id='c1'><body>x</body></message>");
    world.send("alice/phone", &to_group("g2"));
    world.crash();
    come_again(&mut world, "bob/phone");
    world.skip_presence("bob/phone");
    for id in ["g1", "c1", "g2"] {
        world.expect(
            "bob/phone",
            &format!("<message id='{id}'><delay xmlns='urn:xmpp:delay'/></message>"),
        );
    }
    world.expect_nothing("bob/phone");
}

/// Connects as a client of ours does, by Bind 2, and keeps what it is sent.
fn come_again(world: &mut World, name: &str) {
    let (_, resource) = name.split_once('/').unwrap();
    world.connect(name);
    assert_eq!(resource, "phone");
    world.send(
        name,
        "<iq type='set' id='g' to='groups.example.org'><enable xmlns='urn:whimbrel:groups:0'/></iq>",
    );
    world.expect(name, "<iq type='result' id='g'/>");
    world.send(name, "<presence/>");
}

#[test]
fn bind_2_turns_it_on() {
    let mut world = world(&["alice"]);
    world.account("bob");
    let bind =
        Bind2 { enable: Some(Enable { can_resume: true }), groups: true, ..Bind2::default() };
    world.connect_inline("bob/tablet", Inline { bind: Some(bind), ..Inline::default() });
    world.send("bob/tablet", "<presence/>");
    world.clear("bob/tablet");
    create(&mut world, "alice", &["bob"]);
    world.expect("bob/tablet", "<message><change xmlns='urn:whimbrel:groups:0'/></message>");
}

#[test]
fn who_is_removed_learns_of_it_and_of_nothing_later() {
    let mut world = world(&["alice", "bob", "carol"]);
    let group = create(&mut world, "alice", &["bob", "carol"]);
    clear(&mut world, &["alice/phone", "bob/phone", "carol/phone"]);
    // Carol is away: she must learn it from the log, up to her removal.
    world.disconnect("carol/phone", true);
    let message = |id: &str| {
        format!("<message type='groupchat' to='{group}' id='{id}'><body>x</body></message>")
    };
    world.send("alice/phone", &message("before"));
    world.send(
        "alice/phone",
        &format!(
            "<iq type='set' id='r' to='{group}'><remove xmlns='urn:whimbrel:groups:0'>\
             <member jid='{{bob}}'/><member jid='{{carol}}'/></remove></iq>"
        ),
    );
    world.send("alice/phone", &message("after"));
    let removed = "<message><change xmlns='urn:whimbrel:groups:0' by='{alice}'>\
                   <removed jid='{bob}'/></change></message>";
    world.expect("bob/phone", "<message id='before'/>");
    world.expect("bob/phone", removed);
    world.expect_nothing("bob/phone");
    world.crash();
    come_again(&mut world, "carol/phone");
    world.skip_presence("carol/phone");
    world.expect("carol/phone", "<message id='before'/>");
    world.expect("carol/phone", removed);
    world.expect_nothing("carol/phone");
    world.ask(
        "carol/phone",
        &format!("<iq type='get' id='s' to='{group}'><group xmlns='urn:whimbrel:groups:0'/></iq>"),
        "<iq type='error' id='s'/>",
    );
    world.ask(
        "carol/phone",
        "<iq type='get' id='l' to='groups.example.org'><groups xmlns='urn:whimbrel:groups:0'/></iq>",
        "<iq type='result' id='l'><groups xmlns='urn:whimbrel:groups:0'/></iq>",
    );
}

#[test]
fn only_who_may_changes_members_and_an_owner_stays() {
    let mut world = world(&["alice", "bob", "carol"]);
    let group = create(&mut world, "alice", &["bob", "carol"]);
    clear(&mut world, &["alice/phone", "bob/phone", "carol/phone"]);
    let mut check = |client: &str, what: &str, condition: Option<&str>| {
        world.clear(client);
        let what = what.replace("NS", "urn:whimbrel:groups:0");
        world.send(client, &format!("<iq type='set' id='q' to='{group}'>{what}</iq>"));
        let mut answer = world.receive(client).unwrap();
        while answer.name() != "iq" {
            answer = world.receive(client).unwrap();
        }
        let error = answer.child("error", "jabber:client");
        let got = error.and_then(|error| error.children().next()).map(|it| it.name().to_owned());
        assert_eq!(got.as_deref(), condition, "{client}: {what}");
    };
    let remove = |name: &str| format!("<remove xmlns='NS'><member jid='{{{name}}}'/></remove>");
    let affiliate = |name: &str, to: &str| {
        format!("<affiliate xmlns='NS' affiliation='{to}'><member jid='{{{name}}}'/></affiliate>")
    };
    check("bob/phone", &remove("carol"), Some("forbidden"));
    check("bob/phone", "<destroy xmlns='NS'/>", Some("forbidden"));
    check("bob/phone", "<add xmlns='NS'><member jid='{carol}'/></add>", Some("forbidden"));
    check("alice/phone", &affiliate("bob", "admin"), None);
    check("bob/phone", &affiliate("carol", "admin"), Some("not-allowed"));
    check("bob/phone", &remove("alice"), Some("not-allowed"));
    check("bob/phone", &remove("carol"), None);
    check("bob/phone", "<add xmlns='NS'><member jid='{carol}'/></add>", None);
    check("alice/phone", &affiliate("alice", "member"), Some("conflict"));
    // The last owner goes: the oldest admin follows.
    check("alice/phone", "<leave xmlns='NS'/>", None);
    check("bob/phone", &affiliate("carol", "admin"), None);
    check("bob/phone", "<leave xmlns='NS'/>", None);
    check("carol/phone", "<destroy xmlns='NS'/>", None);
    check("carol/phone", "<leave xmlns='NS'/>", Some("gone"));
}

#[test]
fn a_link_leads_in_as_often_as_it_says() {
    let mut world = world(&["alice", "bob", "carol"]);
    let group = create(&mut world, "alice", &[]);
    world.clear("alice/phone");
    let invite = format!(
        "<iq type='set' id='i' to='{group}'><invite xmlns='urn:whimbrel:groups:0' uses='1'/></iq>"
    );
    let answer = world.ask("alice/phone", &invite, "<iq type='result' id='i'/>");
    let invitation = answer.children().next().unwrap();
    let token = invitation.attr("token").unwrap().to_owned();
    let join = |token: &str| {
        format!(
            "<iq type='set' id='j' to='{group}'>\
             <join xmlns='urn:whimbrel:groups:0' token='{token}'/></iq>"
        )
    };
    world.ask("bob/phone", &join("0123"), "<iq type='error' id='j'/>");
    world.send("bob/phone", &join(&token));
    world.expect(
        "bob/phone",
        "<message><change xmlns='urn:whimbrel:groups:0'><joined jid='{bob}'/></change></message>",
    );
    world.expect("bob/phone", "<iq type='result' id='j'/>");
    world.ask("carol/phone", &join(&token), "<iq type='error' id='j'/>");
}

#[test]
fn a_number_without_an_account_gets_an_invitation() {
    let mut world = world(&["alice", "bob"]);
    world.send(
        "alice/phone",
        "<iq type='set' id='new' to='groups.example.org'>\
         <create xmlns='urn:whimbrel:groups:0'><name>Family</name>\
         <member number='+15550100002'/><member number='+15550109999'/></create></iq>",
    );
    world.expect(
        "alice/phone",
        "<message><change xmlns='urn:whimbrel:groups:0'><created/><added jid='{bob}'/></change>\
         </message>",
    );
    world.expect(
        "alice/phone",
        "<iq type='result' id='new'><group xmlns='urn:whimbrel:groups:0' jid='*'>\
         <invitation number='+15550109999' token='*' uri='*' uses='1' expires='*'/></group></iq>",
    );
    world.expect("bob/phone", "<message><change xmlns='urn:whimbrel:groups:0'/></message>");
}

#[test]
fn what_is_taken_back_leaves_the_log() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &["bob"]);
    clear(&mut world, &["alice/phone", "bob/phone"]);
    let say = |id: &str, body: &str| {
        format!("<message type='groupchat' to='{group}' id='{id}'><body>{body}</body></message>")
    };
    let mut ids = Vec::new();
    for body in ["one", "two"] {
        world.send("bob/phone", &say(body, body));
        let got = world.expect("alice/phone", "<message/>");
        let id = got.child("stanza-id", "urn:xmpp:sid:0").unwrap().attr("id").unwrap().to_owned();
        ids.push(id);
    }
    world.clear("bob/phone");
    let retract = |id: &str| {
        format!(
            "<message type='groupchat' to='{group}' id='r'>\
             <retract xmlns='urn:xmpp:message-retract:1' id='{id}'/></message>"
        )
    };
    // Alice did not write it: as a message it changes nothing.
    world.send("alice/phone", &retract(&ids[0]));
    world.send("bob/phone", &retract(&ids[0]));
    world.send(
        "alice/phone",
        &format!(
            "<iq type='set' id='m' to='{group}'><moderate xmlns='urn:xmpp:message-moderate:1' \
             id='{}'><retract xmlns='urn:xmpp:message-retract:1'/><reason>no</reason></moderate></iq>",
            ids[1]
        ),
    );
    clear(&mut world, &["alice/phone", "bob/phone"]);
    world.send(
        "bob/phone",
        &format!("<iq type='set' id='q' to='{group}'><query xmlns='urn:xmpp:mam:2'/></iq>"),
    );
    let mut told = String::new();
    while let Some(got) = world.receive("bob/phone") {
        told += std::str::from_utf8(&got.to_bytes("jabber:client")).unwrap();
    }
    assert!(!told.contains("<body>one") && !told.contains("<body>two"), "{told}");
    assert_eq!(told.matches("<retracted ").count(), 2, "{told}");
    assert!(told.contains("<moderated "), "{told}");
}

#[test]
fn a_retraction_is_finished_after_a_crash() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &["bob"]);
    world.clear("bob/phone");
    world.send(
        "bob/phone",
        &format!("<message type='groupchat' to='{group}'><body>secret</body></message>"),
    );
    let got = world.expect("bob/phone", "<message/>");
    let id = got.child("stanza-id", "urn:xmpp:sid:0").unwrap().attr("id").unwrap().to_owned();
    world.commits_at_once = false;
    world.send(
        "bob/phone",
        &format!(
            "<message type='groupchat' to='{group}'>\
             <retract xmlns='urn:xmpp:message-retract:1' id='{id}'/></message>"
        ),
    );
    world.commit_without_telling();
    world.crash();
    world.commits_at_once = true;
    let log = |world: &World| {
        let room = chat_core::jid::RoomId::of(&chat_core::jid::Jid::parse(&group).unwrap());
        format!("{:?}", world.disk.archive(room.unwrap().owner()))
    };
    assert!(log(&world).contains("secret"));
    // The room becomes active.
    come(&mut world, "alice/phone");
    world.send("alice/phone", &format!("<presence type='unavailable' to='{group}'/>"));
    assert!(!log(&world).contains("secret") && log(&world).contains("<retracted "));
}

#[test]
fn a_full_log_takes_what_the_room_says_and_nothing_of_members() {
    let config =
        chat_core::config::Config { group_archive_bytes_max: Some(2_000), ..world::config() };
    let mut world = World::configured(config);
    for name in ["alice", "bob"] {
        world.account(name);
        come(&mut world, &format!("{name}/phone"));
    }
    let group = create(&mut world, "alice", &["bob"]);
    world.clear("bob/phone");
    let text = "x".repeat(2_000);
    let say = |id: &str, extra: &str| {
        format!(
            "<message type='groupchat' to='{group}' id='{id}'><body>{text}</body>{extra}</message>"
        )
    };
    world.send("alice/phone", &say("m1", "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='5'/>"));
    world.expect("bob/phone", "<message id='m1'/>");
    world.send("bob/phone", &say("m2", ""));
    world.expect(
        "bob/phone",
        "<message type='error' id='m2'><error type='wait'>\
         <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    world.send("bob/phone", &say("typing", "<no-store xmlns='urn:xmpp:hints'/>"));
    world.expect("bob/phone", "<message id='typing'/>");
    world.send(
        "alice/phone",
        &format!(
            "<iq type='set' id='e' to='{group}'><edit xmlns='urn:whimbrel:groups:0'>\
             <name>Full</name></edit></iq>"
        ),
    );
    world.expect("bob/phone", "<message><change xmlns='urn:whimbrel:groups:0'/></message>");
    // What has disappeared makes room, once it was asked for.
    for _ in 0..12 {
        world.pass(10);
        world.send("bob/phone", &say("typing", "<no-store xmlns='urn:xmpp:hints'/>"));
    }
    world.clear("bob/phone");
    world.send("bob/phone", &say("m3", ""));
    world.expect("bob/phone", "<message type='error' id='m3'/>");
    world.send("bob/phone", &say("m4", ""));
    world.expect("bob/phone", "<message type='groupchat' id='m4'/>");
}

#[test]
fn a_message_without_origin_id_is_not_repeated_after_a_crash() {
    let mut world = world(&["alice"]);
    let group = create(&mut world, "alice", &[]);
    world.clear("alice/phone");
    world.connect("alice/app");
    world.send("alice/app", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let enabled = world.expect("alice/app", "<enabled xmlns='urn:xmpp:sm:3'/>");
    let previous = enabled.attr("id").unwrap().to_owned();
    world.commits_at_once = false;
    world.send(
        "alice/app",
        &format!("<message type='groupchat' to='{group}' id='m'><body>x</body></message>"),
    );
    world.commit_without_telling();
    world.crash();
    world.commits_at_once = true;
    let resume = Some(Resume { previous, handled: 0 });
    let stream = world.connect_inline("alice/app", Inline { resume, ..Inline::default() });
    let failed = &world.ready[&stream].children[0];
    assert_eq!((failed.name(), failed.attr("h")), ("failed", Some("1")), "{failed:?}");
}

#[test]
fn a_failed_commit_drops_the_room_and_nothing_is_told() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &["bob"]);
    clear(&mut world, &["alice/phone", "bob/phone"]);
    world.disk.fails = true;
    world.send(
        "alice/phone",
        &format!("<message type='groupchat' to='{group}' id='lost'><body>x</body></message>"),
    );
    world.expect_nothing("bob/phone");
    world.disk.fails = false;
    come(&mut world, "alice/phone");
    come(&mut world, "bob/phone");
    world.send(
        "alice/phone",
        &format!("<message type='groupchat' to='{group}' id='m'><body>x</body></message>"),
    );
    world.expect("bob/phone", "<message id='m'/>");
}

#[test]
fn a_deleted_account_is_in_no_room() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &["bob"]);
    clear(&mut world, &["alice/phone", "bob/phone"]);
    // The account and the room need not be in memory.
    world.crash();
    come(&mut world, "bob/phone");
    let account = world.id("alice");
    let writes = vec![Write::DeleteAccount { account }];
    let command = Command::Write { account, writes, log_out: true };
    world.input(Input::Command { id: 1, command });
    world.expect(
        "bob/phone",
        "<message><change xmlns='urn:whimbrel:groups:0'><left jid='{alice}'/>\
         <affiliated jid='{bob}' affiliation='owner'/></change></message>",
    );
    let answer = world.ask(
        "bob/phone",
        &format!("<iq type='get' id='s' to='{group}'><group xmlns='urn:whimbrel:groups:0'/></iq>"),
        "<iq type='result' id='s'/>",
    );
    let shown = answer.children().next().unwrap();
    assert_eq!(shown.children_named("member", "urn:whimbrel:groups:0").count(), 1);
}

/// A crash at any moment of an account's deletion leaves either both, the account and its membership,
/// or none.
#[test]
fn a_deletion_that_is_cut_short_leaves_no_ghost_in_a_room() {
    for steps in 0..6 {
        let mut world = world(&["alice", "bob"]);
        let group = create(&mut world, "alice", &["bob"]);
        // Neither the account nor the room is in memory.
        world.crash();
        world.answers_at_once = false;
        let account = world.id("alice");
        let writes = vec![Write::DeleteAccount { account }];
        let command = Command::Write { account, writes, log_out: true };
        world.input(Input::Command { id: 1, command });
        (0..steps).for_each(|_| world.answer_one());
        world.crash();
        world.answers_at_once = true;
        let is_there = world.disk.answer(&Query::Account(account)).unwrap();
        let is_there = matches!(is_there, Answer::Account(Some(_)));
        come(&mut world, "bob/phone");
        assert_eq!(members(&mut world, "bob/phone", &group), 1 + usize::from(is_there), "{steps}");
    }
}

fn members(world: &mut World, name: &str, group: &str) -> usize {
    world.skip_messages(name);
    let answer = world.ask(
        name,
        &format!("<iq type='get' id='s' to='{group}'><group xmlns='urn:whimbrel:groups:0'/></iq>"),
        "<iq type='result' id='s'/>",
    );
    let shown = answer.children().next().unwrap();
    shown.children_named("member", "urn:whimbrel:groups:0").count()
}

#[test]
fn who_waits_for_a_room_that_is_dropped_gets_its_answer() {
    let mut world = world(&["alice", "bob", "carol"]);
    let group = create(&mut world, "alice", &["bob", "carol"]);
    world.send("carol/phone", "<presence type='unavailable'/>");
    clear(&mut world, &["alice/phone", "bob/phone", "carol/phone"]);
    world.answers_at_once = false;
    let query = "<query xmlns='urn:xmpp:mam:2'/>";
    world.connect("bob/tablet");
    world.answer_all();
    world.send("bob/tablet", &format!("<iq type='set' id='log' to='{group}'>{query}</iq>"));
    world.expect_nothing("bob/tablet");
    // The room is dropped by what carol does to it alone.
    world.disk.fails = true;
    world.send(
        "carol/phone",
        &format!("<iq type='set' id='n' to='{group}'><mute xmlns='urn:whimbrel:groups:0'/></iq>"),
    );
    world.disk.fails = false;
    world.answer_all();
    world.skip_messages("bob/tablet");
    world.expect("bob/tablet", "<iq type='result' id='log'/>");
}

#[test]
fn who_asked_and_is_gone_is_not_let_in() {
    let mut world = world(&["alice", "bob"]);
    let group = create(&mut world, "alice", &[]);
    let of_group =
        |kind: &str, inner: &str| format!("<iq type='set' id='{kind}' to='{group}'>{inner}</iq>");
    let ns = "xmlns='urn:whimbrel:groups:0'";
    let open = of_group("edit", &format!("<edit {ns}><permissions requests='true'/></edit>"));
    world.send("alice/phone", &open);
    let join = of_group("join", &format!("<join {ns}/>"));
    world.ask("bob/phone", &join, "<iq type='result' id='join'/>");
    let account = world.id("bob");
    let writes = vec![Write::DeleteAccount { account }];
    world.input(Input::Command {
        id: 1,
        command: Command::Write { account, writes, log_out: true },
    });
    world.clear("alice/phone");
    let approve = of_group("approve", &format!("<approve {ns} jid='{{bob}}'/>"));
    let refused = "<iq type='error' id='approve'><error>\
                   <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    world.ask("alice/phone", &approve, refused);
    assert_eq!(members(&mut world, "alice/phone", &group), 1);
    let requests = format!(
        "<iq type='get' id='r' to='{group}'><requests xmlns='urn:whimbrel:groups:0'/></iq>"
    );
    let shown = world.ask("alice/phone", &requests, "<iq type='result' id='r'/>");
    assert_eq!(shown.children().next().unwrap().children().count(), 0, "{shown:?}");
}

/// Stays in rooms that are not there, as records.
fn put_stays(world: &mut World, account: AccountId, feature: &'static str, count: usize) {
    let stay = |number: usize| {
        let room = RoomId::from_random(number as u64 + 1).to_string();
        let value = format!(
            "<group xmlns='urn:whimbrel:groups:0' jid='{room}@groups.example.org' \
             since='1a0c4506c0000000'/>"
        );
        Write::Put { account, feature, key: room.into(), value: value.into() }
    };
    let writes = (0..count).map(stay).collect();
    let command = Command::Write { account, writes, log_out: true };
    world.input(Input::Command { id: 1, command });
}

#[test]
fn groups_have_a_limit_and_conversations_of_two_another() {
    let mut world = world(&["alice", "bob"]);
    let account = world.id("alice");
    put_stays(&mut world, account, "directs", GROUPS_MAX + 100);
    world.crash();
    come(&mut world, "alice/phone");
    come(&mut world, "bob/phone");
    // Who talks with many is in no groups by that.
    let group = create(&mut world, "alice", &[]);
    let other = create(&mut world, "bob", &["alice"]);
    assert_eq!(members(&mut world, "alice/phone", &other), 2);
    let third = create(&mut world, "bob", &[]);
    put_stays(&mut world, account, "groups", GROUPS_MAX - 2);
    world.crash();
    come(&mut world, "alice/phone");
    come(&mut world, "bob/phone");
    let create = "<iq type='set' id='new' to='groups.example.org'>\
                  <create xmlns='urn:whimbrel:groups:0'/></iq>";
    let full = "<iq type='error' id='new'><error type='wait'>\
                <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text \
                xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>the account is in 512 groups, which is \
                the most</text></error></iq>";
    world.ask("alice/phone", create, full);
    // Nor do others add it.
    let add = "<add xmlns='urn:whimbrel:groups:0'><member jid='{alice}'/></add>";
    world.ask(
        "bob/phone",
        &format!("<iq type='set' id='add' to='{third}'>{add}</iq>"),
        "<iq type='result' id='add'><added xmlns='urn:whimbrel:groups:0'>\
         <absent jid='{alice}'/></added></iq>",
    );
    assert_eq!(members(&mut world, "alice/phone", &group), 1);
}

#[test]
fn browsers_are_told_of_what_waits_in_a_room() {
    let mut config = world::config();
    config.web_push_key = Some(vec![4; 65].into());
    let mut world = World::configured(config);
    for name in ["alice", "bob", "carol"] {
        world.account(name);
        come(&mut world, &format!("{name}/phone"));
    }
    let group = create(&mut world, "alice", &["bob", "carol"]);
    let key = data_encoding::BASE64URL_NOPAD.encode(&[4; 65]);
    world.send(
        "bob/phone",
        &format!(
            "<iq type='set' id='w'><subscribe xmlns='urn:whimbrel:web-push:0' \
             endpoint='https://push.example.org/bob' p256dh='{key}' auth='AAAAAAAAAAAAAAAAAAAAAA'/></iq>"
        ),
    );
    world.expect("bob/phone", "<message/>");
    world.expect("bob/phone", "<iq type='result' id='w'/>");
    world.disconnect("bob/phone", true);
    world.disconnect("carol/phone", true);
    // Nobody but Alice is in memory.
    world.pass(60);
    let say = |id: &str| {
        format!("<message type='groupchat' id='{id}' to='{group}'><body>x</body></message>")
    };
    world.send("alice/phone", &say("m1"));
    assert_eq!(world.outward.len(), 1, "{:?}", world.outward);
    let told = format!("{:?}", world.outward);
    assert!(told.contains("push.example.org/bob") && told.contains(&group), "{told}");
    world.send("alice/phone", &say("m2"));
    assert_eq!(world.outward.len(), 2);
    let quiet = "<quiet xmlns='urn:whimbrel:mls:0'/></message>";
    world.send("alice/phone", &say("q1").replace("</message>", quiet));
    assert_eq!(world.outward.len(), 2);
    come(&mut world, "bob/phone");
    let mute =
        format!("<iq type='set' id='q' to='{group}'><mute xmlns='urn:whimbrel:groups:0'/></iq>");
    world.ask("bob/phone", &mute, "<iq type='result' id='q'/>");
    world.disconnect("bob/phone", true);
    world.send("alice/phone", &say("m3"));
    assert_eq!(world.outward.len(), 2);
}

#[test]
fn an_encrypted_room_takes_nothing_open() {
    let mut world = world(&["alice", "bob"]);
    world.send(
        "alice/phone",
        "<iq type='set' id='new' to='groups.example.org'>\
         <create xmlns='urn:whimbrel:groups:0' kind='encrypted'><member jid='{bob}'/></create></iq>",
    );
    let mut group = String::new();
    while let Some(got) = world.receive("alice/phone") {
        if got.name() == "iq" {
            group = got.children().next().unwrap().attr("jid").unwrap().to_owned();
        }
    }
    world.clear("bob/phone");
    world.send(
        "alice/phone",
        &format!("<message type='groupchat' to='{group}' id='m'><body>x</body></message>"),
    );
    world.expect("alice/phone", "<message type='error' id='m'/>");
    world.expect_nothing("bob/phone");
}

/// Randomness repeats itself from world to world: what the examples are told is known before.
fn group_and_token() -> (String, String) {
    let mut world = world(&["alice", "bob", "carol"]);
    let group = {
        world.send(
            "alice/phone",
            "<iq type='set' id='new' to='groups.example.org'>\
             <create xmlns='urn:whimbrel:groups:0'><member number='+15550109999'/></create></iq>",
        );
        world.expect("alice/phone", "<message/>");
        let answer = world.expect("alice/phone", "<iq type='result' id='new'/>");
        answer.children().next().unwrap().attr("jid").unwrap().to_owned()
    };
    let invite =
        format!("<iq type='set' id='i' to='{group}'><invite xmlns='urn:whimbrel:groups:0'/></iq>");
    let answer = world.ask("alice/phone", &invite, "<iq type='result' id='i'/>");
    let token = answer.children().next().unwrap().attr("token").unwrap().to_owned();
    (group, token)
}

#[test]
fn the_examples_hold() {
    let (group, token) = group_and_token();
    let mut world = world(&["alice", "bob", "carol"]);
    let name = |world: &World, name: &str| world.id(name).to_string();
    let (alice, bob, carol) = (name(&world, "alice"), name(&world, "bob"), name(&world, "carol"));
    let document = include_str!("../../../docs/protocol/groups.md");
    let (before, rest) = document.split_once("Somebody else comes in").unwrap();
    let local = group.split('@').next().unwrap();
    let names = [
        ("k7qm2xw4p9ab", &*alice),
        ("p3c8tz0n6vfd", &bob),
        ("9dkv4mr7s2ye", &carol),
        ("w3h5t9c2m7pd", local),
        ("91e0d3c7b5a24f6880c1d2e3f4a5b6c7", &token),
        (
            "xmpp:w3h5t9c2m7pd@groups.example.org?join;password=4f2c6d1e8b9a07355e1d0c9b8a7f6e5d",
            "*",
        ),
        ("password=4f2c6d1e8b9a07355e1d0c9b8a7f6e5d", "*"),
        ("4f2c6d1e8b9a07355e1d0c9b8a7f6e5d", "*"),
        ("0d6c2b1a9f8e7d6c5b4a39281706f5e4", "*"),
        ("1a0c4506bfffffff", "*"),
        ("1a0c4506c0000000", "*"),
        ("1a0c4506c0000001", "*"),
        ("1a0c4506c0000002", "*"),
        ("2026-10-21T14:13:20Z", "*"),
        ("2026-09-22T14:13:20Z", "*"),
        ("2026-09-21T14:13:20Z", "*"),
    ];
    // The longer ones hold the shorter ones.
    let mut names = names.to_vec();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    world::examples::replay(&mut world, "alice/phone", before, &names);
    world.clear("carol/phone");
    world.ask(
        "carol/phone",
        &format!("<iq type='set' id='j' to='{group}'><join xmlns='urn:whimbrel:groups:0'/></iq>"),
        "<iq type='result' id='j'/>",
    );
    world.expect("alice/phone", "<message type='headline'/>");
    world::examples::replay(&mut world, "alice/phone", rest, &names);
}
