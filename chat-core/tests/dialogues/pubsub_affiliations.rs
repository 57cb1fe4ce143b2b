//! XEP-0060 4.1, 6.1 and 8.9: members read and hear of what others may not, outcasts do not.

use crate::world::World;

const NS: &str = "http://jabber.org/protocol/pubsub";
const ITEM: &str = "<item id='one'><tune xmlns='urn:tune'/></item>";

/// Alice has a node with this access model; nobody sees her presence.
fn node(access: &str) -> World {
    let mut world = World::with(&["alice", "bob", "mallory"]);
    publish(&mut world, access);
    world.expect("alice/phone", "<iq type='result' id='p'/>");
    world
}

fn publish(world: &mut World, access: &str) {
    let request = format!(
        "<iq type='set' id='p'><pubsub xmlns='{NS}'><publish node='n'>{ITEM}</publish>\
         <publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>{NS}#publish-options</value></field>\
         <field var='pubsub#access_model'><value>{access}</value></field></x></publish-options>\
         </pubsub></iq>"
    );
    world.send("alice/phone", &request);
}

fn affiliate(world: &mut World, jid: &str, affiliation: &str, answer: &str) {
    let request = format!(
        "<iq type='set' id='a'><pubsub xmlns='{NS}#owner'><affiliations node='n'>\
         <affiliation jid='{jid}' affiliation='{affiliation}'/></affiliations></pubsub></iq>"
    );
    world.ask("alice/phone", &request, answer);
}

fn subscribe(who: &str) -> String {
    format!(
        "<iq type='set' id='s' to='{{alice}}'><pubsub xmlns='{NS}'>\
         <subscribe node='n' jid='{{{who}}}'/></pubsub></iq>"
    )
}

const READ: &str = "<iq type='get' id='r' to='{alice}'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/></pubsub></iq>";
const GOT: &str = "<iq type='result' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
    <items><item id='one'/></items></pubsub></iq>";
const CLOSED: &str = "<iq type='error' id='r'><error type='cancel'><not-allowed \
    xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
    <closed-node xmlns='http://jabber.org/protocol/pubsub#errors'/></error></iq>";
const DONE: &str = "<iq type='result' id='a'/>";
const EVENT: &str = "<message from='{alice}'>\
    <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'><item id='one'/></items>\
    </event></message>";

#[test]
fn a_whitelist_lets_its_members_in() {
    let mut world = node("whitelist");
    world.ask("bob/phone", READ, CLOSED);
    affiliate(&mut world, "{bob}", "member", DONE);
    world.ask("bob/phone", READ, GOT);
    world.ask("mallory/phone", READ, CLOSED);
    world.crash();
    world.come("alice/phone");
    world.come("bob/phone");
    world.ask("bob/phone", READ, GOT);
    affiliate(&mut world, "{bob}", "none", DONE);
    world.ask("bob/phone", READ, CLOSED);
}

#[test]
fn members_subscribe_and_hear_until_they_are_none() {
    let mut world = node("whitelist");
    world.ask("bob/phone", &subscribe("bob"), "<iq type='error' id='s'/>");
    affiliate(&mut world, "{bob}", "member", DONE);
    world.send("bob/phone", &subscribe("bob"));
    world.expect(
        "bob/phone",
        "<iq type='result' id='s'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <subscription node='n' jid='{bob}' subscription='subscribed'/></pubsub></iq>",
    );
    world.expect("bob/phone", EVENT);
    publish(&mut world, "whitelist");
    world.expect("alice/phone", "<iq type='result' id='p'/>");
    world.expect("bob/phone", EVENT);
    affiliate(&mut world, "{bob}", "none", DONE);
    publish(&mut world, "whitelist");
    world.expect_nothing("bob/phone");
    world.expect("alice/phone", "<iq type='result' id='p'/>");
    affiliate(&mut world, "{bob}", "member", DONE);
    publish(&mut world, "whitelist");
    world.expect_nothing("bob/phone");
}

