//! Calls: the chat core, which knows who is in one, joined to the endpoint that carries media.

use std::collections::VecDeque;
use std::future::ready;
use std::time::Duration;

use chat_core::chat::Command;
use chat_core::jid::RoomId;
use chat_core::rooms::call::{
    self as core, CallAnswer, CallEvent, CallRefusal, CallRequest, Descriptions,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::call::{
    Answers, CallError, EndReason, Event, Handle, Offers, QualityClass, QualityReason, RoomName,
    Shown, Source, View, Wish,
};

/// What comes more often is put together.
const TELL_EVERY: Duration = Duration::from_millis(core::TELL_EVERY_MS);
/// Events that are put together; with one more they are told at once.
const TOGETHER_MAX: usize = 1024;

/// The way to the endpoint; clones are the same.
#[derive(Clone)]
pub struct Calls {
    handle: Handle,
}

impl Calls {
    /// Joins the endpoint to the core.
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Has the endpoint do something. What is asked of one room arrives there in the order in which it is
    /// asked here; its answers are waited for beside.
    pub async fn carry_out(
        &self,
        request: CallRequest,
        answer: impl FnOnce(CallAnswer) + Send + 'static,
    ) {
        let handle = self.handle.clone();
        match request {
            CallRequest::Join { room, participant, offers, is_first } => {
                if is_first && let Err(error) = handle.clear(name_of(room)).await {
                    return answer(refused(&error));
                }
                let joined = async move {
                    let joined = handle.join(name_of(room), participant.0, offered(offers)).await;
                    joined.map_or_else(|error| refused(&error), joined_by)
                };
                beside(joined, answer).await;
            }
            CallRequest::View { room, participant, view } => {
                let viewed = async move {
                    done(handle.view(name_of(room), participant.0, seen_by(&view)).await)
                };
                beside(viewed, answer).await;
            }
            CallRequest::Leave { room, participant } => {
                answer(done(handle.leave(name_of(room), participant.0).await));
            }
        }
    }
}

/// Tells the core what happens at the endpoint, until either has ended.
pub async fn tell(mut events: mpsc::Receiver<Event>, command: impl Fn(Command)) {
    let mut told_at = Instant::now();
    while let Some(event) = events.recv().await {
        let mut together = Together::default();
        let mut is_urgent = together.add(event);
        let until = told_at + TELL_EVERY;
        while !is_urgent && together.events.len() < TOGETHER_MAX {
            match timeout_at(until, events.recv()).await {
                Ok(Some(event)) => is_urgent = together.add(event),
                Ok(None) | Err(_) => break,
            }
        }
        told_at = Instant::now();
        command(Command::Call { events: together.events.into() });
    }
}

/// Waits for an answer beside everything else. The endpoint has been asked when this returns: a future is
/// polled once before another order can overtake it.
async fn beside(
    asked: impl Future<Output = CallAnswer> + Send + 'static,
    answer: impl FnOnce(CallAnswer) + Send + 'static,
) {
    let mut asked = Box::pin(asked);
    tokio::select! {
        biased;
        answered = &mut asked => answer(answered),
        () = ready(()) => {
            tokio::spawn(async move { answer(asked.await) });
        }
    }
}

/// Events of which the latest of each kind counts.
#[derive(Default)]
struct Together {
    events: VecDeque<CallEvent>,
}

impl Together {
    /// Adds one. Says whether it cannot wait.
    fn add(&mut self, event: Event) -> bool {
        let is_urgent = matches!(event, Event::Ended { .. });
        if let Some(event) = event_of(event) {
            self.events.retain(|earlier| !replaces(&event, earlier));
            self.events.push_back(event);
        }
        is_urgent
    }
}

/// Whether an event says anew what an earlier one said.
fn replaces(event: &CallEvent, earlier: &CallEvent) -> bool {
    let source = |event: &CallEvent| match event {
        CallEvent::Demand { source, .. } => Some(*source),
        _ => None,
    };
    std::mem::discriminant(event) == std::mem::discriminant(earlier)
        && (event.room(), event.participant()) == (earlier.room(), earlier.participant())
        && source(event) == source(earlier)
}

fn event_of(event: Event) -> Option<CallEvent> {
    let name = core::ParticipantName;
    Some(match event {
        Event::Slots { room, participant, slots } => {
            let shown = |shown: Shown| (name(shown.participant), source_of(shown.source));
            let slots = slots.into_iter().map(|slot| slot.map(shown)).collect();
            CallEvent::Slots { room: room_of(room)?, participant: name(participant), slots }
        }
        Event::Speakers { room, speakers } => {
            let speakers = speakers.into_iter().map(name).collect();
            CallEvent::Speakers { room: room_of(room)?, speakers }
        }
        Event::Quality { room, participant, quality } => CallEvent::Quality {
            room: room_of(room)?,
            participant: name(participant),
            class: class_of(quality.class),
            reason: quality.reason.map(reason_of),
        },
        Event::Demand { room, participant, source, encodings } => CallEvent::Demand {
            room: room_of(room)?,
            participant: name(participant),
            source: source_of(source),
            encodings,
        },
        Event::Ended { room, participant, reason } => CallEvent::Ended {
            room: room_of(room)?,
            participant: name(participant),
            reason: end_of(reason),
        },
    })
}

fn name_of(room: RoomId) -> RoomName {
    room.owner().as_u64()
}

fn room_of(room: RoomName) -> Option<RoomId> {
    RoomId::from_u64(room)
}

/// XML has line feeds alone, SDP (RFC 8866 5) has carriage returns before them.
fn offered(offers: Descriptions) -> Offers {
    let lines = |text: Box<str>| text.replace("\r\n", "\n").replace('\n', "\r\n");
    Offers { publish: offers.publish.map(lines), subscribe: offers.subscribe.map(lines) }
}

fn joined_by(answers: Answers) -> CallAnswer {
    let lines = |text: String| text.replace("\r\n", "\n").into();
    let (publish, subscribe) = (answers.publish.map(lines), answers.subscribe.map(lines));
    CallAnswer::Joined(Descriptions { publish, subscribe })
}

fn seen_by(view: &core::View) -> View {
    let wish = |wish: &core::Wish| Wish {
        participant: wish.participant.0,
        source: match wish.source {
            core::Source::Microphone => Source::Microphone,
            core::Source::Camera => Source::Camera,
            core::Source::Screen => Source::Screen,
        },
        encoding_max: wish.encoding_max.unwrap_or(u8::MAX),
    };
    View {
        pinned: view.pinned.iter().map(wish).collect(),
        shows_others: view.shows_others,
        others_encoding_max: view.others_encoding_max.unwrap_or(u8::MAX),
    }
}

fn done(result: Result<(), CallError>) -> CallAnswer {
    result.map_or_else(|error| refused(&error), |()| CallAnswer::Done)
}

fn refused(error: &CallError) -> CallAnswer {
    let reason = || error.to_string().into();
    CallAnswer::Refused(match error {
        CallError::NoOffer | CallError::Offer { .. } => CallRefusal::Offer { reason: reason() },
        CallError::Refused(_) => CallRefusal::Full { reason: reason() },
        CallError::NotHere => CallRefusal::NotHere,
        CallError::Busy => CallRefusal::Busy,
    })
}

fn source_of(source: Source) -> core::Source {
    match source {
        Source::Microphone => core::Source::Microphone,
        Source::Camera => core::Source::Camera,
        Source::Screen => core::Source::Screen,
    }
}

fn class_of(class: QualityClass) -> core::QualityClass {
    match class {
        QualityClass::Good => core::QualityClass::Good,
        QualityClass::Fair => core::QualityClass::Fair,
        QualityClass::Poor => core::QualityClass::Poor,
    }
}

fn reason_of(reason: QualityReason) -> core::QualityReason {
    match reason {
        QualityReason::LossUp => core::QualityReason::LossUp,
        QualityReason::LossDown => core::QualityReason::LossDown,
        QualityReason::RoundTrip => core::QualityReason::RoundTrip,
        QualityReason::Bandwidth => core::QualityReason::Bandwidth,
    }
}

fn end_of(reason: EndReason) -> core::EndReason {
    match reason {
        EndReason::ConsentLost => core::EndReason::ConsentLost,
        EndReason::NotConnected => core::EndReason::NotConnected,
        EndReason::Closed => core::EndReason::Closed,
        EndReason::Restarted => core::EndReason::Restarted,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::call::ParticipantName;

    fn speakers(speakers: Vec<ParticipantName>) -> Event {
        Event::Speakers { room: 1, speakers }
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_of_each_kind_is_told_five_times_a_second() {
        let (sender, events) = mpsc::channel(16);
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let telling = tokio::spawn(tell(events, move |command| {
            let Command::Call { events } = command else { panic!("{command:?}") };
            heard.lock().unwrap().push(events);
        }));
        tokio::time::sleep(TELL_EVERY).await;
        sender.send(speakers(vec![1])).await.unwrap();
        tokio::time::sleep(TELL_EVERY / 4).await;
        for speaker in [2, 3] {
            sender.send(speakers(vec![speaker])).await.unwrap();
        }
        let slots = Event::Slots { room: 1, participant: 7, slots: vec![None] };
        sender.send(slots).await.unwrap();
        tokio::time::sleep(TELL_EVERY).await;
        let ended = |participant| Event::Ended { room: 1, participant, reason: EndReason::Closed };
        sender.send(speakers(vec![4])).await.unwrap();
        sender.send(ended(7)).await.unwrap();
        tokio::task::yield_now().await;
        drop(sender);
        telling.await.unwrap();
        let counts: Vec<usize> = told.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(counts, [1, 2, 2], "at once, together, and what cannot wait");
        let told = told.lock().unwrap();
        let room = room_of(1).unwrap();
        let speakers = vec![core::ParticipantName(3)];
        assert_eq!(told[1][0], CallEvent::Speakers { room, speakers });
    }

    #[test]
    fn descriptions_have_the_lines_of_where_they_are() {
        let lines = |text: &str| Descriptions { publish: Some(text.into()), subscribe: None };
        assert_eq!(offered(lines("v=0\ns=-\n")).publish.unwrap(), "v=0\r\ns=-\r\n");
        assert_eq!(offered(lines("v=0\r\n")).publish.unwrap(), "v=0\r\n");
        let answers = Answers { publish: Some("v=0\r\ns=-\r\n".into()), subscribe: None };
        assert_eq!(joined_by(answers), CallAnswer::Joined(lines("v=0\ns=-\n")));
    }
}
