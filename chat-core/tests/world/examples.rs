//! The examples of a protocol's document, replayed.

use super::World;

/// Sends each stanza of the document's fenced XML that a client sends, and expects the others.
/// `names` says what stands for the names that the document uses; `*` is any value.
pub fn replay(world: &mut World, client: &str, document: &str, names: &[(&str, &str)]) {
    let blocks = document.split("```xml\n").skip(1);
    for block in blocks.filter_map(|rest| rest.split("```").next()) {
        for stanza in block.split("\n\n") {
            let filled = names.iter().fold(stanza.trim().to_owned(), |filled, (name, value)| {
                filled.replace(name, value)
            });
            let is_sent = ["type='set'", "type='get'", "type='groupchat' to="]
                .iter()
                .any(|kind| filled.contains(kind));
            match is_sent {
                true => world.send(client, &filled),
                false => drop(world.expect(client, &filled)),
            }
        }
    }
    world.expect_nothing(client);
}
