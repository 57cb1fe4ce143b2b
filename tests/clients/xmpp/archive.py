"""Carbons and the archive."""

import events
from slixmpp.plugins.xep_0004 import Form

MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
# Fields of a query's form, by the names that commands use.
FILTERS = {
    "with_jid": "with",
    "start": "start",
    "end": "end",
    "before_id": "before-id",
    "after_id": "after-id",
    "ids": "ids",
}


async def carbons(client, on=True):
    await (client["xep_0280"].enable() if on else client["xep_0280"].disable())


async def archive(client, page=None, flip=False, of=None, **filters):
    """Asks for a page of the archive: the client's own, or that of a room.

    `page` is of XEP-0059: `max`, `before` ("" for the last page), `after`.
    """
    iq = client.make_iq_set(ito=of)
    query = iq["mam"]
    query["queryid"] = iq["id"]
    if filters:
        form = Form()
        form["type"] = "submit"
        form.add_field(var="FORM_TYPE", ftype="hidden", value="urn:xmpp:mam:2")
        for name, value in filters.items():
            form.add_field(var=FILTERS[name], value=value)
        query.append(form)
    for name, value in (page or {}).items():
        query["rsm"][name] = str(value) if value != "" else True
    if flip:
        query.xml.append(query.xml.makeelement(MAM + "flip-page", {}))
    found = []
    # What belongs to the query comes before its answer.
    collect = lambda stanza: collect_result(stanza, iq["id"], found)
    client.add_filter("in", collect)
    try:
        answer = await iq.send()
    finally:
        client.del_filter("in", collect)
    fin = answer.xml.find(MAM + "fin")
    page = fin.find(RSM + "set")
    told = {"messages": found, "complete": fin.get("complete") in ("true", "1")}
    for name in ("first", "last", "count"):
        told[name] = page.findtext(RSM + name) if page is not None else None
    return told


def collect_result(stanza, query, found):
    result = stanza.xml.find(MAM + "result")
    if result is not None and result.get("queryid") == query:
        found.append(events.message(stanza.xml)["archived"])
    return stanza


async def archive_bounds(client):
    """The first and the last message of the archive (XEP-0313, metadata)."""
    answer = await client["xep_0313"].get_archive_metadata()
    metadata = answer.xml.find(MAM + "metadata")
    return {
        name: dict(bound.attrib)
        for name in ("start", "end")
        if (bound := metadata.find(MAM + name)) is not None
    }


async def archive_filters(client):
    """The fields that the server's archive can be asked by."""
    form = await client["xep_0313"].get_fields()
    return {"fields": sorted(form.get_fields())}


COMMANDS = {
    "carbons": carbons,
    "archive": archive,
    "archive_bounds": archive_bounds,
    "archive_filters": archive_filters,
}
