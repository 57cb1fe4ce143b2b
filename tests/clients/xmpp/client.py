"""A slixmpp client that reports whatever it hears.

Which certificates it trusts is said by SSL_CERT_FILE.
"""

import asyncio

import events
from slixmpp import ClientXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

PLUGINS = [
    "xep_0030",  # Service Discovery
    "xep_0045",  # Multi-User Chat
    "xep_0049",  # Private XML Storage
    "xep_0054",  # vcard-temp
    "xep_0059",  # Result Set Management
    "xep_0060",  # Publish-Subscribe
    "xep_0066",  # Out of Band Data
    "xep_0084",  # User Avatar
    "xep_0085",  # Chat State Notifications
    "xep_0092",  # Software Version
    "xep_0115",  # Entity Capabilities
    "xep_0163",  # Personal Eventing Protocol
    "xep_0184",  # Message Delivery Receipts
    "xep_0191",  # Blocking Command
    "xep_0198",  # Stream Management
    "xep_0199",  # XMPP Ping
    "xep_0202",  # Entity Time
    "xep_0280",  # Message Carbons
    "xep_0308",  # Last Message Correction
    "xep_0313",  # Message Archive Management
    "xep_0333",  # Displayed Markers
    "xep_0334",  # Message Processing Hints
    "xep_0352",  # Client State Indication
    "xep_0359",  # Unique and Stable Stanza IDs
    "xep_0363",  # HTTP File Upload
    "xep_0402",  # PEP Native Bookmarks
    "xep_0424",  # Message Retraction
    "xep_0444",  # Message Reactions
    "xep_0461",  # Message Replies
    "xep_0490",  # Message Displayed Synchronization
]


class Refused(Exception):
    """The server did not do what was asked."""

    def __init__(self, **what):
        self.what = what


class Client(ClientXMPP):
    def __init__(self, jid, password, address, tls, mechanism, emit):
        unencrypted = {"unencrypted_plain": True, "unencrypted_scram": True}
        config = {"feature_mechanisms": unencrypted if tls == "none" else {}}
        super().__init__(jid, password, plugin_config=config, sasl_mech=mechanism)
        self.emit = emit
        self.address = address
        self.enable_starttls = tls == "starttls"
        self.enable_direct_tls = tls == "direct"
        self.enable_plaintext = tls == "none"
        for plugin in PLUGINS:
            self.register_plugin(plugin)
        # Subscriptions are answered by the test.
        self.auto_authorize = None
        self.auto_subscribe = False
        self.outcome = None
        self._report_what_comes()
        self._follow_the_login()

    async def log_in(self):
        """Connects and logs in; resumes the stream if there is one to resume."""
        self.outcome = asyncio.get_running_loop().create_future()
        self.failure = {}
        self.connect(*self.address)
        return await self.outcome

    def _report_what_comes(self):
        reports = {"message": events.message, "presence": events.presence}
        for name, describe in reports.items():
            report = lambda stanza, name=name, describe=describe: self.emit(name, describe(stanza.xml))
            matcher = MatchXPath("{jabber:client}" + name)
            self.register_handler(Callback(f"report {name}", matcher, report))
        self.add_event_handler("roster_update", self._report_roster)
        for change in ("blocked", "unblocked"):
            report = lambda iq, change=change: self.emit(change, events.block(iq.xml))
            self.add_event_handler(change, report)
        self.add_event_handler("stanza_acked", lambda it: self.emit("acknowledged", {"id": it["id"]}))
        self.add_event_handler("disconnected", lambda _: self.emit("disconnected", self.failure))

    def _report_roster(self, iq):
        if iq["type"] == "set":
            for item in events.roster(iq.xml):
                self.emit("roster", item)

    def _follow_the_login(self):
        self.add_event_handler("failed_auth", self._note_failure)
        self.add_event_handler("stream_error", self._note_failure)
        self.add_event_handler("stream_negotiated", lambda _: self._negotiated())
        self.add_event_handler("session_resumed", lambda _: self._logged_in(True))
        self.add_event_handler("disconnected", lambda _: self._refused())

    def _note_failure(self, stanza):
        self.failure = {"condition": stanza["condition"], "text": stanza["text"]}

    def _negotiated(self):
        if self.bound:
            self._logged_in(False)
        else:
            # The server offers no way on that this client may take.
            self.failure = self.failure or {"condition": "no-way-to-log-in"}
            self.abort()

    def _logged_in(self, resumed):
        if not self.outcome.done():
            management = self["xep_0198"]
            self.outcome.set_result({
                "jid": self.boundjid.full,
                "resumed": resumed,
                "mechanism": self["feature_mechanisms"].mech.name,
                "resumable": bool(management.enabled_in and management.sm_id),
            })

    def _refused(self):
        if self.outcome and not self.outcome.done():
            self.outcome.set_exception(Refused(**{"condition": "disconnected", **self.failure}))
