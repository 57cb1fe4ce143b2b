//! XEP-0313 and XEP-0059: the archive is read by page, by moment, by conversation and by id.

use chat_core::xml::Element;

use crate::world::World;

/// Alice has sent Bob `1` to `5`, a second apart, and Carol `c`.
fn written() -> World {
    let mut world = World::with(&["alice", "bob", "carol"]);
    for number in 1..=5 {
        let body = format!("<message to='{{bob}}' type='chat'><body>{number}</body></message>");
        world.send("alice/phone", &body);
        world.pass(1);
    }
    world.send("alice/phone", "<message to='{carol}' type='chat'><body>c</body></message>");
    world
}

/// The bodies of a query's results, and its `<fin/>`.
fn read(world: &mut World, inside: &str) -> (Vec<String>, Element) {
    let query = format!(
        "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' queryid='f'>{inside}</query></iq>"
    );
    world.send("alice/phone", &query);
    let mut bodies = Vec::new();
    loop {
        let got = world.receive("alice/phone").expect("a query ends with its result");
        if got.name() == "iq" {
            let fin = got.children().next().expect("a result or an error").clone();
            return (bodies, fin);
        }
        let result = got.child("result", "urn:xmpp:mam:2").unwrap();
        let forwarded = result.child("forwarded", "urn:xmpp:forward:0").unwrap();
        assert!(forwarded.child("delay", "urn:xmpp:delay").is_some());
        let message = forwarded.child("message", "jabber:client").unwrap();
        bodies.push(message.text_of("body", "jabber:client").unwrap().into_owned());
    }
}

fn check(inside: &str, bodies: &[&str], is_complete: bool) {
    let mut world = written();
    let inside = inside.replace("{bob}", world.jid("bob").as_str());
    let (got, fin) = read(&mut world, &inside);
    assert_eq!(got, bodies, "{inside}");
    assert_eq!(fin.attr("complete"), is_complete.then_some("true"), "{inside}");
}

fn form(fields: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2\
         </value></field>{fields}</x>"
    )
}

fn field(name: &str, value: &str) -> String {
    form(&format!("<field var='{name}'><value>{value}</value></field>"))
}

const RSM: &str = "<set xmlns='http://jabber.org/protocol/rsm'>";

#[test]
fn everything_is_there_in_order() {
    check("", &["1", "2", "3", "4", "5", "c"], true);
}

#[test]
fn a_conversation_is_read_alone() {
    check(&field("with", "{bob}"), &["1", "2", "3", "4", "5"], true);
    check(&field("with", "{bob}/phone"), &[], true);
}

#[test]
fn pages_go_on_where_nothing_concerned_who_asks() {
    let mut world = written();
    let with = format!("{}/phone", world.jid("bob"));
    let inside = format!("{}{RSM}<max>2</max></set>", field("with", &with));
    let (bodies, fin) = read(&mut world, &inside);
    assert_eq!((bodies.len(), fin.attr("complete")), (0, None));
    let set = fin.child("set", "http://jabber.org/protocol/rsm").unwrap();
    assert!(set.child("last", "http://jabber.org/protocol/rsm").is_some());
}

#[test]
fn moments_bound_it() {
    check(&field("start", "2026-09-21T14:13:23Z"), &["4", "5", "c"], true);
    check(&field("end", "2026-09-21T14:13:21Z"), &["1", "2"], true);
}

#[test]
fn pages_go_forward_and_backward() {
    check(&format!("{RSM}<max>2</max></set>"), &["1", "2"], false);
    check(&format!("{RSM}<max>2</max><before/></set>"), &["5", "c"], false);
    check(&format!("{RSM}<max>2</max><before/></set><flip-page/>"), &["c", "5"], false);
    let mut world = written();
    let (_, fin) = read(&mut world, &format!("{RSM}<max>4</max></set>"));
    let set = fin.child("set", "http://jabber.org/protocol/rsm").unwrap();
    let last = set.text_of("last", "http://jabber.org/protocol/rsm").unwrap();
    assert_eq!(set.text_of("count", "http://jabber.org/protocol/rsm").as_deref(), Some("6"));
    let (bodies, fin) = read(&mut world, &format!("{RSM}<after>{last}</after></set>"));
    assert_eq!(bodies, ["5", "c"]);
    assert_eq!(fin.attr("complete"), Some("true"));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let mut world = written();
    for inside in [
        field("colour", "red"),
        field("with", "@"),
        field("start", "yesterday"),
        field("ids", "0000000000000001"),
        field("after-id", "none"),
        format!("{RSM}<max>many</max></set>"),
    ] {
        let (_, error) = read(&mut world, &inside);
        assert_eq!(error.name(), "error", "{inside}");
    }
}

