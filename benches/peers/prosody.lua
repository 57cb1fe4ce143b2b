-- Prosody as a chat server beside its peers: one thread, no logs, no limits, loopback only.
-- {…} are filled in by `whimbrel-bench compare`.
run_as_root = true
daemonize = false
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
plugin_paths = {}

-- Messages are appended to files, which are never synced.
storage = "internal"
authentication = "internal_hashed"
default_iteration_count = 4096

network_backend = "epoll"
gc = { mode = "generational" }
network_settings = { tcp_backlog = 1024 }

modules_enabled = {
    "roster", "saslauth", "tls", "disco", "ping", "carbons", "smacks", "mam", "offline",
    "register_ibr", "websocket",
}
modules_disabled = { "s2s" }

c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
consider_websocket_secure = true

default_archive_policy = true
archive_expires_after = "never"
storage_archive_item_limit = 1000000
max_archive_query_results = 250
smacks_hibernation_time = 60

interfaces = { "127.0.0.1" }
c2s_ports = { {port} }
c2s_direct_tls_ports = { {tls_port} }
http_ports = { {http_port} }
https_ports = { {https_port} }
http_interfaces = { "127.0.0.1" }
https_interfaces = { "127.0.0.1" }
http_paths = { websocket = "/xmpp-websocket" }

ssl = { key = "{key}", certificate = "{cert}" }
c2s_direct_tls_ssl = { key = "{key}", certificate = "{cert}" }
https_ssl = { key = "{key}", certificate = "{cert}" }

log = { { levels = { min = "error" }, to = "console" } }

VirtualHost "localhost"

-- Rooms with an archive, as Whimbrel's groups have it, but without presences of others: with them a
-- thousand could hardly join.
Component "conference.localhost" "muc"
    modules_enabled = { "muc_mam" }
    muc_log_by_default = true
    muc_log_expires_after = "never"
    muc_room_locking = false
    muc_room_default_history_length = 0
    muc_room_default_presence_broadcast = { visitor = false, participant = false, moderator = false }
