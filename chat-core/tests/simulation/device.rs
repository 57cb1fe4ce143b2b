//! A client as it should be: it keeps what it has sent until that is acknowledged, resumes, sends
//! again under the same origin-id, and knows a stored message by its stanza-id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chat_core::id::{MessageId, StreamId};
use chat_core::jid::Jid;
use chat_core::stream::{Ready, Resume};
use chat_core::xml::Element;

/// What the network carries to a client.
pub enum Arriving {
    Ready(Box<Ready>),
    Element(Element),
}

/// A stanza of the client.
#[derive(Clone)]
pub struct Sent {
    pub xml: String,
    /// The name of a message that must reach the archives.
    pub name: Option<String>,
}

/// XEP-0198 as the client sees it.
pub struct Management {
    pub id: String,
    pub received: u32,
    acknowledged: u32,
    unacknowledged: VecDeque<Sent>,
}

pub struct Device {
    pub account: usize,
    pub agent: String,
    pub own: Jid,
    pub jid: Option<Jid>,
    pub stream: Option<StreamId>,
    /// The login's answer has come.
    pub is_online: bool,
    pub reads_archive: bool,
    /// It gets the messages of its groups.
    pub takes_groups: bool,
    /// Its last presence was an ordinary one.
    pub is_shown: bool,
    /// It reads the archive, and is not available before it has come to its end.
    pub is_reading: bool,
    read_to: Option<MessageId>,
    pub uplink: VecDeque<String>,
    pub downlink: VecDeque<Arriving>,
    pub management: Option<Management>,
    /// Sent in earlier sessions, and not known to be stored.
    pub unsure: Vec<Sent>,
    /// Known to be stored, to be checked.
    pub acknowledged: Vec<String>,
    /// Stored messages in the order in which they came first, with their names.
    pub got: Vec<(MessageId, String)>,
    names: BTreeMap<String, MessageId>,
    /// Its priority was negative once: what was sent to itself may come before the rest.
    pub was_negative: bool,
    /// Messages that came to itself.
    pub direct: BTreeSet<MessageId>,
    /// It came for the first time when this was the newest message.
    pub since: Option<MessageId>,
}

impl Device {
    pub fn new(account: usize, number: usize, own: Jid) -> Device {
        Device {
            account,
            agent: format!("d4565fa7-4d72-4749-b3d3-{number:012}"),
            own,
            jid: None,
            stream: None,
            is_online: false,
            reads_archive: false,
            takes_groups: number % 3 != 1,
            is_shown: true,
            is_reading: false,
            read_to: None,
            uplink: VecDeque::new(),
            downlink: VecDeque::new(),
            management: None,
            unsure: Vec::new(),
            acknowledged: Vec::new(),
            got: Vec::new(),
            names: BTreeMap::new(),
            was_negative: false,
            direct: BTreeSet::new(),
            since: None,
        }
    }

    /// All that the client has sent is known to have arrived.
    pub fn is_settled(&self) -> bool {
        let management = self.management.as_ref();
        self.is_online
            && self.unsure.is_empty()
            && management.is_some_and(|management| management.unacknowledged.is_empty())
    }

    /// What it asks to resume when it logs in.
    pub fn resume(&self) -> Option<Resume> {
        let management = self.management.as_ref()?;
        Some(Resume { previous: management.id.clone(), handled: management.received })
    }

    /// The link is gone.
    pub fn cut(&mut self) {
        self.stream = None;
        self.is_online = false;
        self.uplink.clear();
        self.downlink.clear();
    }

    /// The program ends; what was not acknowledged is on its disk.
    pub fn forget_session(&mut self) {
        if let Some(management) = self.management.take() {
            let messages = management.unacknowledged.into_iter();
            self.unsure.extend(messages.filter(|sent| sent.name.is_some()));
        }
    }

    pub fn send(&mut self, xml: String, name: Option<String>) {
        let management = self.management.as_mut().expect("only an online client sends");
        management.unacknowledged.push_back(Sent { xml: xml.clone(), name });
        self.uplink.push_back(xml);
    }

    /// Messages may pass it by.
    pub fn may_hide(&self) -> bool {
        self.is_online && !self.is_shown && !self.is_reading
    }

    pub fn show(&mut self) {
        self.is_shown = true;
        self.is_reading = false;
        self.send("<presence/>".to_owned(), None);
    }

    pub fn acknowledge(&mut self) {
        if let Some(management) = &self.management {
            let h = management.received;
            self.uplink.push_back(format!("<a xmlns='{SM}' h='{h}'/>"));
        }
    }

    pub fn ask_acknowledgement(&mut self) {
        self.uplink.push_back(format!("<r xmlns='{SM}'/>"));
    }

    /// Takes what the network brings.
    pub fn take(&mut self, arriving: Arriving, newest: MessageId) {
        match arriving {
            Arriving::Ready(ready) => self.take_ready(*ready, newest),
            Arriving::Element(element) => self.take_element(&element),
        }
    }

