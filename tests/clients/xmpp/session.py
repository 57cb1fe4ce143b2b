"""Logging in and out, losing the connection, and presence."""

import asyncio

from client import Client, Refused


async def open_client(clients, number, emit, jid, password, address, tls="starttls", mechanism=None):
    """Makes a client and logs it in."""
    clients[number] = Client(jid, password, address, tls, mechanism, emit)
    return await clients[number].log_in()


async def close(client):
    """Ends the stream as it should be."""
    await client.disconnect()


async def cut(client):
    """Loses the connection without a word, as on a train."""
    gone = asyncio.get_running_loop().create_future()
    client.add_event_handler("disconnected", lambda _: gone.done() or gone.set_result(None), disposable=True)
    client.transport.abort()
    await gone


async def reconnect(client):
    """Connects again, and resumes the stream if the server still has it."""
    return await client.log_in()


async def stream_to_resume(client):
    return {"id": client["xep_0198"].sm_id}


async def pretend_stream(client, id):
    """Takes the stream of someone else for its own."""
    client["xep_0198"].sm_id = id


async def presence(client, **fields):
    """Sends presence: to everybody who sees it, or `to` someone."""
    stanza = client.make_presence(
        pto=fields.get("to"),
        ptype=fields.get("type"),
        pshow=fields.get("show"),
        pstatus=fields.get("status"),
        ppriority=fields.get("priority"),
    )
    stanza.send()


async def state(client, active):
    """Says whether someone looks at the client (XEP-0352)."""
    if not client["xep_0352"].enabled:
        raise Refused(condition="feature-not-implemented", text="no client state indication")
    (client["xep_0352"].send_active if active else client["xep_0352"].send_inactive)()


async def acknowledge(client):
    """Tells the server, unasked, what has come (XEP-0198)."""
    client["xep_0198"].send_ack()


async def sync(client):
    """Waits until the server has acknowledged all that was sent (XEP-0198)."""
    management = client["xep_0198"]
    if not management.enabled_out:
        raise Refused(condition="feature-not-implemented", text="no stream management")
    # What was just sent may still be in slixmpp's queue.
    await client.waiting_queue.join()
    while management.unacked_queue:
        management.request_ack()
        await asyncio.sleep(0.02)
    return {"handled": management.last_ack}


COMMANDS = {
    "close": close,
    "cut": cut,
    "reconnect": reconnect,
    "stream_to_resume": stream_to_resume,
    "pretend_stream": pretend_stream,
    "presence": presence,
    "state": state,
    "acknowledge": acknowledge,
    "sync": sync,
}
