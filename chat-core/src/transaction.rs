//! What the core asks of its storage: writes that commit together, and questions.
//!
//! The core never reads a disk. An account's small state is its *records*, loaded whole when the
//! account becomes active; pages of its archive and items of its nodes are asked for when needed.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::access::DeviceId;
use crate::features::upload_slots::SlotAnswer;
use crate::id::{MessageId, Ticket};
use crate::jid::{AccountId, RoomId};
use crate::mls::{
    ClaimedKeyPackage, KeyPackageClaim, KeyPackageRef, KeyPackageStock, LeafName, NewKeyPackage,
    parts::PartsChange,
};
use crate::rooms::call::CallAnswer;
use crate::sasl::PasswordKeys;

/// Writes that become durable together, or not at all. Storage commits transactions in the order
/// of their tickets.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Rises by one from transaction to transaction.
    pub ticket: Ticket,
    /// The newest transaction whose fate was known when this one was made. Where a later one
    /// failed, this one may build on what is not stored, and fails too.
    pub settled: Ticket,
    /// In the order in which they are to be carried out.
    pub writes: Vec<Write>,
}

/// One change.
#[derive(Debug, PartialEq)]
pub enum Write {
    /// A new account, without records. Fails where the account or the number exists.
    CreateAccount {
        /// Its permanent id.
        account: AccountId,
        /// Its verified number in E.164 (`+15550100123`), if it has one.
        number: Option<Box<str>>,
        /// Milliseconds since 1970.
        created_unix_ms: u64,
    },
    /// Removes an account and all that belongs to it: records, number, cursors, items and its
    /// side of the archive. A message that no archive holds any more goes too. Where there are
    /// many, some go with later commits; until then the id counts as existing.
    DeleteAccount {
        /// Whose.
        account: AccountId,
    },
    /// A new room, without records. Its records and its log belong to [`RoomId::owner`]. Fails
    /// where an account or a room with this id exists.
    CreateRoom {
        /// Its permanent id.
        room: RoomId,
        /// Milliseconds since 1970.
        created_unix_ms: u64,
    },
    /// Gives an account this number, or none. Fails where another account has it.
    SetNumber {
        /// Whose.
        account: AccountId,
        /// In E.164.
        number: Option<Box<str>>,
    },
    /// Puts a record in the place of the one with the same key.
    Put {
        /// Whose.
        account: AccountId,
        /// The feature that owns the record.
        feature: &'static str,
        /// Its name within the feature.
        key: Box<str>,
        /// An XML element, serialised.
        value: Bytes,
    },
    /// Puts a record like [`Write::Put`]; where there is no such account, nothing is done. A room
    /// writes so to its members, who may be gone.
    PutForOther {
        /// Whose.
        account: AccountId,
        /// The feature that owns the record.
        feature: &'static str,
        /// Its name within the feature.
        key: Box<str>,
        /// An XML element, serialised.
        value: Bytes,
    },
    /// Removes a record, if it exists.
    Remove {
        /// Whose.
        account: AccountId,
        /// The feature that owns the record.
        feature: &'static str,
        /// Its name within the feature.
        key: Box<str>,
    },
    /// Stores a message once and lists it in each receiving archive.
    Append(Box<NewMessage>),
    /// Puts another stanza in a message's place, in every archive (XEP-0424's tombstone).
    ReplaceMessage {
        /// Which.
        id: MessageId,
        /// Rendered like [`NewMessage::stanza`].
        stanza: Bytes,
    },
    /// Takes messages out of one account's archive. One that no archive holds any more goes.
    RemoveArchived {
        /// Whose archive.
        account: AccountId,
        /// Which messages; unknown ones are passed over.
        ids: Vec<MessageId>,
    },
    /// Takes a conversation out of one account's archive, up to a message.
    RemoveConversation {
        /// Whose archive.
        account: AccountId,
        /// The other side's bare JID.
        peer: Box<str>,
        /// The last message that goes.
        until: MessageId,
    },
    /// Removes every message whose end has come, from all archives. Where there are many, some go
    /// with later commits.
    RemoveExpired {
        /// Milliseconds since 1970.
        until_unix_ms: u64,
    },
    /// What a device has received: everything up to this message.
    SetCursor {
        /// Whose.
        account: AccountId,
        /// Its resource.
        device: Box<str>,
        /// The newest message that it has.
        received: MessageId,
    },
    /// Forgets a device's cursor.
    RemoveCursor {
        /// Whose.
        account: AccountId,
        /// Its resource.
        device: Box<str>,
    },
    /// Puts an item into a node (XEP-0060), in the place of one with the same id, and removes the
    /// oldest ones above `items_max`.
    PutItem {
        /// Whose node.
        account: AccountId,
        /// The node's name.
        node: Box<str>,
        /// The item.
        item: Item,
        /// How many items the node keeps.
        items_max: u32,
    },
    /// Removes an item, if it exists.
    RemoveItem {
        /// Whose node.
        account: AccountId,
        /// The node's name.
        node: Box<str>,
        /// The item's id.
        id: Box<str>,
    },
    /// Removes all items of a node.
    RemoveItems {
        /// Whose node.
        account: AccountId,
        /// The node's name.
        node: Box<str>,
    },
    /// Puts key packages of a device into its stock, and removes the oldest single-use ones above
    /// [`crate::mls::claim::STOCK_MAX`]. A last resort takes the place of the one before. One
    /// whose reference is known is passed over.
    PutKeyPackages {
        /// Whose.
        owner: LeafName,
        /// What was checked.
        packages: Vec<NewKeyPackage>,
    },
    /// Removes a device's key packages, and forgets which of them were given out.
    RemoveKeyPackages {
        /// Whose.
        account: AccountId,
        /// Of which device.
        device: DeviceId,
    },
    /// Changes the parts of a followed group (RFC 9420).
    ChangeGroup {
        /// The id under which its room's records are kept.
        owner: AccountId,
        /// Parts that come and go.
        change: PartsChange,
    },
    /// Removes all parts of a followed group.
    RemoveGroup {
        /// The id under which its room's records are kept.
        owner: AccountId,
    },
    /// Forgets that these key packages were given out to an account: it has used them.
    UseKeyPackages {
        /// To whom they were given.
        claimant: AccountId,
        /// Which.
        references: Vec<KeyPackageRef>,
    },
}

