//! A device's stream: it names its device (XEP-0388), acknowledges (XEP-0198) and takes groups'
//! messages.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use rustls::ClientConfig;

use crate::device::Login;
use crate::wire::Wire;
use crate::xml::Element;

/// Whatever a test waits for comes sooner, or not at all.
const WAIT: Duration = Duration::from_secs(20);
const SM: &str = "urn:xmpp:sm:3";

pub struct Link {
    wire: Wire,
    /// Stanzas that have come, as XEP-0198 counts them.
    handled: u32,
    /// What came while something else was waited for.
    kept: VecDeque<Element>,
    serial: u64,
}

impl Link {
    pub fn open(
        door: SocketAddr,
        tls: &Arc<ClientConfig>,
        login: &Login,
        device: &str,
    ) -> io::Result<Self> {
        let mut wire = Wire::connect(door, tls)?;
        wire.open()?;
        let user = login.jid.split('@').next().unwrap();
        let plain = BASE64.encode(format!("\0{user}\0{}", login.password).as_bytes());
        wire.send(&format!(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
             <initial-response>{plain}</initial-response><user-agent id='{device}'/>\
             <bind xmlns='urn:xmpp:bind:0'><enable xmlns='{SM}'/>\
             <enable xmlns='urn:whimbrel:groups:0'/></bind></authenticate>"
        ))?;
        let answer = wire.answer(|it| ["success", "failure"].contains(&&*it.name))?;
        if answer.name == "failure" {
            return Err(io::Error::other(format!("{answer:?}")));
        }
        wire.answer(|it| it.name == "features")?;
        wire.send("<presence/>")?;
        Ok(Self { wire, handled: 0, kept: VecDeque::new(), serial: 0 })
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.wire.send(text)
    }

    /// Sends a request, and gives its id.
    pub fn request(&mut self, kind: &str, to: &str, payload: &str) -> io::Result<String> {
        self.serial += 1;
        let id = format!("ask{}", self.serial);
        let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
        self.send(&format!("<iq type='{kind}' id='{id}'{to}>{payload}</iq>"))?;
        Ok(id)
    }

    /// Waits for the answer to a request; what else comes is kept.
    pub fn answer(&mut self, id: &str) -> io::Result<Element> {
        let is_it = |it: &Element| it.name == "iq" && it.attribute("id") == Some(id);
        if let Some(place) = self.kept.iter().position(is_it) {
            return Ok(self.kept.remove(place).unwrap());
        }
        loop {
            match self.read()? {
                answer if is_it(&answer) => return Ok(answer),
                other => self.kept.push_back(other),
            }
        }
    }

    pub fn ask(&mut self, kind: &str, to: &str, payload: &str) -> io::Result<Element> {
        let id = self.request(kind, to, payload)?;
        self.answer(&id)
    }

    /// The next stanza.
    pub fn next(&mut self) -> io::Result<Element> {
        match self.kept.pop_front() {
            Some(kept) => Ok(kept),
            None => self.read(),
        }
    }

    fn read(&mut self) -> io::Result<Element> {
        loop {
            let element = self.wire.next(WAIT)?.ok_or(io::ErrorKind::TimedOut)?;
            match &*element.name {
                "a" => {}
                "r" => self.wire.send(&format!("<a xmlns='{SM}' h='{}'/>", self.handled))?,
                _ => {
                    self.handled += 1;
                    return Ok(element);
                }
            }
        }
    }
}
