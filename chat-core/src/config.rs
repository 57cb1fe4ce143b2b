//! What the core is told once, at start.

use crate::features::external_services::ExternalService;
use crate::jid::Jid;
use crate::sasl::ServerSecret;

/// The core's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The domain of all accounts' JIDs.
    pub domain: Jid,
    /// The address of the service that has the rooms: `groups.` before the domain. There are no
    /// rooms without it.
    pub groups: Option<Jid>,
    /// Another number after each restore from a backup: groups (RFC 9420) that were founded before
    /// may be behind their members.
    pub incarnation: u64,
    /// What devices' tokens are derived from; without it devices get none.
    pub server_secret: Option<ServerSecret>,
    /// The addresses of XEP-0157, as URIs.
    pub abuse_contacts: Vec<Box<str>>,
    /// Bytes of one file of XEP-0363; no slots are offered without it.
    pub upload_bytes_max: Option<u64>,
    /// Bytes of the stanzas in one account's archive; no limit without it.
    pub archive_bytes_max: Option<u64>,
    /// Bytes of the stanzas in one room's log; no limit without it.
    pub group_archive_bytes_max: Option<u64>,
    /// The public key of RFC 8292, a point of P-256, uncompressed; without it nobody subscribes to
    /// pushes.
    pub web_push_key: Option<Box<[u8]>>,
    /// Whether push services may lie in a network of the server's own.
    pub private_push_services: bool,
    /// What XEP-0215 tells of.
    pub external_services: Vec<ExternalService>,
    /// There is an endpoint that carries calls; without it none are offered.
    pub calls: bool,
    /// Messages older than this stay in the archives even if their author retracts them.
    pub retraction_within_ms: Option<u64>,
}

impl Config {
    /// Defaults for a domain.
    pub fn new(domain: Jid) -> Config {
        let groups = format!("{GROUPS_LABEL}.{}", domain.domain());
        Config {
            groups: Jid::from_parts(None, &groups, None).ok(),
            domain,
            incarnation: 0,
            server_secret: None,
            abuse_contacts: Vec::new(),
            upload_bytes_max: None,
            archive_bytes_max: None,
            group_archive_bytes_max: None,
            web_push_key: None,
            private_push_services: false,
            external_services: Vec::new(),
            calls: false,
            retraction_within_ms: None,
        }
    }

    /// The address is a room's, or that of the service that has them.
    pub fn is_of_groups(&self, jid: &Jid) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.domain() == jid.domain())
    }
}

const GROUPS_LABEL: &str = "groups";
/// Bound resources of one account.
pub const SESSIONS_MAX: usize = 32;
/// Stanzas of one stream that wait for an account to be loaded.
pub const PARKED_MAX: usize = 256;
/// Stanzas of other accounts that wait for one to be loaded.
pub const ROUTES_MAX: usize = 1024;
/// An account without sessions leaves memory after this time.
pub const IDLE_ACCOUNT_MS: u64 = 30_000;
