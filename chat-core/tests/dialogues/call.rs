//! Calls of a room: `urn:whimbrel:call:0`.

use chat_core::chat::{Command, Input, Outward};
use chat_core::features::web_push::PushKind;
use chat_core::jid::{Jid, RoomId};
use chat_core::rooms::call::{
    BEGINNINGS_MAX, CallEvent, CallRequest, DESCRIPTION_BYTES_MAX, EndReason, ParticipantName,
    QualityClass, QualityReason, RINGING_MEMBERS_MAX, Source,
};
use chat_core::xml::Element;
use data_encoding::BASE64URL_NOPAD;

use crate::world::{self, World};

const NS: &str = "urn:whimbrel:call:0";

/// Members of one group, who takes its messages, on a server with an endpoint.
struct Group {
    world: World,
    jid: String,
    /// The call's id.
    call: String,
}

impl Group {
    fn of(names: &[&str]) -> Group {
        let mut config = world::config();
        config.calls = true;
        config.web_push_key = Some([4; 65].into());
        let mut world = World::configured(config);
        for name in names {
            world.account(name);
            come(&mut world, &format!("{name}/phone"));
        }
        let members: String =
            names[1..].iter().map(|name| format!("<member jid='{{{name}}}'/>")).collect();
        let owner = format!("{}/phone", names[0]);
        world.send(
            &owner,
            &format!(
                "<iq type='set' id='new' to='groups.example.org'>\
                 <create xmlns='urn:whimbrel:groups:0'>{members}</create></iq>"
            ),
        );
        let mut jid = None;
        while let Some(got) = world.receive(&owner) {
            let group = got.child("group", "urn:whimbrel:groups:0");
            jid = jid.or(group.and_then(|group| group.attr("jid")).map(str::to_owned));
        }
        let mut group = Group { world, jid: jid.expect("the group"), call: String::new() };
        group.clear(names);
        group
    }

    fn clear(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.world.clear(&format!("{name}/phone")));
    }

    fn room(&self) -> RoomId {
        RoomId::of(&Jid::parse(&self.jid).unwrap()).unwrap()
    }

    /// A request to the room; `CALL` stands for the call's id.
    fn send(&mut self, client: &str, kind: &str, payload: &str) {
        let payload = payload.replacen("/>", &format!(" xmlns='{NS}'/>"), 1);
        let payload = match payload.contains(NS) {
            true => payload,
            false => payload.replacen('>', &format!(" xmlns='{NS}'>"), 1),
        };
        self.send_raw(client, kind, &payload);
    }

    fn send_raw(&mut self, client: &str, kind: &str, payload: &str) {
        let payload = payload.replace("CALL", &self.call);
        let iq = format!("<iq type='{kind}' id='q' to='{}'>{payload}</iq>", self.jid);
        self.world.send(client, &iq);
    }

    /// The IQ that answers; what else came is passed over.
    fn answer(&mut self, client: &str) -> Element {
        loop {
            let got = self.world.receive(client).expect("an answer");
            if got.name() == "iq" {
                return got;
            }
        }
    }

    fn ask(&mut self, client: &str, payload: &str) -> Element {
        self.send(client, "set", payload);
        self.answer(client)
    }

    /// Joins with offers of both connections, and gives the participant's name.
    fn join(&mut self, client: &str, attributes: &str) -> ParticipantName {
        let answer = self.try_join(client, attributes);
        let joined = answer.child("joined", NS).unwrap_or_else(|| panic!("{}", shown(&answer)));
        self.call = joined.child("call", NS).unwrap().attr("id").unwrap().to_owned();
        ParticipantName::parse(joined.attr("participant").unwrap()).unwrap()
    }

    fn try_join(&mut self, client: &str, attributes: &str) -> Element {
        let offers = "<publish>up</publish><subscribe>down</subscribe>";
        let join = format!("<join xmlns='{NS}' {attributes}>{offers}</join>");
        self.send_raw(client, "set", &join);
        self.answer(client)
    }

    /// The call as a member sees it.
    fn show(&mut self, client: &str) -> Element {
        self.send(client, "get", "<call/>");
        self.answer(client).child("call", NS).expect("a call").clone()
    }

    fn happens(&mut self, event: CallEvent) {
        let command = Command::Call { events: vec![event] };
        self.world.input(Input::Command { id: 0, command });
    }

    fn ended(&mut self, name: ParticipantName, reason: EndReason) {
        let room = self.room();
        self.happens(CallEvent::Ended { room, participant: name, reason });
    }

    /// The next message holds this of `<call/>`.
    fn expect(&mut self, client: &str, told: &str) -> Element {
        let expected =
            format!("<message><call xmlns='{NS}' id='{}'>{told}</call></message>", self.call);
        let got = self.world.expect(client, &expected);
        assert_eq!(Jid::parse(got.attr("from").unwrap()).unwrap().bare_str(), self.jid);
        got
    }

    /// The next message is the log's of the end.
    fn expect_end(&mut self, client: &str, reason: &str, length: &str) -> Element {
        let ended = format!(
            "<ended length='{length}'><reason xmlns='urn:xmpp:jingle:1'><{reason}/></reason></ended>"
        );
        let got = self.expect(client, &ended);
        assert!(got.child("stanza-id", "urn:xmpp:sid:0").is_some());
        got
    }

    fn refused(&mut self, client: &str, payload: &str, condition: &str) {
        let answer = self.ask(client, payload);
        check_refused(&answer, condition);
    }
}

