//! Who may add an account to groups is said by that account (docs/protocol/groups.md).

use chat_core::xml::Element;

use crate::world::World;

const GROUPS: &str = "urn:whimbrel:groups:0";

fn world(names: &[&str]) -> World {
    let mut world = World::new();
    for name in names {
        world.account(name);
        come(&mut world, name);
    }
    world
}

/// As a client that takes groups' messages.
fn come(world: &mut World, name: &str) {
    let client = format!("{name}/phone");
    world.connect(&client);
    let enable =
        format!("<iq type='set' id='e' to='groups.example.org'><enable xmlns='{GROUPS}'/></iq>");
    world.ask(&client, &enable, "<iq type='result' id='e'/>");
    world.send(&client, "<presence/>");
    world.clear(&client);
}

fn let_add(world: &mut World, name: &str, by: &str) {
    world.ask(
        &format!("{name}/phone"),
        &format!("<iq type='set' id='b'><addable xmlns='{GROUPS}' by='{by}'/></iq>"),
        "<iq type='result' id='b'/>",
    );
}

/// Asks, and gives the answer's one child; messages that come meanwhile are passed over.
fn ask(world: &mut World, name: &str, to: &str, payload: &str) -> Element {
    let client = format!("{name}/phone");
    world.clear(&client);
    world.send(&client, &format!("<iq type='set' id='q' to='{to}'>{payload}</iq>"));
    while let Some(got) = world.receive(&client) {
        if got.name() == "iq" {
            let last = got.children().last();
            return last.cloned().unwrap_or(got);
        }
    }
    panic!("there is an answer");
}

/// Founds a group with a member, and gives its address and what became of the member.
fn create(world: &mut World, by: &str, member: &str) -> (String, Option<Element>) {
    let create = format!("<create xmlns='{GROUPS}'><member {member}/></create>");
    let group = ask(world, by, "groups.example.org", &create);
    (group.attr("jid").expect("a group").to_owned(), group.children().next().cloned())
}

fn members(world: &mut World, by: &str, group: &str) -> usize {
    let client = format!("{by}/phone");
    let get = format!("<iq type='get' id='g' to='{group}'><group xmlns='{GROUPS}'/></iq>");
    world.clear(&client);
    let shown = world.ask(&client, &get, "<iq type='result' id='g'/>");
    shown.children().next().unwrap().children_named("member", GROUPS).count()
}

#[test]
fn who_may_not_add_gets_an_invitation_to_send() {
    let mut world = world(&["alice", "bob"]);
    let_add(&mut world, "bob", "nobody");
    world.crash();
    come(&mut world, "alice");
    come(&mut world, "bob");
    let get = format!("<iq type='get' id='s'><addable xmlns='{GROUPS}'/></iq>");
    let set = format!("<iq type='result' id='s'><addable xmlns='{GROUPS}' by='nobody'/></iq>");
    world.ask("bob/phone", &get, &set);
    let (group, told) = create(&mut world, "alice", "jid='{bob}'");
    let told = told.expect("an invitation");
    assert!(told.is("invitation", GROUPS), "{told:?}");
    assert_eq!(told.attr("jid"), Some(world.jid("bob").as_str()));
    assert_eq!(members(&mut world, "alice", &group), 1);
    // Named by its number it is the same.
    let added = ask(
        &mut world,
        "alice",
        &group,
        &format!("<add xmlns='{GROUPS}'><member number='+15550100002'/></add>"),
    );
    let invited = added.child("invitation", GROUPS).expect("an invitation");
    assert_eq!(invited.attr("jid"), Some(world.jid("bob").as_str()));
    assert_eq!(members(&mut world, "alice", &group), 1);
    let join = format!("<join xmlns='{GROUPS}' token='{}'/>", told.attr("token").unwrap());
    assert!(ask(&mut world, "bob", &group, &join).is("group", GROUPS));
    assert_eq!(members(&mut world, "alice", &group), 2);
}

#[test]
fn contacts_add_and_who_only_asks_to_be_one_does_not() {
    let mut world = world(&["alice", "bob", "carol"]);
    let_add(&mut world, "bob", "contacts");
    let keep = "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>\
                <item jid='{alice}'/></query></iq>";
    world.ask("bob/phone", keep, "<iq type='result' id='r'/>");
    // Bob lets Carol see whether he is there, which makes her an item of his roster.
    world.send("carol/phone", "<presence type='subscribe' to='{bob}'/>");
    world.send("bob/phone", "<presence type='subscribed' to='{carol}'/>");
    let (group, told) = create(&mut world, "alice", "jid='{bob}'");
    assert_eq!((told, members(&mut world, "alice", &group)), (None, 2));
    let (group, told) = create(&mut world, "carol", "jid='{bob}'");
    assert!(told.is_some_and(|told| told.is("invitation", GROUPS)));
    assert_eq!(members(&mut world, "carol", &group), 1);
    let remove = "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>\
                  <item jid='{alice}' subscription='remove'/></query></iq>";
    world.clear("bob/phone");
    world.ask("bob/phone", remove, "<iq type='result' id='r'/>");
    let (_, told) = create(&mut world, "alice", "jid='{bob}'");
    assert!(told.is_some_and(|told| told.is("invitation", GROUPS)));
}

#[test]
fn other_clients_ways_are_no_way_around() {
    let mut world = world(&["alice", "bob"]);
    let_add(&mut world, "bob", "nobody");
    let (group, _) = create(&mut world, "alice", "jid='{alice}'");
    let affiliate = "<query xmlns='http://jabber.org/protocol/muc#admin'>\
                     <item affiliation='member' jid='{bob}'/></query>";
    let error = ask(&mut world, "alice", &group, affiliate);
    let refused = error.child("not-addable", GROUPS).expect("a reason");
    let named = refused.children().next().and_then(|member| member.attr("jid"));
    assert_eq!(named, Some(world.jid("bob").as_str()));
    let user = "http://jabber.org/protocol/muc#user";
    let invite = format!("<x xmlns='{user}'><invite to='{{bob}}'/></x>");
    world.send("alice/phone", &format!("<message to='{group}'>{invite}</message>"));
    let invited = format!("<x xmlns='{user}'><invite from='{{alice}}'/><password/></x>");
    let got = world.expect("bob/phone", &format!("<message from='{group}'>{invited}</message>"));
    assert_eq!(members(&mut world, "alice", &group), 1);
    let password = got.child("x", user).and_then(|x| x.text_of("password", user));
    let join = format!("<join xmlns='{GROUPS}' token='{}'/>", password.expect("a password"));
    assert!(ask(&mut world, "bob", &group, &join).is("group", GROUPS));
}
