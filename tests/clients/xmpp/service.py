"""What a client asks the server and its services."""

from datetime import datetime
from io import BytesIO
from xml.etree import ElementTree

import aiohttp
import events
from client import Refused
from slixmpp.plugins.xep_0363 import FileTooBig, HTTPError, UploadServiceNotFound
from slixmpp.xmlstream import ElementBase


async def iq(client, type, payload, to=None):
    """Any request at all; gives the answer's payload."""
    stanza = client.make_iq(itype=type, ito=to)
    stanza.append(ElementBase(ElementTree.fromstring(payload)))
    answer = await stanza.send()
    return {"payload": [events.text(child) for child in answer.xml]}


async def disco_info(client, jid=None, node=None):
    info = (await client["xep_0030"].get_info(jid=jid, node=node, cached=False))["disco_info"]
    return {
        "features": sorted(info["features"]),
        "identities": sorted(f"{category}/{kind}" for category, kind, _, _ in info["identities"]),
    }


async def disco_items(client, jid=None, node=None):
    answer = await client["xep_0030"].get_items(jid=jid, node=node)
    return {"items": sorted(str(jid) for jid, _, _ in answer["disco_items"]["items"])}


async def ping(client, jid=None):
    await client["xep_0199"].send_ping(jid or client.boundjid.host)


async def version(client, jid):
    answer = (await client["xep_0092"].get_version(jid))["software_version"]
    return {"name": answer["name"], "version": answer["version"]}


async def time(client, jid):
    answer = await client["xep_0202"].get_entity_time(jid)
    # slixmpp 1.17 stumbles over the Z that every time ends with.
    utc = answer.xml.findtext("{urn:xmpp:time}time/{urn:xmpp:time}utc")
    return {"utc": datetime.fromisoformat(utc).timestamp()}


async def set_vcard(client, name):
    card = client["xep_0054"].make_vcard()
    card["FN"] = name
    await client["xep_0054"].publish_vcard(card)


async def vcard(client, jid=None):
    answer = await client["xep_0054"].get_vcard(jid, cached=False)
    return {"name": answer["vcard_temp"]["FN"]}


async def keep_private(client, payload):
    """Private storage (XEP-0049)."""
    stanza = client.make_iq_set()
    stanza["private"].xml.append(ElementTree.fromstring(payload))
    await stanza.send()


async def private(client, name, namespace):
    stanza = client.make_iq_get()
    stanza["private"].xml.append(ElementTree.Element(f"{{{namespace}}}{name}"))
    answer = await stanza.send()
    return {"payload": events.text(answer.xml[0][0])}


async def upload(client, name, content, type):
    """Finds the upload service, asks it for a slot, and sends the file (XEP-0363)."""
    try:
        url = await client["xep_0363"].upload_file(name, content_type=type, input_file=BytesIO(content.encode()))
    except UploadServiceNotFound:
        raise Refused(condition="item-not-found", text="no upload service") from None
    except FileTooBig as error:
        raise Refused(condition="file-too-large", text=str(error)) from None
    except HTTPError as error:
        raise Refused(condition="http-error", text=str(error)) from None
    return {"url": url}


async def slot(client, service, name, size, type=None):
    """Asks for a slot, and uploads nothing."""
    answer = await client["xep_0363"].request_slot(service, name, size, type)
    slot = answer["http_upload_slot"]
    return {"put": slot["put"]["url"], "get": slot["get"]["url"]}


async def fetch(client, url):
    """GETs a file as the one who was sent its address."""
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return {"status": answer.status, "type": answer.content_type, "content": await answer.text()}


COMMANDS = {
    "iq": iq,
    "disco_info": disco_info,
    "disco_items": disco_items,
    "ping": ping,
    "version": version,
    "time": time,
    "set_vcard": set_vcard,
    "vcard": vcard,
    "keep_private": keep_private,
    "private": private,
    "upload": upload,
    "slot": slot,
    "fetch": fetch,
}