fn check_refused(answer: &Element, condition: &str) {
    let error = answer.child("error", "jabber:client");
    let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
    let found = error.is_some_and(|error| error.child(condition, stanzas).is_some());
    assert!(found, "{condition}: {}", shown(answer));
}

fn shown(element: &Element) -> String {
    String::from_utf8(element.to_bytes("jabber:client").to_vec()).unwrap()
}

fn come(world: &mut World, client: &str) {
    world.connect(client);
    world.send(
        client,
        "<iq type='set' id='g' to='groups.example.org'><enable xmlns='urn:whimbrel:groups:0'/></iq>",
    );
    world.send(client, "<presence/>");
    world.clear(client);
}

const NAMES: &[&str] = &["alice", "bob", "carol"];

#[test]
fn a_call_rings_is_answered_and_ends_with_the_last() {
    let mut group = Group::of(NAMES);
    let alice = group.join("alice/phone", "camera='on' microphone='on'");
    group.world.clear("alice/phone");
    for client in ["bob/phone", "carol/phone"] {
        let got = group.expect(client, "<began ring='60'/>");
        let invite = got.child("invite", "urn:xmpp:call-invites:0").unwrap();
        assert_eq!(invite.attr("video"), Some("true"));
        let id = got.child("stanza-id", "urn:xmpp:sid:0").unwrap().attr("id");
        assert_eq!(id, Some(&*group.call), "XEP-0482: the room's id names the invitation");
    }
    assert_eq!(group.show("bob/phone").attr("ringing"), Some("true"));
    let bob = group.join("bob/phone", "microphone='on'");
    let jid = group.world.jid("bob");
    group.expect("carol/phone", &format!("<accept jid='{jid}'/>"));
    group.expect("alice/phone", "<accept/>");
    let told = format!("<participant id='{bob}' jid='{jid}' device='phone' microphone='on'/>");
    group.expect("alice/phone", &told);
    group.world.expect_nothing("carol/phone");
    let seen = group.show("bob/phone");
    let names: Vec<_> = seen.children().filter_map(|it| it.attr("id")).collect();
    assert_eq!(names.len(), 2, "{}", shown(&seen));
    group.world.pass(70);
    group.clear(NAMES);
    group.world.pass(5);
    group.ask("alice/phone", "<leave call='CALL'/>");
    group.expect("bob/phone", &format!("<gone id='{alice}'/>"));
    group.ask("bob/phone", "<leave call='CALL'/>");
    let end = group.expect_end("carol/phone", "success", "75");
    let ended = end.child("call", NS).unwrap().child("ended", NS).unwrap();
    assert_eq!(ended.children_named("took-part", NS).count(), 2);
    group.world.expect_nothing("carol/phone");
    assert!(group.world.in_calls.is_empty());
    assert_eq!(group.show("carol/phone").attr("id"), None);
}

