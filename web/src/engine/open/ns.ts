// Namespaces of open conversations.

export const NS = {
  chatStates: "http://jabber.org/protocol/chatstates",
  correct: "urn:xmpp:message-correct:0",
  encryption: "urn:xmpp:eme:0",
  ephemeral: "urn:xmpp:ephemeral:0",
  fallback: "urn:xmpp:fallback:0",
  file: "urn:xmpp:file:metadata:0",
  hints: "urn:xmpp:hints",
  markers: "urn:xmpp:chat-markers:0",
  nick: "http://jabber.org/protocol/nick",
  omemo: "eu.siacs.conversations.axolotl",
  oob: "jabber:x:oob",
  reactions: "urn:xmpp:reactions:0",
  receipts: "urn:xmpp:receipts",
  reference: "urn:xmpp:reference:0",
  reply: "urn:xmpp:reply:0",
  retract: "urn:xmpp:message-retract:1",
  sharing: "urn:xmpp:sfs:0",
  stanzaId: "urn:xmpp:sid:0",
  urlData: "http://jabber.org/protocol/url-data",
} as const;