/// A message as it enters the archives.
#[derive(Debug, PartialEq)]
pub struct NewMessage {
    /// Newer than every message before.
    pub id: MessageId,
    /// The stanza as its receiver gets it, with `from` and `to` and without stanza-id; it ends
    /// with `</message>`.
    pub stanza: Bytes,
    /// The stream that sent it, and how many stanzas of that stream were handled with this one
    /// (XEP-0198's `h`).
    pub origin: Option<Origin>,
    /// Milliseconds since 1970 at which it leaves all archives.
    pub expires_unix_ms: Option<u64>,
    /// Who has it: sender and receiver, or one of them. At most one has sent it and one received
    /// it, and they are two accounts; who writes to himself has it once.
    pub entries: SmallVec<[ArchiveEntry; 2]>,
}

/// Where a message came from, so that a repetition is known after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The sender's resumable stream (the number in XEP-0198's resumption id), or 0.
    pub stream: u64,
    /// XEP-0198's `h` of that stream with this message handled.
    pub handled: u32,
    /// A digest of the origin-id (XEP-0359), or else of the id attribute, or 0 without either. What
    /// stands in [`ORIGIN_DEVICE_BITS`] is of the device that sent it.
    pub digest: u64,
    /// The digest is of an origin-id, which its sender never uses twice.
    pub is_unique: bool,
}

/// A message's row in one account's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Whose archive.
    pub account: AccountId,
    /// The other side's bare JID, or [`HIDDEN_PEER`].
    pub peer: Box<str>,
    /// Sent by the account, not received.
    pub is_outgoing: bool,
}