#[test]
fn two_who_start_at_once_meet_in_one_call() {
    let mut group = Group::of(NAMES);
    group.world.endpoint_answers_at_once = false;
    let join = format!("<join xmlns='{NS}'><publish>up</publish></join>");
    for client in ["alice/phone", "bob/phone"] {
        group.send_raw(client, "set", &join);
    }
    group.world.answer_calls();
    let firsts = group.world.call_requests.iter().map(|request| match request {
        CallRequest::Join { is_first, .. } => *is_first,
        _ => panic!("{request:?}"),
    });
    assert_eq!(firsts.collect::<Vec<_>>(), [true, false]);
    let ids = ["alice/phone", "bob/phone"].map(|client| {
        let answer = group.answer(client);
        let joined = answer.child("joined", NS).unwrap();
        assert_eq!(joined.text_of("publish", NS).as_deref(), Some("answer to up"));
        joined.child("call", NS).unwrap().attr("id").unwrap().to_owned()
    });
    assert_eq!(ids[0], ids[1]);
    group.call = ids[0].clone();
    group.expect("carol/phone", "<began/>");
    group.expect("carol/phone", "<accept/>");
    group.world.expect_nothing("carol/phone");
}

#[test]
fn who_declines_is_told_to_all_and_the_last_one_ends_it() {
    let mut group = Group::of(NAMES);
    come(&mut group.world, "bob/tablet");
    group.join("alice/phone", "");
    group.clear(NAMES);
    group.world.clear("bob/tablet");
    group.ask("bob/phone", "<decline call='CALL' busy='true'/>");
    let jid = group.world.jid("bob");
    let told =
        format!("<reject jid='{jid}'><reason xmlns='urn:xmpp:jingle:1'><busy/></reason></reject>");
    group.expect("alice/phone", &told);
    let got = group.expect("bob/tablet", &told);
    assert!(got.child("reject", "urn:xmpp:call-invites:0").is_some());
    assert_eq!(group.show("bob/phone").attr("ringing"), None);
    group.ask("carol/phone", "<decline call='CALL'/>");
    group.world.skip_messages("carol/phone");
    group.expect("alice/phone", "<reject/>");
    group.expect("alice/phone", "<out reason='decline'/>");
    group.expect_end("alice/phone", "decline", "0");
    assert!(group.world.in_calls.is_empty());
    // Two of one group who are busy both.
    group.join("alice/phone", "");
    for client in ["bob/phone", "carol/phone"] {
        group.ask(client, "<decline call='CALL' busy='true'/>");
    }
    group.world.clear("bob/tablet");
    let last = std::iter::from_fn(|| group.world.receive("alice/phone")).last().unwrap();
    assert!(shown(&last).contains("<busy"), "{}", shown(&last));
}

#[test]
fn nobody_comes_or_the_caller_goes() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    group.clear(NAMES);
    group.world.pass(59);
    group.world.expect_nothing("bob/phone");
    group.world.pass(2);
    let end = group.expect_end("bob/phone", "timeout", "0");
    assert!(end.child("retract", "urn:xmpp:call-invites:0").is_some());
    group.expect("alice/phone", "<out reason='timeout'/>");
    assert!(group.world.in_calls.is_empty());
    group.join("alice/phone", "");
    group.clear(NAMES);
    group.ask("alice/phone", "<leave call='CALL'/>");
    group.expect_end("bob/phone", "cancel", "0");
}

