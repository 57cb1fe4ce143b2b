//! XEP-0060 and XEP-0163: nodes of an account, and who hears of them.

use crate::world::World;

const NS: &str = "http://jabber.org/protocol/pubsub";
const CAPS: &str = "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' \
    node='http://client' ver='v0'/></presence>";

/// Publishes `<tune>NAME</tune>` as an item.
fn publish(world: &mut World, client: &str, node: &str, item: &str, options: &str) {
    let request = format!(
        "<iq type='set' id='p'><pubsub xmlns='{NS}'><publish node='{node}'><item id='{item}'>\
         <tune xmlns='urn:tune'>{item}</tune></item></publish>{options}</pubsub></iq>"
    );
    world.send(client, &request);
}

fn options(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("<field var='pubsub#{name}'><value>{value}</value></field>")
    };
    let fields: String = fields.iter().map(field).collect();
    format!(
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>http://jabber.org/protocol/pubsub#publish-options</value></field>{fields}</x>\
         </publish-options>"
    )
}

/// The client says that it wants to hear of these nodes; what it is told is left to be read.
fn want(world: &mut World, client: &str, nodes: &[&str]) {
    world.send(client, CAPS);
    world.skip_presence(client);
    let asked = world.expect(
        client,
        "<iq type='get' from='example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='http://client#v0'/></iq>",
    );
    let features = nodes.iter().map(|node| format!("<feature var='{node}+notify'/>"));
    let answer = format!(
        "<iq type='result' id='{}' to='example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='http://client#v0'>\
         {}</query></iq>",
        asked.attr("id").unwrap(),
        features.collect::<String>()
    );
    world.send(client, &answer);
}

/// Bob sees Alice's presence.
fn friends() -> World {
    let mut world = World::with(&["alice", "bob", "mallory"]);
    world.send("bob/phone", "<presence type='subscribe' to='{alice}'/>");
    world.send("alice/phone", "<presence type='subscribed' to='{bob}'/>");
    world.clear("alice/phone");
    world.clear("bob/phone");
    world
}

fn event(from: &str, node: &str, inner: &str) -> String {
    format!(
        "<message type='headline' from='{from}'><event xmlns='{NS}#event'><items node='{node}'>\
         {inner}</items></event></message>"
    )
}

fn read(node: &str, to: &str) -> String {
    format!(
        "<iq type='get' id='r' to='{to}'><pubsub xmlns='{NS}'><items node='{node}'/></pubsub></iq>"
    )
}

const DONE: &str = "<iq type='result' id='p'/>";

#[test]
fn who_wants_hears_of_what_is_published() {
    let mut world = friends();
    want(&mut world, "alice/phone", &["tune"]);
    want(&mut world, "bob/phone", &["tune"]);
    want(&mut world, "mallory/phone", &["tune"]);
    publish(&mut world, "alice/phone", "tune", "one", "");
    let item = "<item id='one'><tune xmlns='urn:tune'>one</tune></item>";
    world.expect("alice/phone", &event("{alice}", "tune", item));
    world.expect("alice/phone", "<iq type='result' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='tune'><item id='one'/></publish></pubsub></iq>");
    world.skip_presence("bob/phone");
    world.expect("bob/phone", &event("{alice}", "tune", item));
    world.expect_nothing("bob/phone");
    world.expect_nothing("mallory/phone");
    publish(&mut world, "alice/phone", "other", "one", "");
    world.expect_nothing("bob/phone");
}

#[test]
fn who_comes_hears_the_last_item_even_of_who_is_away() {
    let mut world = friends();
    publish(&mut world, "alice/phone", "tune", "one", "");
    publish(&mut world, "alice/phone", "tune", "two", "");
    world.disconnect("alice/phone", true);
    world.pass(120);
    world.clear("bob/phone");
    want(&mut world, "bob/phone", &["tune"]);
    world.expect("bob/phone", &event("{alice}", "tune", "<item id='two'/>"));
    world.expect_nothing("bob/phone");
}