/// An item of a node (XEP-0060).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Unique in its node.
    pub id: Box<str>,
    /// The bare JID that published it.
    pub publisher: Box<str>,
    /// Milliseconds since 1970.
    pub published_unix_ms: u64,
    /// The payload element, serialised with all its namespaces; may be empty.
    pub payload: Bytes,
}

/// A question to the storage. It is answered from what is committed. One kind changes what is
/// stored, and is answered once that is committed: [`Query::ClaimKeyPackages`].
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// An account's whole small state. Answer: [`Answer::Account`].
    Account(AccountId),
    /// A room's whole small state. Answer: [`Answer::Room`].
    Room(RoomId),
    /// A page of an archive. Answer: [`Answer::Archive`].
    Archive(ArchiveQuery),
    /// A message of a conversation by its origin-id or id attribute, the newest that has it.
    /// Answer: [`Answer::Archive`] with one message or none.
    MessageByOrigin {
        /// Whose archive.
        account: AccountId,
        /// The other side's bare JID.
        peer: Box<str>,
        /// Sent by the account, not received.
        is_outgoing: bool,
        /// As in [`Origin::digest`], of whichever device: [`ORIGIN_DEVICE_BITS`] do not count.
        digest: u64,
    },
    /// XEP-0198's `h` of a stream that no longer is in memory: that of its last stored message.
    /// Answer: [`Answer::Handled`].
    Handled {
        /// Whose.
        account: AccountId,
        /// As in [`Origin::stream`].
        stream: u64,
    },
    /// How many bytes of stanzas an account's archive holds. Answer: [`Answer::ArchivedBytes`].
    ArchivedBytes(AccountId),
    /// Items of a node. Answer: [`Answer::Items`], newest first.
    Items {
        /// Whose node.
        account: AccountId,
        /// The node's name.
        node: Box<str>,
        /// Only these, or all.
        ids: Option<Vec<Box<str>>>,
        /// How many at most.
        items_max: u32,
    },
    /// Items of all nodes of an account. Answer: [`Answer::AllItems`].
    AllItems {
        /// Whose nodes.
        account: AccountId,
        /// Behind this node's item.
        after: Option<(Box<str>, Box<str>)>,
        /// How many at most.
        items_max: u32,
    },
    /// Accounts by their numbers in E.164. Answer: [`Answer::Numbers`].
    Numbers(Vec<Box<str>>),
    /// Takes key packages out of the stock of each device, the last resort excepted, and notes to
    /// whom they are given. No two claims get the same one. Answer: [`Answer::KeyPackages`].
    ClaimKeyPackages(KeyPackageClaim),
    /// A feature's records of accounts. Answer: [`Answer::Records`].
    Records {
        /// Whose.
        accounts: Vec<AccountId>,
        /// The feature that owns them.
        feature: &'static str,
    },
    /// All parts of a followed group, by the id under which its room's records are kept. Answer:
    /// [`Answer::Group`].
    Group(AccountId),
    /// What a device has in stock. Answer: [`Answer::Stock`].
    KeyPackageStock(LeafName),
    /// Which of these key packages were given out to an account and not used yet. Answer:
    /// [`Answer::GivenOut`].
    GivenOut {
        /// To whom.
        claimant: AccountId,
        /// Those in question.
        references: Vec<KeyPackageRef>,
    },
    /// Which of these accounts exist, have none of the records that are named, and have fewer
    /// records of another feature than a limit. Answer: [`Answer::Records`], of those alone.
    Without {
        /// Those in question.
        accounts: Vec<AccountId>,
        /// The feature that owns the records.
        feature: &'static str,
        /// Their keys.
        keys: Vec<Box<str>>,
        /// The other feature, and the limit.
        below: (&'static str, usize),
        /// Records that are told of those who are meant, by feature and key.
        told: Vec<(&'static str, Box<str>)>,
    },
    /// Which of these accounts have a record of a feature. Answer: [`Answer::Accounts`].
    With {
        /// Those in question.
        accounts: Vec<AccountId>,
        /// The feature.
        feature: &'static str,
    },
    /// What a device has not received. Answer: [`Answer::Waiting`].
    Waiting(WaitingQuery),
}

/// A page of what came to an account and to the rooms it is in, in one order.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingQuery {
    /// Whose archive; of it only messages received, not sent, and also those that are hidden.
    pub account: AccountId,
    /// Of the account's archive only the conversation with this bare JID.
    pub peer: Option<Box<str>>,
    /// Only messages newer than this one.
    pub after: MessageId,
    /// Only messages older than this one.
    pub before: Option<MessageId>,
    /// The parts of rooms' logs that are looked at.
    pub spans: Vec<Span>,
    /// How many messages at most.
    pub messages_max: u32,
    /// Milliseconds since 1970: messages that ended before are left out.
    pub now_unix_ms: u64,
}