#[test]
fn a_second_device_takes_the_call_over() {
    let mut group = Group::of(NAMES);
    come(&mut group.world, "bob/tablet");
    group.join("alice/phone", "");
    let phone = group.join("bob/phone", "");
    group.ask("bob/phone", "<state call='CALL' hand='true'/>");
    group.clear(NAMES);
    let tablet = group.join("bob/tablet", "call='CALL'");
    assert_ne!(phone, tablet);
    group.expect("bob/phone", "<out reason='moved'/>");
    assert!(!group.world.in_calls.contains(&phone) && group.world.in_calls.contains(&tablet));
    group.world.pass(1);
    group.expect(
        "alice/phone",
        &format!("<gone id='{phone}'/><participant id='{tablet}' hand='*'/>"),
    );
    // The first device's goodbye comes late.
    group.refused("bob/phone", "<leave call='CALL'/>", "item-not-found");
    assert!(group.world.in_calls.contains(&tablet));
}

#[test]
fn who_is_no_member_any_more_is_out() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    let bob = group.join("bob/phone", "");
    let carol = group.join("carol/phone", "");
    group.clear(NAMES);
    let remove = "<remove xmlns='urn:whimbrel:groups:0'><member jid='{bob}'/></remove>";
    group.send_raw("alice/phone", "set", remove);
    group.answer("alice/phone");
    assert!(!group.world.in_calls.contains(&bob) && group.world.in_calls.contains(&carol));
    group.world.expect("bob/phone", "<message><change xmlns='urn:whimbrel:groups:0'/></message>");
    group.expect("bob/phone", "<out reason='removed'/>");
    check_refused(&group.try_join("bob/phone", "call='CALL'"), "registration-required");
    // The group ends while two are in.
    group.clear(NAMES);
    group.send_raw("alice/phone", "set", "<destroy xmlns='urn:whimbrel:groups:0'/>");
    assert!(group.world.in_calls.is_empty());
    group.expect("carol/phone", "<out reason='gone'/>");
    group.world.expect("carol/phone", "<message><change xmlns='urn:whimbrel:groups:0'/></message>");
    group.world.expect_nothing("carol/phone");
}

#[test]
fn who_is_removed_while_the_endpoint_is_asked_is_hung_up() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    group.world.endpoint_answers_at_once = false;
    let join = format!("<join xmlns='{NS}'><publish>up</publish></join>");
    group.send_raw("bob/phone", "set", &join);
    assert_eq!(group.world.in_calls.len(), 2);
    let remove = "<remove xmlns='urn:whimbrel:groups:0'><member jid='{bob}'/></remove>";
    group.send_raw("alice/phone", "set", remove);
    group.world.answer_calls();
    assert_eq!(group.world.in_calls.len(), 1);
    check_refused(&group.answer("bob/phone"), "registration-required");
}

#[test]
fn admins_ask_for_silence_and_remove() {
    let mut group = Group::of(NAMES);
    let alice = group.join("alice/phone", "");
    let bob = group.join("bob/phone", "microphone='on'");
    group.join("carol/phone", "");
    group.clear(NAMES);
    let mute = |name| format!("<mute call='CALL' participant='{name}' source='microphone'/>");
    let remove = |name| format!("<remove call='CALL' participant='{name}'/>");
    group.refused("bob/phone", &mute(alice), "forbidden");
    group.refused("bob/phone", &remove(alice), "forbidden");
    group.ask("alice/phone", &mute(bob));
    let by = group.world.jid("alice");
    group.expect("bob/phone", &format!("<mute by='{by}' source='microphone'/>"));
    group.ask("bob/phone", "<state call='CALL' microphone='muted'/>");
    group.world.pass(1);
    group.expect("carol/phone", &format!("<participant id='{bob}' microphone='muted'/>"));
    group.ask("alice/phone", &remove(bob));
    group.expect("bob/phone", "<out reason='removed'/>");
    check_refused(&group.try_join("bob/phone", "call='CALL'"), "forbidden");
    assert_eq!(group.world.in_calls.len(), 2);
    // It stays so over a restart.
    group.world.crash();
    come(&mut group.world, "bob/phone");
    check_refused(&group.try_join("bob/phone", "call='CALL'"), "forbidden");
}

