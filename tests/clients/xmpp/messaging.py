"""Messages, and what they carry."""

from xml.etree import ElementTree

from slixmpp.xmlstream import ElementBase


async def message(client, to, body=None, type="chat", id=None, **fields):
    """Sends a message; each of the fields is one of `FIELDS`."""
    stanza = client.make_message(mto=to, mbody=body, mtype=type)
    if id:
        stanza["id"] = id
    stanza["origin_id"]["id"] = stanza["id"]
    for name, value in fields.items():
        FIELDS[name](client, stanza, value)
    stanza.send()
    return {"id": stanza["id"]}


def enable(plugin):
    return lambda client, stanza, value: stanza.enable(plugin)


def id_of(plugin):
    def set_id(client, stanza, value):
        stanza[plugin]["id"] = value

    return set_id


def set_field(name):
    def set_value(client, stanza, value):
        stanza[name] = value

    return set_value


def set_reactions(client, stanza, value):
    client["xep_0444"].set_reactions(stanza, value["to"], value["emojis"])


def set_reply(client, stanza, value):
    stanza["reply"]["id"] = value["id"]
    stanza["reply"]["to"] = value["to"]


def set_hints(client, stanza, value):
    for hint in value:
        stanza.enable(hint)


def set_url(client, stanza, value):
    stanza["oob"]["url"] = value


def set_origin(client, stanza, value):
    stanza["origin_id"]["id"] = value


def append(client, stanza, value):
    stanza.append(ElementBase(ElementTree.fromstring(value)))


FIELDS = {
    "wants_receipt": set_field("request_receipt"),
    "markable": enable("markable"),
    "displayed": id_of("displayed"),
    "replaces": id_of("replace"),
    "retracts": id_of("retract"),
    "reactions": set_reactions,
    "replies_to": set_reply,
    "chat_state": set_field("chat_state"),
    "hints": set_hints,
    "url": set_url,
    "origin_id": set_origin,
    "payload": append,
}

COMMANDS = {"message": message}
