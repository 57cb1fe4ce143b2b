"""Rooms (XEP-0045), as slixmpp's users have them."""

from slixmpp import JID

# Longer than any server takes, shorter than a command may.
JOIN_TIMEOUT_S = 15


async def join(client, room, nick, history=0):
    """Joins, and tells who else is there, what was said before, and the subject."""
    own, subject, occupants, before = await client["xep_0045"].join_muc_wait(
        JID(room), nick, maxstanzas=history, timeout=JOIN_TIMEOUT_S
    )
    return {
        "affiliation": own["muc"]["affiliation"],
        "statuses": sorted(own["muc"]["status_codes"]),
        "occupants": sorted(presence["from"].resource for presence in occupants if presence["from"] != own["from"]),
        "history": [message["body"] for message in before],
        "subject": subject["subject"],
    }


async def leave(client, room, nick):
    client["xep_0045"].leave_muc(JID(room), nick)


async def configure(client, room, **fields):
    """Sends the room's form back as it came, but for these fields."""
    form = await client["xep_0045"].get_room_config(room)
    form["type"] = "submit"
    for name, value in fields.items():
        form.get_fields()[f"muc#roomconfig_{name}"]["value"] = value
    await client["xep_0045"].set_room_config(room, form)


async def affiliate(client, room, jid, affiliation):
    await client["xep_0045"].set_affiliation(room, affiliation, jid=jid)


async def affiliated(client, room, affiliation):
    """The list of all who have an affiliation."""
    return {"jids": sorted(await client["xep_0045"].get_affiliation_list(room, affiliation))}


COMMANDS = {
    "join": join,
    "leave": leave,
    "configure": configure,
    "affiliate": affiliate,
    "affiliated": affiliated,
}