#[test]
fn after_a_restart_participants_join_the_same_call_again() {
    let mut group = Group::of(NAMES);
    let alice = group.join("alice/phone", "camera='on'");
    let bob = group.join("bob/phone", "");
    group.world.pass(100);
    group.world.crash();
    group.world.in_calls.clear();
    come(&mut group.world, "alice/phone");
    come(&mut group.world, "carol/phone");
    assert_eq!(group.join("alice/phone", "call='CALL' camera='on'"), alice, "the same name");
    group.world.clear("carol/phone");
    let seen = group.show("carol/phone");
    assert_eq!(seen.attr("id"), Some(&*group.call));
    assert_eq!(seen.children_named("participant", NS).count(), 2);
    // Bob does not come back: he is out after a while, and the call goes on without him.
    group.world.pass(31);
    let seen = group.show("carol/phone");
    assert_eq!(seen.children_named("participant", NS).count(), 1);
    group.world.clear("alice/phone");
    come(&mut group.world, "bob/phone");
    assert_eq!(group.join("bob/phone", "call='CALL'"), bob);
    group.ask("alice/phone", "<leave call='CALL'/>");
    group.ask("bob/phone", "<leave call='CALL'/>");
    group.expect_end("carol/phone", "success", "131");
}

#[test]
fn a_call_that_nobody_comes_back_to_was_as_long_as_is_known() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    group.join("bob/phone", "");
    group.world.pass(65);
    group.world.crash();
    group.world.pass(500);
    come(&mut group.world, "carol/phone");
    group.show("carol/phone");
    group.world.pass(31);
    group.expect_end("carol/phone", "success", "60");
    check_refused(&group.try_join("carol/phone", "call='CALL'"), "item-not-found");
}

#[test]
fn a_commit_that_fails_has_participants_join_again() {
    let mut group = Group::of(NAMES);
    let alice = group.join("alice/phone", "");
    group.join("bob/phone", "");
    group.clear(NAMES);
    group.world.disk.fails = true;
    let hello = format!("<message type='groupchat' to='{}'><body>x</body></message>", group.jid);
    group.world.send("carol/phone", &hello);
    group.world.disk.fails = false;
    let room = group.room();
    // The endpoint goes on, and what it tells has the room found again.
    group.happens(CallEvent::Speakers { room, speakers: vec![alice] });
    come(&mut group.world, "bob/phone");
    come(&mut group.world, "alice/phone");
    assert_eq!(group.join("alice/phone", "call='CALL'"), alice);
}

#[test]
fn lost_signalling_ends_nothing_at_once() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    let bob = group.join("bob/phone", "");
    group.world.disconnect("bob/phone", true);
    group.world.pass(45);
    assert!(group.world.in_calls.contains(&bob));
    come(&mut group.world, "bob/phone");
    // It needs no new connection to be told again.
    let again = format!("<join xmlns='{NS}' call='CALL'/>");
    group.send_raw("bob/phone", "set", &again);
    assert!(group.answer("bob/phone").child("joined", NS).is_some());
    group.world.pass(100);
    assert!(group.world.in_calls.contains(&bob));
    group.world.disconnect("bob/phone", true);
    group.world.pass(62);
    assert!(!group.world.in_calls.contains(&bob));
    // The media's own end counts at once.
    let carol = group.join("carol/phone", "");
    group.ended(carol, EndReason::ConsentLost);
    assert_eq!(group.show("carol/phone").children_named("participant", NS).count(), 1);
}

