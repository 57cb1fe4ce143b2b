//! Accounts are found by their numbers, where their owners allow it.

use crate::world::World;

/// The worlds' accounts have the numbers +15550100001, +15550100002 and so on.
const LOOK_UP: &str = "<iq type='get' id='l' to='example.org'>\
    <lookup xmlns='urn:whimbrel:contact-lookup:0'><number>+1 555-010-0001</number>\
    <number>+15550100002</number><number>+15550109999</number><number>pizza</number></lookup></iq>";

fn found(world: &mut World, client: &str) -> Vec<String> {
    let answer = world.ask(client, LOOK_UP, "<iq type='result' id='l'/>");
    let lookup = answer.children().next().unwrap();
    let contact = |it: &chat_core::xml::Element| {
        format!("{} {}", it.attr("number").unwrap(), it.attr("jid").unwrap())
    };
    lookup.children().map(contact).collect()
}

fn hide(world: &mut World, client: &str) {
    world.ask(
        client,
        "<iq type='set' id='h'><visibility xmlns='urn:whimbrel:contact-lookup:0' to='nobody'/></iq>",
        "<iq type='result' id='h'/>",
    );
}

#[test]
fn contacts_are_found() {
    let mut world = World::with(&["alice", "bob"]);
    let alice = format!("+15550100001 {}", world.jid("alice"));
    let bob = format!("+15550100002 {}", world.jid("bob"));
    assert_eq!(found(&mut world, "alice/phone"), [alice.clone(), bob]);
    hide(&mut world, "bob/phone");
    assert_eq!(found(&mut world, "alice/phone"), [alice]);
    world.crash();
    world.come("bob/phone");
    world.ask(
        "bob/phone",
        "<iq type='get' id='g'><visibility xmlns='urn:whimbrel:contact-lookup:0'/></iq>",
        "<iq type='result' id='g'><visibility xmlns='urn:whimbrel:contact-lookup:0' to='nobody'/></iq>",
    );
}

#[test]
fn who_is_blocked_does_not_find() {
    let mut world = World::with(&["alice", "bob"]);
    world.send(
        "bob/phone",
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{alice}'/></block></iq>",
    );
    assert_eq!(found(&mut world, "alice/phone").len(), 1);
}

#[test]
fn all_numbers_of_a_place_cannot_be_tried() {
    let mut world = World::with(&["alice"]);
    let numbers = |count: u32, from: u32| {
        let number = |at: u32| format!("<number>+1555{:07}</number>", from + at);
        let numbers: String = (0..count).map(number).collect();
        format!(
            "<iq type='get' id='l' to='example.org'><lookup xmlns='urn:whimbrel:contact-lookup:0'>\
             {numbers}</lookup></iq>"
        )
    };
    let too_many = "<iq type='error' id='l'><error><not-acceptable \
                    xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    world.ask("alice/phone", &numbers(101, 0), too_many);
    for batch in 0..50 {
        world.ask("alice/phone", &numbers(100, batch * 100), "<iq type='result' id='l'/>");
    }
    let spent = "<iq type='error' id='l'><error type='wait'><resource-constraint \
                 xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    world.ask("alice/phone", &numbers(1, 0), spent);
    world.crash();
    world.come("alice/phone");
    world.ask("alice/phone", &numbers(1, 0), spent);
    world.now.unix_ms += 24 * 3600 * 1000;
    world.ask("alice/phone", &numbers(1, 0), "<iq type='result' id='l'/>");
}

#[test]
fn a_number_is_redirected_to_its_account() {
    let mut world = World::with(&["alice", "bob"]);
    let stanzas = [
        "<message id='r' to='+15550100002@example.org'><body>Hi</body></message>",
        "<iq type='get' id='r' to='+15550100002@example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<presence id='r' type='subscribe' to='+15550100002@example.org'/>",
    ];
    let jid = world.jid("bob");
    for stanza in stanzas {
        let name = &stanza[1..stanza.find(' ').unwrap()];
        let redirected = format!(
            "<{name} type='error' id='r' from='+15550100002@example.org'><error type='modify'>\
             <redirect xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:{jid}</redirect></error>\
             </{name}>"
        );
        world.ask("alice/phone", stanza, &redirected);
    }
    hide(&mut world, "bob/phone");
    let nobody = "<message type='error' id='r'><error><service-unavailable \
                  xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    world.ask("alice/phone", stanzas[0], nobody);
    world.ask("alice/phone", &stanzas[0].replace("0002", "9999"), nobody);
    world.expect_nothing("bob/phone");
}

#[test]
fn a_search_finds_too() {
    let mut world = World::with(&["alice", "bob"]);
    world.ask(
        "alice/phone",
        "<iq type='get' id='s' to='example.org'><query xmlns='jabber:iq:search'/></iq>",
        "<iq type='result' id='s'><query xmlns='jabber:iq:search'><x xmlns='jabber:x:data' \
         type='form'><field var='number'/></x></query></iq>",
    );
    world.ask(
        "alice/phone",
        "<iq type='set' id='s' to='example.org'><query xmlns='jabber:iq:search'>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>jabber:iq:search</value></field>\
         <field var='number'><value>+15550100002</value></field></x></query></iq>",
        "<iq type='result' id='s'><query xmlns='jabber:iq:search'><x xmlns='jabber:x:data' \
         type='result'><reported/><item><field var='jid'><value>{bob}</value></field></item></x>\
         </query></iq>",
    );
}
