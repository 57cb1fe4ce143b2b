//! A simulation of the chat core: clients as they should be, on a network, a disk and a process
//! that fail. It runs many schedules, each from a seed, and names the seed of one that goes wrong.
//!
//! `WHIMBREL_SEED=n` repeats one schedule; `WHIMBREL_SCHEDULES=n` runs so many.

mod device;
mod group;
mod random;
mod schedule;
#[path = "../world/mod.rs"]
#[allow(unused_imports, reason = "only its disk is used here")]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use schedule::Schedule;

#[test]
fn nothing_is_lost_twice_or_out_of_order() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    quieten_drills();
    if let Some(seed) = number("WHIMBREL_SEED") {
        return Schedule::new(seed).run(STEPS);
    }
    let first = number("WHIMBREL_FIRST").unwrap_or(1);
    for seed in first..first + number("WHIMBREL_SCHEDULES").unwrap_or(SCHEDULES) {
        let run = AssertUnwindSafe(|| Schedule::new(seed).run(STEPS));
        if catch_unwind(run).is_err() {
            panic!("to repeat it: WHIMBREL_SEED={seed}");
        }
    }
}

/// Panics that the schedules ask for are not worth a line each.
fn quieten_drills() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.starts_with("drill")) {
            usual(info);
        }
    }));
}

/// Schedules of a run in which nothing else is asked for.
const SCHEDULES: u64 = 1000;
/// What happens in one schedule before quiet comes.
const STEPS: usize = 200;