#[test]
fn what_happens_at_the_endpoint_reaches_whom_it_concerns() {
    let mut group = Group::of(NAMES);
    let alice = group.join("alice/phone", "");
    let bob = group.join("bob/phone", "");
    group.world.pass(1);
    group.clear(NAMES);
    let room = group.room();
    let slots = vec![Some((alice, Source::Screen)), None];
    group.happens(CallEvent::Slots { room, participant: bob, slots });
    let slot = format!("<slot participant='{alice}' source='screen'/><slot/>");
    let got = group.expect("bob/phone", &format!("<slots>{slot}</slots>"));
    assert!(got.child("no-store", "urn:xmpp:hints").is_some());
    group.happens(CallEvent::Speakers { room, speakers: vec![bob, alice] });
    let speakers = format!(
        "<speakers><speaker participant='{bob}'/><speaker participant='{alice}'/></speakers>"
    );
    group.expect("alice/phone", &speakers);
    group.expect("bob/phone", &speakers);
    let (class, reason) = (QualityClass::Poor, Some(QualityReason::LossUp));
    group.happens(CallEvent::Quality { room, participant: alice, class, reason });
    group.expect("alice/phone", "<quality class='poor' reason='loss-up'/>");
    let source = Source::Camera;
    group.happens(CallEvent::Demand { room, participant: alice, source, encodings: 5 });
    group.expect("alice/phone", "<demand source='camera' encodings='5'/>");
    group.ended(alice, EndReason::Restarted);
    group.expect("alice/phone", "<rejoin/>");
    for name in NAMES {
        group.world.expect_nothing(&format!("{name}/phone"));
    }
    // Whoever is not of the call is let go.
    let stranger = ParticipantName(7);
    group.happens(CallEvent::Slots { room, participant: stranger, slots: Vec::new() });
    let leave = CallRequest::Leave { room, participant: stranger };
    assert_eq!(group.world.call_requests.last(), Some(&leave));
}

#[test]
fn changes_that_come_quickly_are_told_together() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    group.join("bob/phone", "");
    group.world.pass(1);
    group.clear(NAMES);
    for state in ["hand='true'", "hand='false' microphone='on'", "microphone='muted'"] {
        group.send("bob/phone", "set", &format!("<state call='CALL' {state}/>"));
    }
    group.world.pass(1);
    group.expect("alice/phone", "<participant hand='*'/>");
    let got = group.expect("alice/phone", "<participant microphone='muted'/>");
    let told = got.child("call", NS).unwrap().child("participant", NS).unwrap();
    assert_eq!(told.attr("hand"), None);
    group.world.expect_nothing("alice/phone");
}

#[test]
fn a_hang_up_that_the_endpoint_has_no_time_for_is_repeated() {
    let mut group = Group::of(NAMES);
    group.join("alice/phone", "");
    let bob = group.join("bob/phone", "");
    group.world.endpoint_is_busy = true;
    check_refused(&group.try_join("carol/phone", ""), "resource-constraint");
    group.ask("bob/phone", "<leave call='CALL'/>");
    assert!(group.world.in_calls.contains(&bob));
    group.world.endpoint_is_busy = false;
    group.world.pass(1);
    assert!(!group.world.in_calls.contains(&bob));
}

