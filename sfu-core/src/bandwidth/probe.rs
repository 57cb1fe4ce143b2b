//! Probing: a short burst above the estimate shows whether the link carries more, where the streams
//! alone would never fill it. After libwebrtc's ProbeController and ProbeBitrateEstimator.

use super::sent::SentPacket;
use crate::time::Time;

/// Which burst a packet belongs to.
pub(crate) type ProbeId = u8;

/// Of packets that belong to none.
pub(crate) const PROBE_NONE: ProbeId = 0;

/// A burst lasts so long, and has at least so many packets and bytes.
const BURST_MS: u64 = 40;
const PACKETS_MIN: u32 = 6;
const BYTES_MIN: u64 = 1200;
/// It is given up where its packets do not leave.
const BURST_MAX_MS: u64 = 500;
/// Its outcome is awaited for so long.
const OUTCOME_MS: u64 = 1000;
/// So much of it must arrive.
const ARRIVED_MIN: f64 = 0.7;
/// Of the estimate.
const STEP: f64 = 2.0;
/// The first bursts, before much is known.
const FIRST_STEP: f64 = 3.0;
/// What a burst shows counts by so much.
const COUNTS: f64 = 0.95;
const WAIT_MIN_MS: u64 = 500;
const WAIT_MAX_MS: u64 = 5_000;
/// The queue that a burst has made is gone after so long.
const SETTLE_MS: u64 = 400;
const PUT_OFF_MS: u64 = 1500;

#[derive(Debug)]
pub(super) struct Prober {
    id: ProbeId,
    state: State,
    next: Time,
    settled: Time,
    wait_ms: u64,
    bursts: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Sending(Burst),
    Awaiting(Burst),
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    bps: u64,
    begun: Time,
    ended: Time,
    sent_packets: u32,
    sent_bytes: u64,
    arrived_packets: u32,
    arrived_bytes: u64,
    /// Bytes of the packet that arrived first: the time before it is not known.
    first_bytes: u64,
    first_us: i64,
    last_us: i64,
    first_sent: Time,
    last_sent: Time,
    last_bytes: u64,
}

impl Prober {
    pub(super) fn new(now: Time) -> Self {
        Self {
            id: PROBE_NONE,
            state: State::Idle,
            next: now,
            settled: now,
            wait_ms: WAIT_MIN_MS,
            bursts: 0,
        }
    }

    pub(super) fn under_way(&self) -> Option<(ProbeId, u64)> {
        match self.state {
            State::Sending(burst) => Some((self.id, burst.bps)),
            State::Idle | State::Awaiting(_) => None,
        }
    }

    /// A burst is sent, or its outcome awaited, or the queue that it made is drained.
    pub(super) fn is_busy(&self, now: Time) -> bool {
        !matches!(self.state, State::Idle) || now < self.settled
    }

    pub(super) fn tick(&mut self, now: Time, estimate_bps: u64, wanted_bps: u64) {
        match self.state {
            State::Idle if now >= self.next && wanted_bps > estimate_bps => {
                let step = if self.bursts < 2 { FIRST_STEP } else { STEP };
                let bps = (estimate_bps as f64 * step).min(wanted_bps as f64 * 1.1) as u64;
                self.begin(now, bps);
            }
            State::Sending(burst) if now.since_ms(burst.begun) > BURST_MAX_MS => {
                self.fall_back(now)
            }
            State::Awaiting(burst) if now.since_ms(burst.ended) > OUTCOME_MS => self.fall_back(now),
            _ => {}
        }
    }

    pub(super) fn sent(&mut self, now: Time, bytes: usize) {
        let State::Sending(burst) = &mut self.state else { return };
        if burst.sent_packets == 0 {
            burst.begun = now;
        }
        burst.sent_packets += 1;
        burst.sent_bytes += bytes as u64;
        let needed = (burst.bps * BURST_MS / 8000).max(BYTES_MIN);
        if burst.sent_packets >= PACKETS_MIN && burst.sent_bytes >= needed {
            burst.ended = now;
            self.settled = now.plus_ms(SETTLE_MS);
            self.state = State::Awaiting(*burst);
        }
    }

    pub(super) fn acknowledge(&mut self, packet: &SentPacket, at_us: i64) {
        let (State::Sending(burst) | State::Awaiting(burst)) = &mut self.state else { return };
        if packet.probe == PROBE_NONE || packet.probe != self.id {
            return;
        }
        let bytes = u64::from(packet.bytes);
        if burst.arrived_packets == 0 {
            (burst.first_us, burst.last_us, burst.first_bytes) = (at_us, at_us, bytes);
            burst.first_sent = packet.at;
        }
        burst.arrived_packets += 1;
        burst.arrived_bytes += bytes;
        burst.last_us = burst.last_us.max(at_us);
        (burst.last_sent, burst.last_bytes) = (packet.at, bytes);
    }

    /// Bits per second that the link has carried, once that is known.
    pub(super) fn result(&mut self, now: Time) -> Option<f64> {
        let State::Awaiting(burst) = self.state else { return None };
        let arrived = f64::from(burst.arrived_packets) / f64::from(burst.sent_packets.max(1));
        if arrived < ARRIVED_MIN {
            return None;
        }
        let bps = burst.carried_bps()?;
        if bps * 1.2 < burst.bps as f64 {
            self.fall_back(now);
        } else {
            self.state = State::Idle;
            self.wait_ms = WAIT_MIN_MS;
            self.next = now.plus_ms(if self.bursts < 3 { 0 } else { self.wait_ms });
        }
        Some(bps * COUNTS)
    }

    /// The link is full for now.
    pub(super) fn put_off(&mut self, now: Time) {
        self.state = State::Idle;
        self.next = self.next.max(now.plus_ms(PUT_OFF_MS));
        self.bursts = self.bursts.max(3);
    }

    /// The link carries no more than was known: the next burst has to wait, longer each time.
    fn fall_back(&mut self, now: Time) {
        self.state = State::Idle;
        self.wait_ms = (self.wait_ms * 2).clamp(2 * WAIT_MIN_MS, WAIT_MAX_MS);
        self.next = now.plus_ms(self.wait_ms);
        self.bursts = self.bursts.max(3);
    }

    fn begin(&mut self, now: Time, bps: u64) {
        self.id = if self.id == ProbeId::MAX { 1 } else { self.id + 1 };
        self.bursts = self.bursts.saturating_add(1);
        self.state = State::Sending(Burst {
            bps,
            begun: now,
            ended: now,
            sent_packets: 0,
            sent_bytes: 0,
            arrived_packets: 0,
            arrived_bytes: 0,
            first_bytes: 0,
            first_us: 0,
            last_us: 0,
            first_sent: now,
            last_sent: now,
            last_bytes: 0,
        });
    }
}

impl Burst {
    /// The lesser of the rates at which it left and at which it came.
    fn carried_bps(&self) -> Option<f64> {
        let came_us = self.last_us - self.first_us;
        let left_us = self.last_sent.since_us(self.first_sent);
        if came_us <= 0 || left_us == 0 {
            return None;
        }
        let came = (self.arrived_bytes - self.first_bytes) as f64 * 8e6 / came_us as f64;
        let left = (self.arrived_bytes - self.last_bytes) as f64 * 8e6 / left_us as f64;
        Some(came.min(left))
    }
}