#[test]
fn who_is_let_see_presence_hears_the_last_item() {
    let mut world = World::with(&["alice", "bob"]);
    want(&mut world, "bob/phone", &["tune"]);
    publish(&mut world, "alice/phone", "tune", "one", "");
    world.send("bob/phone", "<presence type='subscribe' to='{alice}'/>");
    world.send("alice/phone", "<presence type='subscribed' to='{bob}'/>");
    world.skip_presence("bob/phone");
    world.expect("bob/phone", &event("{alice}", "tune", "<item id='one'/>"));
}

#[test]
fn access_models_are_kept() {
    let mut world = friends();
    let check = |world: &mut World, model: &str, bob: &str, mallory: &str| {
        let asked = options(&[("access_model", model)]);
        publish(world, "alice/phone", model, "one", &asked);
        world.expect("alice/phone", DONE);
        world.ask("bob/phone", &read(model, "{alice}"), bob);
        world.ask("mallory/phone", &read(model, "{alice}"), mallory);
    };
    let got = "<iq type='result' id='r' from='{alice}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
               <items><item id='one'/></items></pubsub></iq>";
    let refused = |condition: &str, reason: &str| {
        format!(
            "<iq type='error' id='r'><error><{condition} \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><{reason} xmlns='{NS}#errors'/></error></iq>"
        )
    };
    check(&mut world, "open", got, got);
    let no_presence = refused("not-authorized", "presence-subscription-required");
    check(&mut world, "presence", got, &no_presence);
    let closed = refused("not-allowed", "closed-node");
    check(&mut world, "whitelist", &closed, &closed);
    let not_in_group = refused("not-authorized", "not-in-roster-group");
    check(&mut world, "roster", &not_in_group, &not_in_group);
}

#[test]
fn a_group_of_the_roster_may_read() {
    let mut world = friends();
    world.send(
        "alice/phone",
        "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='{bob}'>\
         <group>Band</group></item></query></iq>",
    );
    world.clear("alice/phone");
    let asked = options(&[("access_model", "roster"), ("roster_groups_allowed", "Band")]);
    publish(&mut world, "alice/phone", "tune", "one", &asked);
    world.expect("alice/phone", DONE);
    world.ask("bob/phone", &read("tune", "{alice}"), "<iq type='result' id='r'/>");
    world.ask("mallory/phone", &read("tune", "{alice}"), "<iq type='error' id='r'/>");
}

#[test]
fn what_is_taken_for_granted_must_hold() {
    let mut world = World::with(&["alice"]);
    let mine = options(&[("access_model", "whitelist"), ("max_items", "max")]);
    publish(&mut world, "alice/phone", "n", "one", &mine);
    world.expect("alice/phone", DONE);
    publish(&mut world, "alice/phone", "n", "two", &mine);
    world.expect("alice/phone", DONE);
    publish(&mut world, "alice/phone", "n", "three", &options(&[("access_model", "open")]));
    world.expect(
        "alice/phone",
        "<iq type='error' id='p'><error type='cancel'><precondition-not-met \
         xmlns='http://jabber.org/protocol/pubsub#errors'/></error></iq>",
    );
    let bookmarks = options(&[("access_model", "open")]);
    publish(&mut world, "alice/phone", "urn:xmpp:bookmarks:1", "a@b", &bookmarks);
    world.expect("alice/phone", "<iq type='error' id='p'/>");
}

#[test]
fn items_are_read_newest_first_by_id_and_by_page() {
    let mut world = World::with(&["alice"]);
    let mine = options(&[("max_items", "3")]);
    for item in ["one", "two", "three", "four"] {
        publish(&mut world, "alice/phone", "n", item, &mine);
        world.expect("alice/phone", DONE);
    }
    let ask = |world: &mut World, asked: &str, got: &str| {
        let request = format!("<iq type='get' id='r'><pubsub xmlns='{NS}'>{asked}</pubsub></iq>");
        let answer = world.ask("alice/phone", &request, "<iq type='result' id='r'/>");
        let pubsub = answer.children().next().unwrap();
        let items = pubsub.children().next().unwrap().children();
        let ids: Vec<&str> = items.filter_map(|item| item.attr("id")).collect();
        assert_eq!(ids.join(" "), got, "{asked}");
    };
    ask(&mut world, "<items node='n'/>", "four three two");
    ask(&mut world, "<items node='n' max_items='1'/>", "four");
    ask(&mut world, "<items node='n'><item id='two'/></items>", "two");
    let page = |inner: &str| {
        format!("<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>")
    };
    ask(&mut world, &page("<max>2</max>"), "four three");
    ask(&mut world, &page("<max>2</max><after>three</after>"), "two");
    ask(&mut world, &page("<max>1</max><before/>"), "two");
    ask(&mut world, &page("<max>1</max><before>two</before>"), "three");
}

