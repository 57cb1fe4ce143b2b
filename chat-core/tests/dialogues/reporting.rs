//! XEP-0377: a report inside a blocking request is kept and counted, and changes nothing else.

use chat_core::chat::Outward;
use chat_core::features::reporting::{NAME, REPORTS_MAX, Reason, Report, Reported};
use chat_core::transaction::{Answer, Query};

use crate::world::World;

/// Alice blocks Mallory, and says this inside the item.
fn block(world: &mut World, inside: &str) {
    world.send(
        "alice/phone",
        &format!(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{{mallory}}'>{inside}\
             </item></block></iq>"
        ),
    );
    let push =
        world.expect("alice/phone", "<iq type='set'><block xmlns='urn:xmpp:blocking'/></iq>");
    let item = push.children().next().unwrap().children().next().unwrap();
    assert_eq!(item.children().count(), 0, "other clients hear of the block alone");
    world.expect("alice/phone", "<iq type='result' id='b'/>");
}

/// The reports on disk.
fn kept(world: &World) -> Vec<Report> {
    let answer = world.disk.answer(&Query::Account(world.id("alice"))).unwrap();
    let Answer::Account(Some(stored)) = answer else { panic!() };
    let records = stored.records.iter().filter(|record| *record.feature == *NAME);
    records.map(|record| Report::of_record(record).unwrap()).collect()
}

fn counted(world: &mut World) -> Vec<Reason> {
    let reported = world.outward.drain(..).map(|outward| match outward {
        Outward::Reported(reported) => *reported,
        other => panic!("{other:?}"),
    });
    reported.map(|Reported { reason, .. }| reason).collect()
}

#[test]
fn what_is_reported_is_kept_and_counted() {
    let mut world = World::with(&["alice", "mallory"]);
    block(
        &mut world,
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='1a0c'/>\
         <text xml:lang='en'> Never came trouble &lt;here&gt;. </text><third-party/></report>",
    );
    assert_eq!(
        kept(&world),
        [Report {
            at_unix_ms: world.now.unix_ms,
            jid: world.jid("mallory"),
            reason: "urn:xmpp:reporting:spam".to_owned(),
            text: "Never came trouble <here>.".to_owned(),
            messages: vec!["1a0c".to_owned()],
        }]
    );
    assert_eq!(counted(&mut world), [Reason::Spam]);
    world.send("mallory/phone", "<message to='{alice}' type='chat'><body>x</body></message>");
    world.expect_nothing("alice/phone");
}

#[test]
fn what_is_no_report_still_blocks() {
    let mut world = World::with(&["alice", "mallory"]);
    block(&mut world, "<report xmlns='urn:xmpp:reporting:1'/>");
    block(&mut world, "<report xmlns='urn:other' reason='urn:xmpp:reporting:abuse'/>");
    assert_eq!((kept(&world), counted(&mut world)), (Vec::new(), Vec::new()));
    block(&mut world, "<report xmlns='urn:xmpp:reporting:1' reason='urn:mine'/>");
    assert_eq!(counted(&mut world), [Reason::Other]);
}

#[test]
fn the_newest_reports_are_kept_also_after_a_crash() {
    let mut world = World::with(&["alice", "mallory"]);
    let report =
        |number: usize| format!("<report xmlns='urn:xmpp:reporting:1' reason='{number}'/>");
    for number in 0..REPORTS_MAX {
        block(&mut world, &report(number));
        world.pass(1);
    }
    world.crash();
    world.come("alice/phone");
    block(&mut world, &report(REPORTS_MAX));
    let reasons: Vec<String> = kept(&world).into_iter().map(|report| report.reason).collect();
    let expected: Vec<String> = (1..=REPORTS_MAX).map(|number| number.to_string()).collect();
    assert_eq!(reasons, expected);
}
