//! What the core knows of accounts that clients name.

use chat_core::access::Access;
use chat_core::chat::{Command, Input, LookUp};
use chat_core::config::Config;
use chat_core::id::StreamId;
use chat_core::jid::AccountId;
use chat_core::sasl::{ServerSecret, TokenMechanism};
use chat_core::transaction::Write;

use crate::world::{World, config};

const DEVICE: &str = "d4565f90-bd7d-4b1c-9d0e-7b8a6f5c4d3e";

#[test]
fn an_account_in_memory_keeps_up_with_what_is_changed_beside_it() {
    let secret = ServerSecret::new(&[9; 32]);
    let mut world =
        World::configured(Config { server_secret: Some(ServerSecret::new(&[9; 32])), ..config() });
    let alice = world.account("alice");
    world.set_password("alice", "correct horse");
    assert_eq!(tokens(&mut world, alice), None, "nobody asked for the account yet");
    world.come("alice/phone");
    assert_eq!(tokens(&mut world, alice), Some(vec![]));

    let mut access = Access::load(alice, &[]);
    let mut writes = Vec::new();
    let id = DEVICE.parse().unwrap();
    let now_unix_s = world.now.unix_ms / 1000;
    let token = access
        .add_device(id, "a phone", TokenMechanism::Unbound, &secret, now_unix_s, &mut writes)
        .unwrap();
    change(&mut world, alice, writes);
    assert_eq!(tokens(&mut world, alice), Some(vec![token.token]));

    let mut writes = Vec::new();
    assert!(access.revoke_device(DEVICE, &mut writes));
    change(&mut world, alice, writes);
    assert_eq!(tokens(&mut world, alice), Some(vec![]));
}

/// The device's tokens, where the core has the account in memory.
fn tokens(world: &mut World, account: AccountId) -> Option<Vec<String>> {
    let look_up = LookUp { stream: StreamId(99), account, device: Some(DEVICE.to_owned()) };
    world.input(Input::LookUp(Box::new(look_up)));
    let credentials = world.looked_up.pop().unwrap()?;
    Some(credentials.tokens.into_iter().map(|token| token.secret).collect())
}

fn change(world: &mut World, account: AccountId, writes: Vec<Write>) {
    let command = Command::Write { account, writes, log_out: false };
    world.input(Input::Command { id: 1, command });
}