#[test]
fn who_is_away_is_called_by_a_push_and_reads_the_log_later() {
    let mut group = Group::of(NAMES);
    let (key, secret) = (BASE64URL_NOPAD.encode(&[4; 65]), BASE64URL_NOPAD.encode(&[1; 16]));
    group.world.send(
        "bob/phone",
        &format!(
            "<iq type='set' id='s'><subscribe xmlns='urn:whimbrel:web-push:0' \
             endpoint='https://push.example.net/1' p256dh='{key}' auth='{secret}'/></iq>"
        ),
    );
    group.world.disconnect("bob/phone", true);
    group.world.pass(60);
    group.world.outward.clear();
    group.join("alice/phone", "");
    group.ask("alice/phone", "<leave call='CALL'/>");
    let kinds = group.world.outward.iter().map(|outward| match outward {
        Outward::Push(push) => push.kind,
        other => panic!("{other:?}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [PushKind::Call, PushKind::Message]);
    // What the log holds outlives the process, and comes once.
    group.world.crash();
    group.world.connect("bob/phone");
    group.world.ask(
        "bob/phone",
        "<iq type='set' id='g' to='groups.example.org'><enable xmlns='urn:whimbrel:groups:0'/></iq>",
        "<iq type='result' id='g'/>",
    );
    group.world.send("bob/phone", "<presence/>");
    group.world.skip_presence("bob/phone");
    group.expect("bob/phone", "<began/>");
    group.expect_end("bob/phone", "cancel", "0");
    group.world.expect_nothing("bob/phone");
}

#[test]
fn a_large_group_is_shown_a_call_and_not_rung() {
    let names: Vec<String> = (0..=RINGING_MEMBERS_MAX).map(|it| format!("m{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut group = Group::of(&names);
    group.join("m0/phone", "");
    let got = group.expect("m1/phone", "<began/>");
    assert!(got.child("invite", "urn:xmpp:call-invites:0").is_none());
    group.world.pass(120);
    assert_eq!(group.world.in_calls.len(), 1, "whoever waits alone may do so");
}

#[test]
fn hostile_requests_are_refused() {
    let mut group = Group::of(NAMES);
    group.world.account("eve");
    come(&mut group.world, "eve/phone");
    check_refused(&group.try_join("eve/phone", ""), "registration-required");
    group.refused("eve/phone", "<decline call='CALL'/>", "registration-required");
    check_refused(&group.try_join("bob/phone", "call='x'"), "bad-request");
    check_refused(&group.try_join("bob/phone", "call='1a0c4506c0000000'"), "item-not-found");
    group.refused("bob/phone", "<join/>", "bad-request");
    group.refused("bob/phone", "<join microphone='loud'/>", "bad-request");
    let long = "v".repeat(DESCRIPTION_BYTES_MAX + 1);
    let long = format!("<join xmlns='{NS}'><publish>{long}</publish></join>");
    group.send_raw("bob/phone", "set", &long);
    check_refused(&group.answer("bob/phone"), "not-acceptable");
    assert!(group.world.call_requests.is_empty() && group.world.in_calls.is_empty());
    group.join("alice/phone", "");
    for (payload, condition) in [
        ("<leave/>", "bad-request"),
        ("<leave call='CALL'/>", "item-not-found"),
        ("<state call='CALL' hand='true'/>", "item-not-found"),
        ("<view call='CALL'/>", "item-not-found"),
        ("<decline call='CALL' busy='perhaps'/>", "bad-request"),
        ("<unknown/>", "service-unavailable"),
    ] {
        group.refused("bob/phone", payload, condition);
    }
    let pinned = format!("<pinned xmlns='{NS}' participant='x' source='camera'/>");
    let view = format!("<view xmlns='{NS}' call='CALL'>{pinned}</view>");
    group.send_raw("alice/phone", "set", &view);
    check_refused(&group.answer("alice/phone"), "bad-request");
    // Nobody speaks of calls in the room's name.
    group.clear(NAMES);
    let forged = format!(
        "<message type='groupchat' to='{}'><body>x</body><call xmlns='{NS}' id='{}'><ended/></call>\
         </message>",
        group.jid, group.call
    );
    group.world.send("bob/phone", &forged);
    let got = group.world.expect("carol/phone", "<message><body>x</body></message>");
    assert!(got.child("call", NS).is_none());
    // Nor does anybody have a room ring all day.
    group.ask("alice/phone", "<leave call='CALL'/>");
    for _ in 1..BEGINNINGS_MAX {
        group.join("bob/phone", "");
        group.ask("bob/phone", "<leave call='CALL'/>");
    }
    check_refused(&group.try_join("bob/phone", ""), "policy-violation");
}

#[test]
fn without_an_endpoint_there_are_no_calls() {
    let mut world = World::new();
    world.account("alice");
    come(&mut world, "alice/phone");
    world.account("bob");
    let got = world.ask(
        "alice/phone",
        "<iq type='get' id='d' to='groups.example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        "<iq type='result' id='d'/>",
    );
    assert!(!shown(&got).contains(NS));
    world.send(
        "alice/phone",
        "<iq type='set' id='new' to='groups.example.org'>\
         <create xmlns='urn:whimbrel:groups:0'><member jid='{bob}'/></create></iq>",
    );
    let got = std::iter::from_fn(|| world.receive("alice/phone")).find(|got| got.name() == "iq");
    let jid = got
        .unwrap()
        .child("group", "urn:whimbrel:groups:0")
        .unwrap()
        .attr("jid")
        .unwrap()
        .to_owned();
    for (kind, request) in [("set", "join"), ("set", "decline"), ("get", "call")] {
        let iq = format!("<iq type='{kind}' id='q' to='{jid}'><{request} xmlns='{NS}'/></iq>");
        world.send("alice/phone", &iq);
        let answer = world.receive("alice/phone").unwrap();
        check_refused(&answer, "service-unavailable");
    }
}

/// Replays the document's examples from one sentence to another, as Alice's phone.
fn replay(group: &mut Group, from: &str, to: &str) {
    let document = include_str!("../../../docs/protocol/calls.md");
    let part = document.split_once(from).expect(from).1.split_once(to).expect(to).0;
    let (alice, bob) = (group.world.id("alice").to_string(), group.world.id("bob").to_string());
    let room = group.jid.split('@').next().unwrap().to_owned();
    let call = if group.call.is_empty() { "*" } else { &group.call }.to_owned();
    let seen = group.show("carol/phone");
    let of_bob = seen.children().find(|it| it.attr("jid").is_some_and(|jid| jid.starts_with(&bob)));
    let of_bob = of_bob.and_then(|it| it.attr("id")).unwrap_or("*");
    let names = [
        ("k7qm2xw4p9ab", &*alice),
        ("p3c8tz0n6vfd", &bob),
        ("w3h5t9c2m7pd", &room),
        ("fcde2b2edba56bf4", of_bob),
        ("9f86d081884c7d65", "*"),
        ("2c26b46b68ffc68f", "*"),
        ("2026-09-21T14:13:20.000Z", "*"),
        ("1a0c4506c0000003", &call),
        ("1a0c4506c0000004", "*"),
    ];
    world::examples::replay(&mut group.world, "alice/phone", part, &names);
}

#[test]
fn the_examples_of_a_call_hold() {
    let mut group = Group::of(NAMES);
    group.world.pass(1);
    replay(&mut group, "## Joining", "An account takes part");
    group.call = group.show("alice/phone").attr("id").unwrap().to_owned();
    come(&mut group.world, "alice/tablet");
    group.world.skip_presence("alice/phone");
    group.join("alice/tablet", "");
    replay(&mut group, "An account takes part", "## Ringing");
    group.join("alice/phone", "camera='on'");
    group.world.pass(1);
    group.clear(&["alice"]);
    come(&mut group.world, "bob/tablet");
    group.join("bob/tablet", "");
    replay(&mut group, "## Ringing", "Who does not want");
    group.world.pass(1);
    group.join("alice/phone", "");
    group.clear(&["alice"]);
    let bob = group.join("bob/phone", "microphone='muted'");
    group.ask("bob/phone", "<state call='CALL' hand='true'/>");
    group.world.pass(1);
    replay(&mut group, "## While", "A device says");
    replay(&mut group, "A device says", "The endpoint tells");
    let (room, alice) = (group.room(), group.show("alice/phone"));
    let alice = alice.children().find(|it| it.attr("id") != Some(&bob.to_string()));
    let participant = ParticipantName::parse(alice.unwrap().attr("id").unwrap()).unwrap();
    let source = Source::Camera;
    let (class, reason) = (QualityClass::Poor, Some(QualityReason::LossUp));
    for event in [
        CallEvent::Slots { room, participant, slots: vec![Some((bob, source)), None] },
        CallEvent::Speakers { room, speakers: vec![bob] },
        CallEvent::Quality { room, participant, class, reason },
        CallEvent::Demand { room, participant, source, encodings: 5 },
    ] {
        group.happens(event);
    }
    replay(&mut group, "The endpoint tells", "The first one's");
    replay(&mut group, "## Leaving", "A call ends");
}

#[test]
fn the_examples_of_ringing_hold() {
    let mut group = Group::of(NAMES);
    group.join("bob/phone", "");
    group.clear(NAMES);
    replay(&mut group, "A device that comes meanwhile", "Without `id`");
    replay(&mut group, "Who does not want", "A device that comes meanwhile");
}
