//! XEP-0077 after the login: a client changes the password that it came by, or ends the account.

use chat_core::chat::{Command, Input, Outward};
use chat_core::id::StreamId;
use chat_core::sasl::PasswordKeys;
use chat_core::transaction::{Answer, Query, StorageError, Write};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::world::World;

const CHANGE: &str = "<iq type='set' id='c' to='example.org'><query xmlns='jabber:iq:register'>\
                      <username>USER</username><password>a new one, long</password></query></iq>";
const REMOVE: &str =
    "<iq type='set' id='r'><query xmlns='jabber:iq:register'><remove/></query></iq>";

/// Alice, with a phone and a laptop.
fn world() -> (World, StreamId, StreamId) {
    let mut world = World::new();
    world.account("alice");
    world.set_password("alice", "correct horse");
    let (phone, laptop) = (world.come("alice/phone"), world.come("alice/laptop"));
    world.clear("alice/phone");
    (world, phone, laptop)
}

fn change(world: &World) -> String {
    CHANGE.replace("USER", &world.id("alice").to_string())
}

/// The keys that the core waits for are derived.
fn derive(world: &mut World) {
    let Some(Outward::DeriveKeys { query, password, salt }) = world.outward.pop() else {
        panic!("keys are wanted");
    };
    let keys = PasswordKeys::derive(&password.0, salt).unwrap();
    world.input(Input::Answered { query, answer: Ok(Answer::Keys(keys)) });
}

#[test]
fn a_new_password_takes_the_place_of_the_one_that_the_client_came_by() {
    let (mut world, phone, laptop) = world();
    let before = world.passwords(world.id("alice"));
    world.ask(
        "alice/phone",
        "<iq type='get' id='g' to='example.org'><query xmlns='jabber:iq:register'/></iq>",
        "<iq type='result' id='g'><query xmlns='jabber:iq:register'><registered/></query></iq>",
    );
    for (wrong, condition) in [
        (CHANGE.to_owned(), "not-allowed"),
        (change(&world).replace("a new one, long", ""), "bad-request"),
    ] {
        let refused = format!(
            "<iq type='error' id='c'><error><{condition} \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        );
        world.ask("alice/phone", &wrong, &refused);
    }
    world.send("alice/phone", &change(&world));
    // One at a time: keys cost much.
    let wait = "<iq type='error' id='c'><error type='wait'><resource-constraint \
                xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    world.ask("alice/laptop", &change(&world), wait);
    derive(&mut world);
    world.expect("alice/phone", "<iq type='result' id='c'/>");
    let after = world.passwords(world.id("alice"));
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
    // The other one is to show it.
    assert!(world.closed.contains_key(&laptop));
    assert!(!world.closed.contains_key(&phone));
    world.crash();
    assert_eq!(world.passwords(world.id("alice")), after);
}

#[test]
fn the_account_ends_once_it_is_deleted_and_not_before() {
    let (mut world, phone, laptop) = world();
    world.send("alice/phone", REMOVE);
    let Some(Outward::Unregister { query, account, .. }) = world.outward.pop() else {
        panic!("it is asked for");
    };
    world.expect_nothing("alice/phone");
    let failed = Err(StorageError::Failed { reason: "no disk".to_owned() });
    world.input(Input::Answered { query, answer: failed });
    world.expect("alice/phone", "<iq type='error' id='r'/>");
    world.send("alice/phone", REMOVE);
    let writes = vec![Write::DeleteAccount { account }];
    world.input(Input::Command {
        id: 0,
        command: Command::Write { account, writes, log_out: true },
    });
    world.expect("alice/phone", "<iq type='result' id='r'/>");
    world.expect_nothing("alice/laptop");
    assert!(world.closed.contains_key(&phone) && world.closed.contains_key(&laptop));
    assert_eq!(world.disk.answer(&Query::Account(account)), Ok(Answer::Account(None)));
}

#[test]
fn an_app_password_changes_itself_and_ends_nothing() {
    let (mut world, phone, _) = world();
    let account = world.id("alice");
    let Ok(Answer::Account(Some(stored))) = world.disk.answer(&Query::Account(account)) else {
        panic!("alice is stored");
    };
    let mut access = chat_core::access::Access::load(account, &stored.records);
    let (mut random, mut writes) = (ChaCha20Rng::seed_from_u64(9), Vec::new());
    access.add_app_password("Dino", 0, &mut random, &mut writes).unwrap();
    let command = Command::Write { account, writes, log_out: false };
    world.input(Input::Command { id: 0, command });
    let [main, app] = world.passwords(account)[..] else { panic!("there are two") };
    world.log_in_as("alice/dino", |login| login.credential = app);
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                <resource>dino</resource></bind></iq>";
    world.ask("alice/dino", bind, "<iq type='result' id='b'/>");
    let refused = "<iq type='error' id='r'><error><not-allowed \
                   xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    world.ask("alice/dino", REMOVE, refused);
    world.send("alice/dino", &change(&world));
    derive(&mut world);
    world.expect("alice/dino", "<iq type='result' id='c'/>");
    let [same, other] = world.passwords(account)[..] else { panic!("there are two") };
    assert_eq!(same, main);
    assert_ne!(other, app);
    assert!(!world.closed.contains_key(&phone));
}
