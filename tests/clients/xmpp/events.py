"""What comes from the server, as plain data for the tests.

It is read from the XML and not by slixmpp's interfaces, so that a forwarded message (carbons, the
archive) is described as the one that came by itself.
"""

from xml.etree import ElementTree

CHAT_STATES = "http://jabber.org/protocol/chatstates"
DELAY = "urn:xmpp:delay"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
FORWARD = "urn:xmpp:forward:0"
HINTS = "urn:xmpp:hints"
PUBSUB = "http://jabber.org/protocol/pubsub"
PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event"


def message(xml):
    """A message, with what its children mean."""
    told = head(xml)
    for child in xml:
        namespace, name = split(child.tag)
        known = CHILDREN.get((namespace, name))
        if known:
            field, describe = known
            told[field] = describe(child)
        elif namespace == CHAT_STATES:
            told["chat_state"] = name
        elif namespace == HINTS:
            told.setdefault("hints", []).append(name)
    told["xml"] = text(xml)
    return told


def presence(xml):
    told = head(xml)
    for child in xml:
        namespace, name = split(child.tag)
        if namespace == "jabber:client" and name in ("show", "status", "priority"):
            told[name] = child.text or ""
        elif name == "error":
            told["error"] = error(child)
        elif namespace == DELAY:
            told["delay"] = child.get("stamp")
        elif namespace == "http://jabber.org/protocol/caps":
            told["caps"] = dict(child.attrib)
    return told


def head(xml):
    """The attributes of a stanza; a presence without a type is `available`."""
    told = {name: xml.get(name) for name in ("from", "to", "id", "type") if xml.get(name)}
    if xml.tag.endswith("}presence"):
        told.setdefault("type", "available")
    return told


def roster(xml):
    items = xml.iterfind("{jabber:iq:roster}query/{jabber:iq:roster}item")
    return [
        {**item.attrib, "groups": sorted(group.text for group in item.iterfind("{jabber:iq:roster}group"))}
        for item in items
    ]


def block(xml):
    return {"jids": sorted(item.get("jid") for item in xml.iter("{urn:xmpp:blocking}item"))}


def items(xml):
    """Items of a node: in an event or in an answer."""
    told = {"node": xml.get("node"), "items": [], "retracted": []}
    for child in xml:
        if child.tag.endswith("}item"):
            payload = text(child[0]) if len(child) else ""
            told["items"].append({"id": child.get("id"), "payload": payload})
        elif child.tag.endswith("}retract"):
            told["retracted"].append(child.get("id"))
    return told


def forwarded(xml):
    inner = xml.find(f"{{{FORWARD}}}forwarded")
    told = message(inner.find("{jabber:client}message"))
    delay = inner.find(f"{{{DELAY}}}delay")
    if delay is not None:
        told["stamp"] = delay.get("stamp")
    return told


def error(xml):
    told = {"type": xml.get("type")}
    for child in xml:
        namespace, name = split(child.tag)
        if namespace == ERRORS and name != "text":
            told["condition"] = name
    return told


def reactions(xml):
    return {"to": xml.get("id"), "emojis": sorted(child.text for child in xml)}


def event(xml):
    told = {}
    for child in xml:
        name = split(child.tag)[1]
        told[name] = items(child) if name == "items" else dict(child.attrib)
    return told


def split(tag):
    namespace, _, name = tag.rpartition("}")
    return namespace.removeprefix("{"), name


def text(xml):
    return ElementTree.tostring(xml, encoding="unicode")


def content(xml):
    return xml.text or ""


def identity(xml):
    return xml.get("id")


def present(_):
    return True


CHILDREN = {
    ("jabber:client", "body"): ("body", content),
    ("jabber:client", "subject"): ("subject", content),
    ("jabber:client", "error"): ("error", error),
    ("jabber:x:oob", "x"): ("url", lambda xml: xml.findtext("{jabber:x:oob}url")),
    (DELAY, "delay"): ("delay", lambda xml: xml.get("stamp")),
    ("urn:xmpp:sid:0", "stanza-id"): ("stanza_id", lambda xml: dict(xml.attrib)),
    ("urn:xmpp:sid:0", "origin-id"): ("origin_id", identity),
    ("urn:xmpp:receipts", "request"): ("wants_receipt", present),
    ("urn:xmpp:receipts", "received"): ("receipt_of", identity),
    ("urn:xmpp:chat-markers:0", "markable"): ("markable", present),
    ("urn:xmpp:chat-markers:0", "displayed"): ("displayed", identity),
    ("urn:xmpp:message-correct:0", "replace"): ("replaces", identity),
    ("urn:xmpp:message-retract:1", "retract"): ("retracts", identity),
    ("urn:xmpp:reactions:0", "reactions"): ("reactions", reactions),
    ("urn:xmpp:reply:0", "reply"): ("replies_to", identity),
    ("urn:xmpp:carbons:2", "sent"): ("carbon_sent", forwarded),
    ("urn:xmpp:carbons:2", "received"): ("carbon_received", forwarded),
    ("urn:xmpp:mam:2", "result"): (
        "archived",
        lambda xml: {"archive_id": xml.get("id"), "query": xml.get("queryid"), **forwarded(xml)},
    ),
    (PUBSUB_EVENT, "event"): ("pubsub", event),
}