    fn take_ready(&mut self, ready: Ready, newest: MessageId) {
        self.is_online = true;
        self.since.get_or_insert(newest);
        self.jid = ready.jid.clone();
        for child in &ready.children {
            let h = child.attr("h").and_then(|h| h.parse().ok());
            match child.name() {
                "resumed" => return self.go_on(h.expect("h of resumed")),
                "failed" => {
                    if let Some(h) = h {
                        self.take_acknowledgement(h);
                    }
                }
                "bound" => {
                    self.forget_session();
                    let enabled = child.child("enabled", SM).expect("it asked for it");
                    self.begin(enabled.attr("id").expect("it can be resumed").to_owned());
                }
                other => panic!("{other} in a login's answer"),
            }
        }
    }

    fn go_on(&mut self, h: u32) {
        self.take_acknowledgement(h);
        let management = self.management.as_ref().expect("resumed");
        self.uplink.extend(management.unacknowledged.iter().map(|sent| sent.xml.clone()));
    }

    fn begin(&mut self, id: String) {
        let unacknowledged = VecDeque::new();
        self.management = Some(Management { id, received: 0, acknowledged: 0, unacknowledged });
        self.is_reading = false;
        if self.reads_archive {
            self.is_reading = true;
            // Messages may have passed it by, behind which it has got others.
            let is_gapless = !self.was_negative;
            self.read_to = self.got.last().map(|(id, _)| *id).filter(|_| is_gapless);
            self.read_archive();
        } else {
            self.show();
        }
        for sent in std::mem::take(&mut self.unsure) {
            self.send(sent.xml, sent.name);
        }
    }

    fn read_archive(&mut self) {
        let after = self.read_to.map(|id| format!("<after>{id}</after>")).unwrap_or_default();
        let query = format!(
            "<iq type='set' id='mam'><query xmlns='{MAM}'>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>3</max>{after}</set></query></iq>"
        );
        self.send(query, None);
    }

    fn take_acknowledgement(&mut self, h: u32) {
        let Some(management) = &mut self.management else { return };
        let count = h.wrapping_sub(management.acknowledged) as usize;
        assert!(count <= u32::MAX as usize / 2, "{h} takes back what was acknowledged");
        assert!(count <= management.unacknowledged.len(), "{h} is more than was sent");
        management.acknowledged = h;
        let names = management.unacknowledged.drain(..count).filter_map(|sent| sent.name);
        self.acknowledged.extend(names);
    }

    fn take_element(&mut self, element: &Element) {
        match (element.name(), element.ns()) {
            ("r", SM) => return self.acknowledge(),
            ("a", SM) => {
                let h = element.attr("h").and_then(|h| h.parse().ok()).expect("h");
                return self.take_acknowledgement(h);
            }
            _ => {}
        }
        if let Some(management) = &mut self.management {
            management.received += 1;
        }
        match element.name() {
            "message" => self.take_message(element),
            "iq" if element.attr("id") == Some("mam") => self.take_page(element),
            _ => {}
        }
    }

    fn take_page(&mut self, iq: &Element) {
        let fin = iq.child("fin", MAM);
        if fin.is_some_and(|fin| fin.attr("complete") == Some("true")) {
            self.show();
        } else {
            self.read_archive();
        }
    }

    fn take_message(&mut self, message: &Element) {
        if let Some(result) = message.child("result", MAM) {
            let id = result.attr("id").and_then(MessageId::parse).expect("an id of ours");
            self.read_to = self.read_to.max(Some(id));
            return self.take_stored(forwarded(result), Some(id));
        }
        for side in ["sent", "received"] {
            if let Some(copy) = message.child(side, "urn:xmpp:carbons:2") {
                return self.take_stored(forwarded(copy), None);
            }
        }
        self.take_stored(message, None);
    }

    fn take_stored(&mut self, message: &Element, id: Option<MessageId>) {
        let from = message.attr("from").map(|from| Jid::parse(from).unwrap());
        let to = message.attr("to").map(|to| Jid::parse(to).unwrap());
        let is_own = |jid: &Option<Jid>| jid.as_ref().is_some_and(|jid| self.own.is_bare_of(jid));
        let is_incoming = !is_own(&from) || is_own(&to);
        let Some(id) = id.or_else(|| stanza_id(message)) else { return };
        let name = message.attr("id").unwrap_or_default().to_owned();
        if !is_incoming {
            return;
        }
        if let Some(known) = self.names.insert(name.clone(), id) {
            assert_eq!(known, id, "{} got {name} under two ids", self.own);
            return;
        }
        if to.is_some_and(|to| to.resource().is_some()) {
            self.direct.insert(id);
        }
        self.got.push((id, name));
    }
}

/// The stanza-id of a stored message.
pub fn stanza_id(message: &Element) -> Option<MessageId> {
    message.child("stanza-id", "urn:xmpp:sid:0")?.attr("id").and_then(MessageId::parse)
}

/// The message inside a copy or a result.
pub fn forwarded(wrapper: &Element) -> &Element {
    let forwarded = wrapper.child("forwarded", "urn:xmpp:forward:0").expect("XEP-0297");
    forwarded.child("message", "jabber:client").expect("a message")
}

const SM: &str = "urn:xmpp:sm:3";
const MAM: &str = "urn:xmpp:mam:2";
