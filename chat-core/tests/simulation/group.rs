//! A group of all accounts. The first one, which made it, takes others out and in again; of what
//! is said each gets what lies between its coming and its going, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chat_core::chat::Input;
use chat_core::id::{MessageId, StreamId};
use chat_core::jid::{Jid, RoomId};
use chat_core::sasl::{Credential, Mechanism, PasswordMark, TokenWish};
use chat_core::stanza::Stanza;
use chat_core::stream::{Login, SessionRequest};
use chat_core::xml::{Element, Limits};

use crate::device::Device;
use crate::schedule::Schedule;
use crate::world::DOMAIN;

/// What was said in the group: the message's name, and the device that sent it.
pub type Said = BTreeMap<String, usize>;

impl Schedule {
    /// The first account makes the group, by a client that then goes.
    pub fn found_group(&mut self) {
        let stream = StreamId(0);
        let login = Login {
            account: self.accounts[0],
            credential: Credential::Password(PasswordMark(0)),
            mechanism: Mechanism::Plain,
            user_agent: None,
            tokens: TokenWish::default(),
            request: SessionRequest::Legacy,
        };
        self.input(Input::Login { stream, login: Box::new(login) });
        self.drain();
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
        self.hand_in(stream, &format!("<iq type='set' id='b'>{bind}</iq>"));
        self.hand_in(
            stream,
            &format!(
                "<presence to='{GROUP}/x'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            ),
        );
        for account in 1..self.accounts.len() {
            self.hand_in(stream, &self.change(account, "<affiliation/>"));
        }
        self.input(Input::Closed { stream, is_clean: true });
        self.drain();
    }

    fn hand_in(&mut self, stream: StreamId, xml: &str) {
        let element = Stanza::parse(Bytes::from(xml.to_owned()), &Limits::default()).unwrap();
        self.input(Input::Element { stream, element: Arc::new(element) });
        self.drain();
    }

    /// The owner's request that takes an account in, or out.
    fn change(&self, account: usize, what: &str) -> String {
        let jid = format!("{}@{DOMAIN}", self.accounts[account]);
        let name = if what == "<remove/>" { "remove" } else { "add" };
        format!(
            "<iq type='set' id='c' to='{GROUP}'><{name} xmlns='urn:whimbrel:groups:0'>\
             <member jid='{jid}'/></{name}></iq>"
        )
    }

    /// A device says something in the group, or its owner changes who is in it.
    pub fn use_group(&mut self, device: usize) {
        let is_owner = self.devices[device].account == 0;
        if is_owner && self.random.percent(25) {
            let account = 1 + self.random.below(self.accounts.len() - 1);
            let what = if self.random.percent(50) { "<remove/>" } else { "<add/>" };
            let request = self.change(account, what);
            return self.devices[device].send(request, None);
        }
        let name = format!("g{}", self.said.len());
        let xml = format!(
            "<message to='{GROUP}' type='groupchat' id='{name}'><body>{name}</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='{name}'/></message>"
        );
        self.said.insert(name.clone(), device);
        self.devices[device].send(xml, Some(name));
    }

    /// The group's log: ids and messages.
    fn log(&self) -> Vec<(MessageId, Element)> {
        let room = RoomId::of(&Jid::parse(GROUP).unwrap()).unwrap();
        let log = self.disk.archive(room.owner()).into_iter();
        log.map(|(id, xml)| (id, Element::parse(xml.as_bytes(), "jabber:client").unwrap()))
            .collect()
    }

    /// What a device must have of the group, after it first came.
    pub fn due_of_group(&self, device: &Device) -> Vec<(MessageId, String)> {
        let mut due = Vec::new();
        if !device.takes_groups {
            return due;
        }
        let own = format!("{}@{DOMAIN}", self.accounts[device.account]);
        let mut is_in = device.account == 0;
        for (id, message) in self.log() {
            let changes = message.child("change", "urn:whimbrel:groups:0").into_iter();
            let of_own =
                changes.flat_map(Element::children).find(|it| it.attr("jid") == Some(&own));
            is_in |= of_own.is_some_and(|change| change.name() == "added");
            if is_in && id > device.since.unwrap_or_default() {
                due.push((id, message.attr("id").unwrap().to_owned()));
            }
            is_in &= of_own.is_none_or(|change| change.name() != "removed");
        }
        due
    }

    /// What the group's owner was acknowledged is in the log; others may have been taken out.
    pub fn check_said(&self, name: &str) {
        if self.devices[self.said[name]].account == 0 {
            let is_there = self.log().iter().any(|(_, message)| message.attr("id") == Some(name));
            assert!(is_there, "{name} is acknowledged, and not in the log");
        }
    }

    /// Each message stands in the log once, those of one device in the order in which it sent them.
    pub fn check_group(&self) {
        let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, message) in self.log() {
            let name = message.attr("id").unwrap();
            let Some(device) = self.said.get(name) else { continue };
            let number: usize = name[1..].parse().unwrap();
            if let Some(before) = newest.insert(*device, number) {
                assert!(before < number, "g{number} stands behind g{before}");
            }
        }
        for name in self.said.keys() {
            self.check_said(name);
        }
    }
}

const GROUP: &str = "team@groups.example.org";