#[test]
fn who_subscribes_is_oneself_and_can_end_it() {
    let mut world = node("open");
    world.ask("mallory/phone", &subscribe("bob"), "<iq type='error' id='s'/>");
    world.send("bob/phone", &subscribe("bob/phone"));
    world.expect("bob/phone", "<iq type='result' id='s'/>");
    world.expect("bob/phone", EVENT);
    let list = format!(
        "<iq type='get' id='l' to='{{alice}}'><pubsub xmlns='{NS}'><subscriptions/></pubsub></iq>"
    );
    world.ask(
        "bob/phone",
        &list,
        "<iq type='result' id='l'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <subscriptions><subscription node='n' jid='{bob/phone}' subscription='subscribed'/>\
         </subscriptions></pubsub></iq>",
    );
    let end = subscribe("bob/phone").replace("<subscribe", "<unsubscribe");
    world.ask("mallory/phone", &end, "<iq type='error' id='s'><error type='auth'/></iq>");
    world.ask("bob/phone", &end, "<iq type='result' id='s'/>");
    world.ask("bob/phone", &end, "<iq type='error' id='s'/>");
    publish(&mut world, "open");
    world.expect_nothing("bob/phone");
    for number in 0..8 {
        world.send("bob/phone", &subscribe(&format!("bob/{number}")));
    }
    world.clear("bob/phone");
    world.ask("bob/phone", &subscribe("bob/8"), "<iq type='error' id='s'/>");
}

#[test]
fn outcasts_are_shut_out_of_an_open_node() {
    let mut world = node("open");
    world.ask("bob/phone", READ, GOT);
    affiliate(&mut world, "{bob/phone}", "outcast", DONE);
    world.ask("bob/phone", READ, "<iq type='error' id='r'><error type='auth'/></iq>");
    world.ask("bob/phone", &subscribe("bob"), "<iq type='error' id='s'/>");
}

#[test]
fn affiliations_are_shown() {
    let mut world = node("open");
    affiliate(&mut world, "{bob}", "member", DONE);
    let of_owner = format!(
        "<iq type='get' id='l'><pubsub xmlns='{NS}#owner'><affiliations node='n'/></pubsub></iq>"
    );
    world.ask(
        "alice/phone",
        &of_owner,
        "<iq type='result' id='l'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <affiliations node='n'><affiliation jid='{alice}' affiliation='owner'/>\
         <affiliation jid='{bob}' affiliation='member'/></affiliations></pubsub></iq>",
    );
    let of_bob = format!(
        "<iq type='get' id='l' to='{{alice}}'><pubsub xmlns='{NS}'><affiliations/></pubsub></iq>"
    );
    let mut shown = |who: &str| {
        let got = world.ask(who, &of_bob, "<iq type='result' id='l'/>");
        let list = got.children().next().unwrap().children().next().unwrap();
        list.children().filter_map(|one| one.attr("affiliation")).collect::<String>()
    };
    assert_eq!((shown("bob/phone"), shown("mallory/phone")), ("member".into(), String::new()));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut world = node("open");
    let refused = |condition: &str| {
        format!(
            "<iq type='error' id='a'><error>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
    };
    for (jid, affiliation, condition) in [
        ("{bob}", "publisher", "feature-not-implemented"),
        ("{bob}", "owner", "not-acceptable"),
        ("{alice}", "none", "not-acceptable"),
        ("{bob}", "friend", "bad-request"),
        ("@", "member", "jid-malformed"),
    ] {
        affiliate(&mut world, jid, affiliation, &refused(condition));
    }
    world.ask(
        "bob/phone",
        "<iq type='set' id='a' to='{alice}'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <affiliations node='n'><affiliation jid='{bob}' affiliation='member'/></affiliations>\
         </pubsub></iq>",
        &refused("forbidden"),
    );
    let bookmark = "<iq type='set' id='b'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
        <publish node='urn:xmpp:bookmarks:1'><item id='a@b'>\
        <conference xmlns='urn:xmpp:bookmarks:1'/></item></publish></pubsub></iq>";
    world.ask("alice/phone", bookmark, "<iq type='result' id='b'/>");
    let request = "<iq type='set' id='a'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
        <affiliations node='urn:xmpp:bookmarks:1'><affiliation jid='{bob}' affiliation='member'/>\
        </affiliations></pubsub></iq>";
    world.ask("alice/phone", request, &refused("not-acceptable"));
}
