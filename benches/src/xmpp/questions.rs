//! IQs of many sessions, and their answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::load::Interrupt;

use super::client::Event;
use super::find;
use super::pool::Pool;

/// An IQ that a session asks.
#[derive(Clone, Debug)]
pub struct Question {
    pub slot: usize,
    /// `get` or `set`.
    pub kind: &'static str,
    /// The own account if none.
    pub to: Option<String>,
    /// What it asks, as XML.
    pub payload: String,
}

/// Asks all questions, and waits for the answers: whole, in the order of the questions. What else
/// comes meanwhile goes to `on_event`.
///
/// # Errors
/// One is refused, its session is lost, or nothing is answered for too long; `what` is in the
/// error.
pub fn ask(
    pool: &mut Pool,
    questions: &[Question],
    what: &'static str,
    interrupt: &Interrupt,
    on_event: &mut dyn FnMut(usize, Event<'_>),
) -> Result<Vec<Vec<u8>>, BenchError> {
    let run = fastrand::u32(..);
    let mut places = HashMap::with_capacity(questions.len());
    let mut answers = vec![None; questions.len()];
    let (mut asked, mut answered) = (0, 0);
    let mut deadline = Instant::now() + ANSWER_MAX;
    let mut failure = None;
    while answered < questions.len() {
        interrupt.check()?;
        while asked < questions.len() && asked < answered + ASKED_AT_ONCE {
            let question = &questions[asked];
            let id = format!("{run:08x}-{asked}");
            write(pool, question, &id);
            places.insert((question.slot, id.into_bytes()), asked);
            asked += 1;
        }
        let before = answered;
        pool.turn(WAIT_MAX, &mut |slot, event| match event {
            Event::Other(stanza) if find::name(stanza) == b"iq" => {
                let id = find::attribute(stanza, "id").unwrap_or_default().to_vec();
                let Some(place) = places.remove(&(slot, id)) else { return };
                match find::attribute(stanza, "type") {
                    Some(b"result") => answers[place] = Some(stanza.to_vec()),
                    _ => failure = Some(shown(stanza)),
                }
                answered += 1;
            }
            Event::Lost(error) => failure = Some(error.to_string()),
            other => on_event(slot, other),
        })?;
        if answered > before {
            deadline = Instant::now() + ANSWER_MAX;
        }
        let late = Instant::now() >= deadline;
        if let Some(answer) = failure.take().or(late.then(|| "no answer in time".to_owned())) {
            return Err(BenchError::Refused { what, answer });
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

fn write(pool: &mut Pool, question: &Question, id: &str) {
    let Question { slot, kind, to, payload } = question;
    let to = to.as_ref().map_or(String::new(), |to| format!(" to='{to}'"));
    let stanza = format!("<iq type='{kind}' id='{id}'{to}>{payload}</iq>");
    if let Some(client) = pool.client(*slot) {
        client.write_stanza(stanza.as_bytes());
    }
    pool.flush(*slot);
}

/// As much of an answer as tells why.
pub fn shown(stanza: &[u8]) -> String {
    String::from_utf8_lossy(&stanza[..stanza.len().min(SHOWN_BYTES)]).into_owned()
}

const ASKED_AT_ONCE: usize = 32;
/// A server that answers nothing for so long has hung.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
const SHOWN_BYTES: usize = 400;