#[test]
fn what_is_of_the_moment_is_not_kept() {
    let mut world = World::with(&["alice", "bob"]);
    for inside in [
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<body>x</body><no-store xmlns='urn:xmpp:hints'/>",
        "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
    ] {
        world.send("alice/phone", &format!("<message to='{{bob}}' type='chat'>{inside}</message>"));
        world.expect("bob/phone", "<message/>");
    }
    assert_eq!(world.disk.archive(world.id("bob")), []);
}

#[test]
fn the_bounds_are_told() {
    let mut world = written();
    let ask = "<iq type='get' id='m'><metadata xmlns='urn:xmpp:mam:2'/></iq>";
    world.ask(
        "alice/phone",
        ask,
        "<iq type='result' id='m'><metadata xmlns='urn:xmpp:mam:2'><start id='*' timestamp='*'/>\
         <end id='*' timestamp='*'/></metadata></iq>",
    );
}

#[test]
fn a_page_of_long_messages_is_cut_and_goes_on() {
    let mut world = World::with(&["alice", "bob"]);
    let body = "long ".repeat(20_000);
    for _ in 0..12 {
        let long = format!("<message to='{{bob}}' type='chat'><body>{body}</body></message>");
        world.send("alice/phone", &long);
    }
    let mut count = 0;
    let mut after = String::new();
    loop {
        let (bodies, fin) = read(&mut world, &format!("{RSM}<max>50</max>{after}</set>"));
        assert!(bodies.len() <= 5, "{}", bodies.len());
        count += bodies.len();
        if fin.attr("complete") == Some("true") {
            break;
        }
        let set = fin.child("set", "http://jabber.org/protocol/rsm").unwrap();
        let last = set.text_of("last", "http://jabber.org/protocol/rsm").unwrap();
        after = format!("<after>{last}</after>");
    }
    assert_eq!(count, 12);
    let (bodies, fin) = read(&mut world, &format!("{RSM}<max>50</max><before/></set>"));
    assert_eq!((bodies.len(), fin.attr("complete")), (5, None));
}

#[test]
fn who_acknowledges_nothing_waits_for_more() {
    let mut world = World::with(&["alice", "bob"]);
    for number in 0..900 {
        let body = format!("<message to='{{bob}}' type='chat'><body>{number}</body></message>");
        world.send("alice/phone", &body);
    }
    let enable = "<enable xmlns='urn:xmpp:sm:3'/>";
    world.ask("alice/phone", enable, "<enabled xmlns='urn:xmpp:sm:3'/>");
    let mut after = String::new();
    for number in 0..4 {
        let query = format!(
            "<iq type='set' id='q{number}'><query xmlns='urn:xmpp:mam:2'>\
             {RSM}<max>250</max>{after}</set></query></iq>"
        );
        world.send("alice/phone", &query);
        let (count, last) = drain(&mut world);
        if number < 3 {
            assert_eq!(count, 251);
            after = format!("<after>{}</after>", last.unwrap());
        } else {
            // It was told to acknowledge, and nothing else.
            assert_eq!((count, last), (0, None));
        }
    }
    world.send("alice/phone", "<a xmlns='urn:xmpp:sm:3' h='700'/>");
    let (count, last) = drain(&mut world);
    assert_eq!((count, last.is_some()), (151, true));
}

/// Stanzas that came, and the id of the page's last message.
fn drain(world: &mut World) -> (usize, Option<String>) {
    let (mut count, mut last) = (0, None);
    while let Some(got) = world.receive("alice/phone") {
        count += usize::from(got.ns() == "jabber:client");
        if got.name() == "iq" {
            let set = got.child("fin", "urn:xmpp:mam:2").expect("no error");
            let set = set.child("set", "http://jabber.org/protocol/rsm").unwrap();
            last = set.text_of("last", "http://jabber.org/protocol/rsm").map(String::from);
        }
    }
    (count, last)
}

#[test]
fn not_all_questions_wait() {
    let mut world = World::with(&["alice", "bob"]);
    let enable = "<enable xmlns='urn:xmpp:sm:3'/>";
    world.ask("alice/phone", enable, "<enabled xmlns='urn:xmpp:sm:3'/>");
    for _ in 0..600 {
        let moment = "<message to='{alice}'><body>x</body><no-store xmlns='urn:xmpp:hints'/>";
        world.send("bob/phone", &format!("{moment}</message>"));
    }
    world.clear("alice/phone");
    for number in 0..17 {
        let query = format!("<iq type='set' id='q{number}'><query xmlns='urn:xmpp:mam:2'/></iq>");
        world.send("alice/phone", &query);
    }
    let mut got = Vec::new();
    while let Some(element) = world.receive("alice/phone") {
        if element.name() == "iq" {
            got.push((
                element.attr("id").unwrap().to_owned(),
                element.attr("type").map(String::from),
            ));
        }
    }
    assert_eq!(got, [("q16".to_owned(), Some("error".to_owned()))]);
}
