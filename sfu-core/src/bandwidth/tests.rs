//! A link of a set rate, with a queue, against the estimate.

use super::*;
use crate::rtcp::{self, Part, write_transport_feedback};

/// Sends as much as the estimate says (at most `offered_bps`) through a link of `link_bps` for
/// `seconds`, and gives what the estimate was, second by second.
fn run(link_bps: u64, lost_every: u64, offered_bps: u64, seconds: u64) -> Vec<u64> {
    let mut now = Time::from_millis(1000);
    let mut bandwidth = Bandwidth::new(BitrateBounds::default(), now);
    let (mut link_free, mut credit, mut packets) = (now, 0, 0u64);
    let (mut told, mut under_way) = (Vec::new(), Vec::<(u16, Option<u64>)>::new());
    for millisecond in 0..seconds * 1000 {
        now = now.plus_ms(1);
        let (probe, rate) = bandwidth.probe().unwrap_or((PROBE_NONE, 0));
        credit += bandwidth.estimate_bps().min(offered_bps).max(rate) / 1000;
        while credit >= 8 * 1000 {
            credit -= 8 * 1000;
            packets += 1;
            let sequence = bandwidth.send(now, 1000, probe);
            let is_full = link_free.since_ms(now) > 400;
            let is_lost = lost_every > 0 && packets.is_multiple_of(lost_every) || is_full;
            if !is_full {
                link_free = link_free.max(now).plus_us(8_000_000_000 / link_bps);
            }
            let arrives = link_free.plus_ms(20).as_micros();
            under_way.push((sequence, (!is_lost).then_some(arrives)));
        }
        if millisecond % 50 == 49 {
            let came = |at: &(u16, Option<u64>)| at.1.is_none_or(|at| at <= now.as_micros());
            let count = under_way.iter().take_while(|it| came(it)).count();
            let arrived: Vec<_> = under_way.drain(..count).collect();
            if let Some((base, _)) = arrived.first() {
                let arrivals: Vec<_> = arrived.iter().map(|(_, at)| *at).collect();
                let mut bytes = Vec::new();
                let _ = write_transport_feedback(&mut bytes, (1, 2), 0, *base, &arrivals);
                if let Some(Ok(Part::Transport(feedback))) = rtcp::parts(&bytes).next() {
                    bandwidth.take_feedback(now, &feedback);
                }
            }
            bandwidth.tick(now, offered_bps);
        }
        if millisecond % 1000 == 999 {
            told.push(bandwidth.estimate_bps());
        }
    }
    told
}

fn check_settles(link_bps: u64, lost_every: u64, within_s: usize) {
    let told = run(link_bps, lost_every, 10_000_000, 60);
    let late = &told[within_s..];
    let average = late.iter().sum::<u64>() / late.len() as u64;
    assert!(average > link_bps * 65 / 100, "too low: {told:?}");
    assert!(late.iter().all(|bps| *bps < link_bps * 13 / 10), "too high: {told:?}");
}

#[test]
fn the_estimate_settles_at_what_the_link_carries() {
    check_settles(300_000, 0, 5);
    check_settles(1_000_000, 0, 5);
    check_settles(4_000_000, 0, 8);
}

#[test]
fn loss_that_comes_whatever_is_sent_is_not_punished() {
    check_settles(1_000_000, 20, 8);
}

#[test]
fn heavy_loss_lowers_the_estimate() {
    let told = run(10_000_000, 4, 10_000_000, 30);
    assert!(told[29] < 300_000, "{told:?}");
}

#[test]
fn what_is_not_offered_is_found_by_probing_and_no_more() {
    let told = run(5_000_000, 0, 2_000_000, 10);
    assert!(told[2] > 1_900_000, "{told:?}");
}
