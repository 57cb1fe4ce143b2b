"""The roster, subscriptions and blocking."""

import events


async def roster(client):
    """Fetches the whole roster."""
    iq = client.make_iq_get()
    iq.enable("roster")
    return {"items": events.roster((await iq.send()).xml)}


async def roster_since(client, version):
    """Fetches the roster unless it is still of this version (RFC 6121, 2.6)."""
    iq = client.make_iq_get()
    iq["roster"]["ver"] = version
    query = (await iq.send()).xml.find("{jabber:iq:roster}query")
    return {"version": query.get("ver") if query is not None else None}


async def contact(client, jid, name=None, groups=()):
    """Adds a contact, or changes it."""
    await client.update_roster(jid, name=name, groups=list(groups))


async def remove_contact(client, jid):
    await client.del_roster_item(jid)


async def subscription(client, to, type):
    """Asks for presence, allows it, or takes it back (RFC 6121, 3)."""
    client.send_presence(pto=to, ptype=type)


async def block(client, jids):
    await client["xep_0191"].block(jids)


async def unblock(client, jids):
    """Unblocks some, or without a name all."""
    if jids:
        await client["xep_0191"].unblock(jids)
    else:
        iq = client.make_iq_set()
        iq.enable("unblock")
        await iq.send()


async def blocked(client):
    answer = await client["xep_0191"].get_blocked()
    return events.block(answer.xml)


COMMANDS = {
    "roster": roster,
    "roster_since": roster_since,
    "contact": contact,
    "remove_contact": remove_contact,
    "subscription": subscription,
    "block": block,
    "unblock": unblock,
    "blocked": blocked,
}
