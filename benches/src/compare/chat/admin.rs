//! Accounts by Whimbrel's admin socket: `whimbrel account add` a thousand times would read the
//! numbering plans of the world a thousand times.
//!
//! A frame is a length (4 bytes, big endian) and that much JSON; a connection carries one command.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::error::BenchError;

/// Adds an account to the server whose socket this is, and says its JID. Number and password need
/// no escape in JSON.
///
/// # Errors
/// The server refuses, or does not answer.
pub fn add_account(socket: &Path, number: &str, password: &str) -> Result<String, BenchError> {
    let failed = || BenchError::io("adding an account");
    let mut stream = UnixStream::connect(socket).map_err(failed())?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed())?;
    let request = format!(
        "{{\"command\":\"account\",\"command_on\":{{\"account\":\"add\",\"number\":\"{number}\",\
         \"password\":\"{password}\"}}}}"
    );
    let mut frame = (request.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(request.as_bytes());
    stream.write_all(&frame).map_err(failed())?;
    let mut said = String::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(failed())?;
        let length = u64::from(u32::from_be_bytes(length)).min(ANSWER_BYTES_MAX);
        let mut event = String::new();
        (&mut stream).take(length).read_to_string(&mut event).map_err(failed())?;
        said += &event;
        if event.contains("\"event\":\"done\"") || event.contains("\"event\":\"failed\"") {
            break;
        }
    }
    jid_in(&said).ok_or(BenchError::Registration { detail: said })
}

/// The JID in what the server says.
fn jid_in(said: &str) -> Option<String> {
    if said.contains("\"event\":\"failed\"") {
        return None;
    }
    let mut words = said.split(|letter: char| letter == '"' || letter.is_ascii_whitespace());
    words.find(|word| word.contains('@')).map(str::to_owned)
}

const ANSWER_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expected: Option<&str>) {
        assert_eq!(jid_in(said).as_deref(), expected, "{said}");
    }

    #[test]
    fn the_jid_is_found() {
        let done = r#"{"event":"done"}"#;
        check(&format!(r#"{{"event":"line","text":"a1@localhost"}}{done}"#), Some("a1@localhost"));
        check(done, None);
        check(r#"{"event":"failed","reason":"a1@localhost has it"}"#, None);
    }
}