/// A part of a room's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whose log.
    pub room: RoomId,
    /// Only messages newer than this one.
    pub since: MessageId,
    /// The last message; none where there is no end.
    pub until: Option<MessageId>,
}

/// A page of an archive (XEP-0313 with XEP-0059).
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveQuery {
    /// Whose archive.
    pub account: AccountId,
    /// Only the conversation with this bare JID.
    pub peer: Option<Box<str>>,
    /// Only messages received, not sent.
    pub incoming_only: bool,
    /// Messages of [`HIDDEN_PEER`] too.
    pub with_hidden: bool,
    /// Only messages newer than this one.
    pub after: Option<MessageId>,
    /// Only messages older than this one.
    pub before: Option<MessageId>,
    /// Only these messages.
    pub ids: Option<Vec<MessageId>>,
    /// Take the page from the newest end; it is still answered in order.
    pub from_end: bool,
    /// How many messages at most.
    pub messages_max: u32,
    /// Count all messages that match, too.
    pub count: bool,
    /// Milliseconds since 1970: messages that ended before are left out.
    pub now_unix_ms: u64,
}

impl ArchiveQuery {
    /// The first messages of an archive.
    pub fn first(account: AccountId, messages_max: u32, now_unix_ms: u64) -> ArchiveQuery {
        ArchiveQuery {
            account,
            peer: None,
            incoming_only: false,
            with_hidden: false,
            after: None,
            before: None,
            ids: None,
            from_end: false,
            messages_max,
            count: false,
            now_unix_ms,
        }
    }

    /// One message of an archive.
    pub fn of_one(account: AccountId, id: MessageId, now_unix_ms: u64) -> ArchiveQuery {
        ArchiveQuery { ids: Some(vec![id]), ..ArchiveQuery::first(account, 1, now_unix_ms) }
    }
}

/// The storage's answer.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// To [`Query::Account`]; `None` where there is no such account.
    Account(Option<Box<StoredAccount>>),
    /// To [`Query::Room`]; `None` where there is no such room.
    Room(Option<Box<StoredRoom>>),
    /// To [`Query::Archive`] and [`Query::MessageByOrigin`].
    Archive(ArchivePage),
    /// To [`Query::Handled`]; `None` where the stream stored nothing.
    Handled(Option<u32>),
    /// To [`Query::ArchivedBytes`].
    ArchivedBytes(u64),
    /// To [`Query::Items`].
    Items(Vec<Item>),
    /// To [`Query::AllItems`]: with their nodes, by node and id.
    AllItems(Vec<(Box<str>, Item)>),
    /// To [`Query::Numbers`]: those that have an account.
    Numbers(Vec<(Box<str>, AccountId)>),
    /// To [`Query::ClaimKeyPackages`], by target and device.
    KeyPackages(Vec<ClaimedKeyPackage>),
    /// To [`Query::KeyPackageStock`].
    Stock(KeyPackageStock),
    /// To [`Query::Records`], in the order of the question.
    Records(Vec<(AccountId, Vec<Record>)>),
    /// To [`Query::Group`], by number; none where there is no such group.
    Group(Vec<(u64, Bytes)>),
    /// To [`Query::GivenOut`].
    GivenOut(Vec<KeyPackageRef>),
    /// To [`Query::With`], in the order of the question.
    Accounts(Vec<AccountId>),
    /// To [`Query::Waiting`].
    Waiting(WaitingPage),
    /// To [`crate::chat::Outward::RequestSlot`], and not from storage.
    Slot(SlotAnswer),
    /// To [`crate::chat::Outward::DeriveKeys`], and not from storage.
    Keys(PasswordKeys),
    /// To [`crate::chat::Outward::Call`], and not from storage.
    Call(CallAnswer),
}

