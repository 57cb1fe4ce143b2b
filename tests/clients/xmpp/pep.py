"""Personal eventing: nodes, bookmarks, avatars."""

from base64 import b64decode, b64encode
from xml.etree import ElementTree

import events
from slixmpp.plugins.xep_0004 import Form
from slixmpp.plugins.xep_0402.stanza import Conference, Extensions

BOOKMARKS = "urn:xmpp:bookmarks:1"
PUBSUB = "{" + events.PUBSUB + "}"


async def follow(client, nodes):
    """Wants to hear of nodes, of its own account and of contacts (XEP-0163, 4)."""
    for node in nodes:
        client["xep_0163"].add_interest(node)
    await client["xep_0115"].update_caps(broadcast=False)
    client.send_presence()


async def publish(client, node, payload, item=None, options=None, jid=None):
    """Publishes an item; the options are a node's configuration that must hold."""
    payload = ElementTree.fromstring(payload)
    answer = await client["xep_0060"].publish(
        jid, node, id=item, payload=payload, options=options and configuration(options, "publish-options")
    )
    found = answer.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish/{PUBSUB}item")
    return {"item": found.get("id") if found is not None else item}


def configuration(fields, kind):
    form = Form()
    form["type"] = "submit"
    form.add_field(var="FORM_TYPE", ftype="hidden", value=f"{events.PUBSUB}#{kind}")
    for name, value in fields.items():
        form.add_field(var=f"pubsub#{name}", value=value)
    return form


async def items(client, node, jid=None, items=None, max=None):
    answer = await client["xep_0060"].get_items(jid, node, item_ids=items, max_items=max)
    return events.items(answer.xml.find(f"{PUBSUB}pubsub/{PUBSUB}items"))


async def retract(client, node, item, notify=True):
    await client["xep_0060"].retract(None, node, item, notify="true" if notify else None)


async def delete_node(client, node):
    await client["xep_0060"].delete_node(None, node)


async def configure_node(client, node, options):
    await client["xep_0060"].set_node_config(None, node, configuration(options, "node_config"))


async def bookmark(client, room, name, nick, autojoin=True, note=None):
    """Keeps a room as XEP-0402 says; the note stands in an extension of another client."""
    conference = Conference()
    conference["name"] = name
    conference["nick"] = nick
    conference["autojoin"] = autojoin
    if note:
        conference.append(Extensions())
        extension = ElementTree.Element("{urn:example:note}note")
        extension.text = note
        conference["extensions"].xml.append(extension)
    options = {
        "persist_items": "true",
        "max_items": "max",
        "send_last_published_item": "never",
        "access_model": "whitelist",
    }
    await client["xep_0060"].publish(
        None, BOOKMARKS, id=room, payload=conference.xml, options=configuration(options, "publish-options")
    )


async def publish_avatar(client, base64, type="image/png"):
    """Publishes a picture, and then what it is (XEP-0084)."""
    data = b64decode(base64)
    avatars = client["xep_0084"]
    await avatars.publish_avatar(data)
    identity = avatars.generate_id(data)
    await avatars.publish_avatar_metadata([{"id": identity, "type": type, "bytes": len(data)}])
    return {"id": identity}


async def avatar(client, jid, id):
    answer = await client["xep_0084"].retrieve_avatar(jid, id)
    data = answer["pubsub"]["items"]["item"]["avatar_data"]["value"]
    return {"base64": b64encode(data).decode()}


async def mark_displayed(client, chat, stanza_id):
    """Tells the account's other devices how far a chat was read (XEP-0490)."""
    await client["xep_0490"].flag_chat(chat, stanza_id)


COMMANDS = {
    "follow": follow,
    "publish": publish,
    "items": items,
    "retract": retract,
    "delete_node": delete_node,
    "configure_node": configure_node,
    "bookmark": bookmark,
    "publish_avatar": publish_avatar,
    "avatar": avatar,
    "mark_displayed": mark_displayed,
}