#[test]
fn items_and_nodes_go() {
    let mut world = World::with(&["alice"]);
    want(&mut world, "alice/phone", &["n"]);
    publish(&mut world, "alice/phone", "n", "one", "");
    world.clear("alice/phone");
    let retract = "<iq type='set' id='t'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                   <retract node='n' notify='true'><item id='one'/></retract></pubsub></iq>";
    world.send("alice/phone", retract);
    world.expect("alice/phone", &event("{alice}", "n", "<retract id='one'/>"));
    world.expect("alice/phone", "<iq type='result' id='t'/>");
    world.ask("alice/phone", retract, "<iq type='error' id='t'/>");
    publish(&mut world, "alice/phone", "n", "two", "");
    world.clear("alice/phone");
    let owner = |verb: &str| {
        format!("<iq type='set' id='o'><pubsub xmlns='{NS}#owner'><{verb} node='n'/></pubsub></iq>")
    };
    world.send("alice/phone", &owner("purge"));
    world.expect("alice/phone", "<message type='headline'/>");
    world.expect("alice/phone", "<iq type='result' id='o'/>");
    world.ask("alice/phone", &owner("delete"), "<iq type='result' id='o'/>");
    world.ask("alice/phone", &read("n", "{alice}"), "<iq type='error' id='r'/>");
}

#[test]
fn a_node_is_made_configured_and_outlives_a_crash() {
    let mut world = World::with(&["alice"]);
    let create = "<iq type='set' id='c'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                  <create node='n'/></pubsub></iq>";
    world.ask("alice/phone", create, "<iq type='result' id='c'/>");
    world.ask("alice/phone", create, "<iq type='error' id='c'/>");
    world.ask(
        "alice/phone",
        "<iq type='set' id='s'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
         <field var='pubsub#access_model'><value>open</value></field></x></configure></pubsub></iq>",
        "<iq type='result' id='s'/>",
    );
    world.crash();
    world.come("alice/phone");
    world.ask(
        "alice/phone",
        "<iq type='get' id='g'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <configure node='n'/></pubsub></iq>",
        "<iq type='result' id='g'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <configure node='n'><x xmlns='jabber:x:data' type='form'>\
         <field var='pubsub#access_model'><value>open</value></field></x></configure></pubsub></iq>",
    );
}

#[test]
fn nobody_publishes_for_another() {
    let mut world = friends();
    world.ask(
        "bob/phone",
        "<iq type='set' id='p' to='{alice}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='tune'><item id='x'><x xmlns='urn:x'/></item></publish></pubsub></iq>",
        "<iq type='error' id='p'><error type='auth'/></iq>",
    );
    want(&mut world, "bob/phone", &["tune"]);
    world.clear("bob/phone");
    let forged = event("", "tune", "<item id='x'/>").replace("from=''", "to='{bob}'");
    world.send("mallory/phone", &forged);
    world.expect("bob/phone", "<message from='{mallory/phone}' type='headline'/>");
}

#[test]
fn subscribers_discover_nodes() {
    let mut world = friends();
    publish(&mut world, "alice/phone", "tune", "one", "");
    let ask = "<iq type='get' id='d' to='{alice}'>\
               <query xmlns='http://jabber.org/protocol/disco#items'/></iq>";
    world.ask(
        "bob/phone",
        ask,
        "<iq type='result' id='d'><query xmlns='http://jabber.org/protocol/disco#items'>\
         <item jid='{alice}' node='tune'/></query></iq>",
    );
    world.ask("mallory/phone", ask, "<iq type='error' id='d'/>");
    world.ask(
        "bob/phone",
        "<iq type='get' id='i' to='{alice}'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='tune'/></iq>",
        "<iq type='result' id='i'><query xmlns='http://jabber.org/protocol/disco#info' node='tune'>\
         <identity category='pubsub' type='leaf'/></query></iq>",
    );
}