/// An account's small state.
#[derive(Debug, Default, PartialEq)]
pub struct StoredAccount {
    /// Its verified number in E.164.
    pub number: Option<Box<str>>,
    /// Milliseconds since 1970.
    pub created_unix_ms: u64,
    /// All records, by feature and key.
    pub records: Vec<Record>,
    /// What each device has received.
    pub cursors: Vec<(Box<str>, MessageId)>,
    /// The newest [`Origin::digest`]s of what it sent that are unique, oldest first, at most
    /// [`RECENT_ORIGINS_MAX`].
    pub recent_origins: Vec<u64>,
    /// The newest message in its archive.
    pub newest: MessageId,
    /// Bytes of the stanzas in its archive. One that was replaced counts as it came or as it is.
    pub archived_bytes: u64,
}

/// A room's small state.
#[derive(Debug, Default, PartialEq)]
pub struct StoredRoom {
    /// Milliseconds since 1970.
    pub created_unix_ms: u64,
    /// All records, by feature and key.
    pub records: Vec<Record>,
    /// As in [`StoredAccount::recent_origins`], of what is in its log.
    pub recent_origins: Vec<u64>,
    /// The newest message in its log.
    pub newest: MessageId,
    /// As in [`StoredAccount::archived_bytes`], of its log.
    pub archived_bytes: u64,
}

/// Messages of an account and of rooms, oldest first.
#[derive(Debug, Default, PartialEq)]
pub struct WaitingPage {
    /// The messages, with the room whose log has them.
    pub messages: Vec<(Option<RoomId>, StoredMessage)>,
    /// No other waits.
    pub is_complete: bool,
}

/// One record of an account or of a room.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The feature that owns it.
    pub feature: Box<str>,
    /// Its name within the feature.
    pub key: Box<str>,
    /// An XML element, serialised.
    pub value: Bytes,
}

/// Messages of an archive, oldest first.
#[derive(Debug, Default, PartialEq)]
pub struct ArchivePage {
    /// The messages.
    pub messages: Vec<StoredMessage>,
    /// Nothing lies beyond this page in the direction in which it was taken.
    pub is_complete: bool,
    /// How many match in all, if asked for.
    pub count: Option<u64>,
}

/// A message of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Which.
    pub id: MessageId,
    /// As in [`NewMessage::stanza`].
    pub stanza: Bytes,
    /// Sent by the archive's account, not received.
    pub is_outgoing: bool,
    /// Milliseconds since 1970 at which it leaves all archives.
    pub expires_unix_ms: Option<u64>,
}

/// Why storage did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A write met what is stored already: an account or a number exists.
    #[error("{what} exists already")]
    Exists {
        /// What.
        what: &'static str,
    },
    /// A write names an account that does not exist.
    #[error("there is no account {account}")]
    NoAccount {
        /// Which.
        account: AccountId,
    },
    /// The disk or the database failed; nothing was written, and nothing may be acknowledged.
    #[error("storage failed: {reason}")]
    Failed {
        /// For the log.
        reason: String,
    },
}

/// The bits of [`Origin::digest`] that tell an account's devices apart. The 47 above them tell what
/// one device wrote to one peer; a digest of an earlier version is found by those too.
pub const ORIGIN_DEVICE_BITS: u64 = 0xffff;
/// In the peer's place: the message waits for the account's devices, and is no part of what its
/// archive shows (XEP-0441).
pub const HIDDEN_PEER: &str = "";
/// Repetitions that are recognised after a crash reach this many messages back.
pub const RECENT_ORIGINS_MAX: usize = 512;
