//! Namespaces, and names of features that look like them.
//!
//! XEP-0163 and XEP-0223 (profiles of XEP-0060), XEP-0368 (SRV records), XEP-0474 (an attribute
//! inside SCRAM) and XEP-0486 (speaks in `vcard-temp`) define none of their own.

use std::sync::LazyLock;

/// The constant that equals `name`, if there is one.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    SORTED.binary_search_by(|known| (*known).cmp(name)).ok().map(|index| SORTED[index])
}

static SORTED: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names = ALL.to_vec();
    names.sort_unstable();
    names
});

macro_rules! namespaces {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $value;)*

        const ALL: &[&str] = &["", $($value),*];
    };
}

namespaces! {
    /// Namespaces in XML 1.0: the prefix `xml`.
    XML = "http://www.w3.org/XML/1998/namespace";
    /// Namespaces in XML 1.0: the prefix `xmlns`.
    XMLNS = "http://www.w3.org/2000/xmlns/";
    /// RFC 6120 4.8.1: the stream itself.
    STREAM = "http://etherx.jabber.org/streams";
    /// RFC 6120 4.8.2: stanzas between client and server.
    CLIENT = "jabber:client";
    /// RFC 6120 4.8.2: stanzas between servers.
    SERVER = "jabber:server";
    /// RFC 6120 4.9: conditions of stream errors.
    STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams";
    /// RFC 6120 8.3: conditions of stanza errors.
    STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas";
    /// RFC 6120 5: STARTTLS.
    TLS = "urn:ietf:params:xml:ns:xmpp-tls";
    /// RFC 6120 6: SASL negotiation.
    SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
    /// RFC 6120 7: resource binding.
    BIND = "urn:ietf:params:xml:ns:xmpp-bind";
    /// RFC 3921 3: session establishment, of which old clients still ask.
    SESSION = "urn:ietf:params:xml:ns:xmpp-session";
    /// RFC 6121 2: the roster.
    ROSTER = "jabber:iq:roster";
    /// RFC 6121 2.6: the stream feature of roster versioning.
    ROSTER_VERSIONING = "urn:xmpp:features:rosterver";
    /// RFC 6121 3.4: the stream feature of subscription pre-approval.
    PRE_APPROVAL = "urn:xmpp:features:pre-approval";
    /// RFC 7395 3.3: streams over WebSocket.
    FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";
    /// XEP-0004 Data Forms.
    DATA_FORMS = "jabber:x:data";
    /// XEP-0012 Last Activity.
    LAST_ACTIVITY = "jabber:iq:last";
    /// XEP-0030 Service Discovery: identities and features.
    DISCO_INFO = "http://jabber.org/protocol/disco#info";
    /// XEP-0030 Service Discovery: items.
    DISCO_ITEMS = "http://jabber.org/protocol/disco#items";
    /// XEP-0045 Multi-User Chat.
    MUC = "http://jabber.org/protocol/muc";
    /// XEP-0045 Multi-User Chat: what occupants are told.
    MUC_USER = "http://jabber.org/protocol/muc#user";
    /// XEP-0045 Multi-User Chat: roles and affiliations.
    MUC_ADMIN = "http://jabber.org/protocol/muc#admin";
    /// XEP-0045 Multi-User Chat: configuration.
    MUC_OWNER = "http://jabber.org/protocol/muc#owner";
    /// XEP-0045 Multi-User Chat: requests for voice.
    MUC_REQUEST = "http://jabber.org/protocol/muc#request";
    /// XEP-0045 Multi-User Chat: the form of the configuration.
    MUC_ROOM_CONFIG = "http://jabber.org/protocol/muc#roomconfig";
    /// XEP-0045 Multi-User Chat: the form about a room.
    MUC_ROOM_INFO = "http://jabber.org/protocol/muc#roominfo";
    /// XEP-0048 Bookmarks.
    BOOKMARKS_LEGACY = "storage:bookmarks";
    /// XEP-0049 Private XML Storage.
    PRIVATE = "jabber:iq:private";
    /// XEP-0050 Ad-Hoc Commands.
    COMMANDS = "http://jabber.org/protocol/commands";
    /// XEP-0054 vcard-temp.
    VCARD = "vcard-temp";
    /// XEP-0055 Jabber Search.
    SEARCH = "jabber:iq:search";
    /// XEP-0059 Result Set Management.
    RSM = "http://jabber.org/protocol/rsm";
    /// XEP-0060 Publish-Subscribe.
    PUBSUB = "http://jabber.org/protocol/pubsub";
    /// XEP-0060 Publish-Subscribe: its own conditions.
    PUBSUB_ERRORS = "http://jabber.org/protocol/pubsub#errors";
    /// XEP-0060 Publish-Subscribe: notifications.
    PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event";
    /// XEP-0060 Publish-Subscribe: what a node's owner asks.
    PUBSUB_OWNER = "http://jabber.org/protocol/pubsub#owner";
    /// XEP-0060 Publish-Subscribe: the form of a node's configuration.
    PUBSUB_NODE_CONFIG = "http://jabber.org/protocol/pubsub#node_config";
    /// XEP-0060 Publish-Subscribe: the form of a publication's preconditions.
    PUBSUB_PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options";
    /// XEP-0060 Publish-Subscribe: the form about a node.
    PUBSUB_META_DATA = "http://jabber.org/protocol/pubsub#meta-data";
    /// XEP-0066 Out of Band Data.
    OOB = "jabber:x:oob";
    /// XEP-0077 In-Band Registration.
    REGISTER = "jabber:iq:register";
    /// XEP-0077 In-Band Registration: the stream feature.
    REGISTER_FEATURE = "http://jabber.org/features/iq-register";
    /// XEP-0084 User Avatar: the picture.
    AVATAR_DATA = "urn:xmpp:avatar:data";
    /// XEP-0084 User Avatar: what is said of the picture.
    AVATAR_METADATA = "urn:xmpp:avatar:metadata";
    /// XEP-0085 Chat State Notifications.
    CHAT_STATES = "http://jabber.org/protocol/chatstates";
    /// XEP-0092 Software Version.
    VERSION = "jabber:iq:version";
    /// XEP-0115 Entity Capabilities.
    CAPS = "http://jabber.org/protocol/caps";
    /// XEP-0115 Entity Capabilities: the server leaves out what did not change.
    CAPS_OPTIMIZE = "http://jabber.org/protocol/caps#optimize";
    /// XEP-0153 vCard-Based Avatars.
    VCARD_UPDATE = "vcard-temp:x:update";
    /// XEP-0157 Contact Addresses for XMPP Services: the form, of the kind of XEP-0128 Service Discovery Extensions.
    SERVER_INFO = "http://jabber.org/network/serverinfo";
    /// XEP-0160 Best Practices for Handling Offline Messages: the feature's name.
    OFFLINE = "msgoffline";
    /// XEP-0166 Jingle.
    JINGLE = "urn:xmpp:jingle:1";
    /// XEP-0184 Message Delivery Receipts.
    RECEIPTS = "urn:xmpp:receipts";
    /// XEP-0191 Blocking Command.
    BLOCKING = "urn:xmpp:blocking";
    /// XEP-0191 Blocking Command: its own condition.
    BLOCKING_ERRORS = "urn:xmpp:blocking:errors";
    /// XEP-0198 Stream Management.
    STREAM_MANAGEMENT = "urn:xmpp:sm:3";
    /// XEP-0199 XMPP Ping.
    PING = "urn:xmpp:ping";
    /// XEP-0202 Entity Time.
    TIME = "urn:xmpp:time";
    /// XEP-0203 Delayed Delivery.
    DELAY = "urn:xmpp:delay";
    /// XEP-0215 External Service Discovery.
    EXTERNAL_SERVICES = "urn:xmpp:extdisco:2";
    /// XEP-0249 Direct MUC Invitations.
    CONFERENCE = "jabber:x:conference";
    /// XEP-0280 Message Carbons.
    CARBONS = "urn:xmpp:carbons:2";
    /// XEP-0280 Message Carbons: the recommended rules of what is copied.
    CARBONS_RULES = "urn:xmpp:carbons:rules:0";
    /// XEP-0292 vCard4 Over XMPP, and RFC 6351.
    VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0";
    /// XEP-0292 vCard4 Over XMPP: the node's name.
    VCARD4_NODE = "urn:xmpp:vcard4";
    /// XEP-0297 Stanza Forwarding.
    FORWARD = "urn:xmpp:forward:0";
    /// XEP-0300 Use of Cryptographic Hash Functions in XMPP.
    HASHES = "urn:xmpp:hashes:2";
    /// XEP-0308 Last Message Correction.
    MESSAGE_CORRECT = "urn:xmpp:message-correct:0";
    /// XEP-0313 Message Archive Management; XEP-0441 Preferences speak in it too.
    MAM = "urn:xmpp:mam:2";
    /// XEP-0313 Message Archive Management: queries by id, flipped pages, metadata.
    MAM_EXTENDED = "urn:xmpp:mam:2#extended";
    /// XEP-0333 Displayed Markers.
    CHAT_MARKERS = "urn:xmpp:chat-markers:0";
    /// XEP-0334 Message Processing Hints.
    HINTS = "urn:xmpp:hints";
    /// XEP-0352 Client State Indication.
    CLIENT_STATE = "urn:xmpp:csi:0";
    /// XEP-0353 Jingle Message Initiation.
    JINGLE_MESSAGE = "urn:xmpp:jingle-message:0";
    /// XEP-0357 Push Notifications.
    PUSH = "urn:xmpp:push:0";
    /// XEP-0357 Push Notifications: the form in a notification.
    PUSH_SUMMARY = "urn:xmpp:push:summary";
    /// XEP-0359 Unique and Stable Stanza IDs.
    STANZA_ID = "urn:xmpp:sid:0";
    /// XEP-0363 HTTP File Upload.
    HTTP_UPLOAD = "urn:xmpp:http:upload:0";
    /// XEP-0363 HTTP File Upload: what a file is for.
    HTTP_UPLOAD_PURPOSE = "urn:xmpp:http:upload:purpose:0";
    /// XEP-0377 Blocking Command Reports.
    REPORTING = "urn:xmpp:reporting:1";
    /// XEP-0377 Blocking Command Reports: the reason abuse.
    REPORTING_ABUSE = "urn:xmpp:reporting:abuse";
    /// XEP-0377 Blocking Command Reports: the reason spam.
    REPORTING_SPAM = "urn:xmpp:reporting:spam";
    /// XEP-0386 Bind 2.
    BIND2 = "urn:xmpp:bind:0";
    /// XEP-0388 Extensible SASL Profile.
    SASL2 = "urn:xmpp:sasl:2";
    /// XEP-0398 User Avatar to vCard-Based Avatars Conversion.
    AVATAR_CONVERSION = "urn:xmpp:pep-vcard-conversion:0";
    /// XEP-0402 PEP Native Bookmarks.
    BOOKMARKS = "urn:xmpp:bookmarks:1";
    /// XEP-0402 PEP Native Bookmarks: the server keeps the older forms in step.
    BOOKMARKS_COMPAT = "urn:xmpp:bookmarks:1#compat";
    /// XEP-0410 MUC Self-Ping.
    SELF_PING_OPTIMIZATION = "http://jabber.org/protocol/muc#self-ping-optimization";
    /// XEP-0421 Occupant identifiers for semi-anonymous MUCs.
    OCCUPANT_ID = "urn:xmpp:occupant-id:0";
    /// XEP-0424 Message Retraction.
    MESSAGE_RETRACT = "urn:xmpp:message-retract:1";
    /// XEP-0424 Message Retraction: archives keep tombstones.
    MESSAGE_RETRACT_TOMBSTONE = "urn:xmpp:message-retract:1#tombstone";
    /// XEP-0425 Moderated Message Retraction.
    MESSAGE_MODERATE = "urn:xmpp:message-moderate:1";
    /// XEP-0428 Fallback Indication.
    FALLBACK = "urn:xmpp:fallback:0";
    /// XEP-0440 SASL Channel-Binding Type Capability.
    CHANNEL_BINDING = "urn:xmpp:sasl-cb:0";
    /// XEP-0444 Message Reactions.
    REACTIONS = "urn:xmpp:reactions:0";
    /// XEP-0446 File metadata element.
    FILE_METADATA = "urn:xmpp:file:metadata:0";
    /// XEP-0447 Stateless file sharing.
    FILE_SHARING = "urn:xmpp:sfs:0";
    /// XEP-0461 Message Replies.
    REPLY = "urn:xmpp:reply:0";
    /// XEP-0463 MUC Affiliations Versioning.
    MUC_AFFILIATIONS = "urn:xmpp:muc:affiliations:1";
    /// XEP-0466 Ephemeral Messages.
    EPHEMERAL = "urn:xmpp:ephemeral:0";
    /// XEP-0469 Bookmark Pinning.
    BOOKMARKS_PINNING = "urn:xmpp:bookmarks-pinning:0";
    /// XEP-0482 Call Invites.
    CALL_INVITES = "urn:xmpp:call-invites:0";
    /// XEP-0484 Fast Authentication Streamlining Tokens.
    FAST = "urn:xmpp:fast:0";
    /// XEP-0490 Message Displayed Synchronization.
    DISPLAYED_SYNC = "urn:xmpp:mds:displayed:0";
    /// XEP-0490 Message Displayed Synchronization: the server moves the mark for the client.
    DISPLAYED_SYNC_ASSIST = "urn:xmpp:mds:server-assist:0";
    /// XEP-0492 Chat notification settings.
    NOTIFICATION_SETTINGS = "urn:xmpp:notification-settings:1";
    /// XEP-0494 Client Access Management.
    CLIENT_ACCESS = "urn:xmpp:cam:0";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_is_there_once_and_found() {
        assert!(SORTED.windows(2).all(|pair| pair[0] < pair[1]), "{SORTED:?}");
        for name in ALL {
            assert_eq!(known(name), Some(*name));
        }
        assert_eq!(known("urn:example"), None);
    }
}
