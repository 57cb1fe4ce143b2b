"""XMPP clients on slixmpp, told what to do line by line.

Usage: python tests/clients/xmpp

A line of input is a command in JSON, a line of output its result or something that happened:

    {"id": 1, "client": 1, "do": "open", "with": {"jid": ..., "password": ..., ...}}
    {"id": 1, "client": 1, "ok": {"jid": "anna@localhost/phone", "resumed": false}}
    {"id": 2, "client": 1, "refused": {"condition": "not-authorized", ...}}
    {"client": 1, "event": "message", "what": {"from": ..., "body": "hello", ...}}

Any number of clients live in one process. It ends with its input.
"""

import asyncio
import json
import logging
import os
import sys

import archive
import contacts
import messaging
import pep
import rooms
import service
import session
from client import Refused
from slixmpp.exceptions import IqError, IqTimeout, XMPPError

COMMANDS = {
    name: command
    for module in (session, messaging, contacts, archive, pep, rooms, service)
    for name, command in module.COMMANDS.items()
}
# Longer than any server takes, shorter than a test waits.
ANSWER_TIMEOUT_S = 20


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def carry_out(clients, line):
    """Carries out a command, and says what came of it."""
    number = line["client"]
    answer = {"id": line["id"], "client": number}
    try:
        arguments = line.get("with", {})
        if line["do"] == "open":
            emit = lambda event, what: say({"client": number, "event": event, "what": what})
            work = session.open_client(clients, number, emit, **arguments)
        else:
            work = COMMANDS[line["do"]](clients[number], **arguments)
        answer["ok"] = await asyncio.wait_for(work, ANSWER_TIMEOUT_S)
    except Refused as refused:
        answer["refused"] = refused.what
    except (IqTimeout, TimeoutError):
        answer["refused"] = {"condition": "no-answer"}
    except IqError as error:
        answer["refused"] = error_of(error.iq["error"])
    except XMPPError as error:
        answer["refused"] = {"condition": error.condition, "text": error.text}
    except Exception as error:  # A mistake in a test is told to the test.
        logging.exception("%s", line)
        answer["refused"] = {"condition": "broken-command", "text": repr(error)}
    say(answer)


def error_of(error):
    known = {"condition": error["condition"], "type": error["type"], "text": error["text"]}
    return {name: value for name, value in known.items() if value}


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clients, under_way = {}, set()
    while line := await reader.readline():
        task = asyncio.create_task(carry_out(clients, json.loads(line)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


logging.basicConfig(level=os.environ.get("WHIMBREL_XMPP_LOG", "CRITICAL"))
asyncio.run(main())
