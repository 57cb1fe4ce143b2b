//! The schema, step by step.

/// A step from one schema to the next.
pub(super) struct Migration {
    pub name: &'static str,
    pub sql: &'static str,
}

/// In order; a step never changes once it was released.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { name: "accounts and messages", sql: FIRST },
    Migration { name: "listing in steps", sql: SECOND },
    Migration { name: "sizes of archives", sql: THIRD },
    Migration { name: "key packages and groups", sql: MLS },
    Migration { name: "rooms", sql: ROOMS },
];

/// Numbers of 64 bits without order (streams, digests) are kept as the signed ones of equal bits.
const FIRST: &str = "
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
-- The newest message that is listed in archive and conversed; later ones are the tail.
INSERT INTO meta VALUES ('settled', 0);
-- Another number after each restore.
INSERT INTO meta VALUES ('incarnation', abs(random() / 2));

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    number TEXT,
    created INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_number ON account (number) WHERE number IS NOT NULL;

CREATE TABLE record (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    feature TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (account, feature, key)
) WITHOUT ROWID, STRICT;

CREATE TABLE cursor (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    device TEXT NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (account, device)
) WITHOUT ROWID, STRICT;

CREATE TABLE item (
    place INTEGER PRIMARY KEY,  -- rises with each publication
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    node TEXT NOT NULL,
    id TEXT NOT NULL,
    publisher TEXT NOT NULL,
    published INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX item_id ON item (account, node, id);
CREATE INDEX item_node ON item (account, node);

-- It outlives its account until its messages are removed.
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    peer TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversation_peer ON conversation (account, peer);

-- The columns behind which the stanza stands are read without it.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    sender INTEGER,      -- account whose archive has it as sent, until it is removed there
    sent_in INTEGER,     -- conversation of that account
    receiver INTEGER,
    received_in INTEGER,
    stream INTEGER,
    handled INTEGER,
    digest INTEGER,
    is_unique INTEGER,
    expires INTEGER,
    stanza BLOB NOT NULL
) STRICT;
CREATE INDEX message_expires ON message (expires) WHERE expires IS NOT NULL;

CREATE TABLE archive (
    account INTEGER NOT NULL,
    id INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    is_outgoing INTEGER NOT NULL,
    expires INTEGER,
    stream INTEGER,      -- of what it wrote
    handled INTEGER,
    unique_digest INTEGER,
    PRIMARY KEY (account, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE conversed (
    conversation INTEGER NOT NULL,
    id INTEGER NOT NULL,
    is_outgoing INTEGER NOT NULL,
    expires INTEGER,
    digest INTEGER,
    PRIMARY KEY (conversation, id)
) WITHOUT ROWID, STRICT;

-- Conversations that are being removed, step by step, up to a message.
CREATE TABLE leaving (
    account INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (account, conversation)
) WITHOUT ROWID, STRICT;
";

/// Where the listing of messages has come to: it goes through the tail account by account.
const SECOND: &str = "
CREATE TABLE listing (
    settled INTEGER NOT NULL,  -- all messages up to this one are listed in archive and conversed;
    until INTEGER NOT NULL,    -- up to this one, if it is newer, those of the accounts before
    account INTEGER NOT NULL,  -- this one are, and of this one
    id INTEGER NOT NULL        -- those up to this message
) STRICT;
INSERT INTO listing SELECT value, value, 0, 0 FROM meta WHERE name = 'settled';
DELETE FROM meta WHERE name = 'settled';
";

/// How much room an archive takes, counted as messages are listed.
const THIRD: &str = "
ALTER TABLE account ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;  -- bytes of what is listed
ALTER TABLE archive ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;     -- of the stanza
UPDATE archive SET bytes = (SELECT length(stanza) FROM message WHERE message.id = archive.id);
UPDATE account SET archived =
    (SELECT ifnull(sum(bytes), 0) FROM archive WHERE archive.account = account.id);
";

const MLS: &str = "
CREATE TABLE key_package (
    place INTEGER PRIMARY KEY,   -- rises with each upload
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    device TEXT NOT NULL,
    is_last_resort INTEGER NOT NULL,
    ends INTEGER NOT NULL,       -- seconds since 1970
    reference BLOB NOT NULL,
    package BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX key_package_reference ON key_package (reference);
CREATE INDEX key_package_device ON key_package (account, device, is_last_resort);
CREATE INDEX key_package_ends ON key_package (ends);

-- Which account may use which key package, until it has.
CREATE TABLE given_key_package (
    reference BLOB NOT NULL,
    claimant INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    device TEXT NOT NULL,
    ends INTEGER NOT NULL,
    PRIMARY KEY (reference, claimant)
) WITHOUT ROWID, STRICT;
CREATE INDEX given_key_package_claimant ON given_key_package (claimant);
CREATE INDEX given_key_package_device ON given_key_package (account, device);
CREATE INDEX given_key_package_ends ON given_key_package (ends);

-- A followed group, in parts of which a commit changes few. The owner is its room.
CREATE TABLE group_part (
    owner INTEGER NOT NULL,
    number INTEGER NOT NULL,
    part BLOB NOT NULL,
    PRIMARY KEY (owner, number)
) STRICT;
";

/// A room is kept as an account is: its records and its log belong to its id.
const ROOMS: &str = "
ALTER TABLE account ADD COLUMN is_room INTEGER NOT NULL DEFAULT 0;
";
