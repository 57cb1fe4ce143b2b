//! SIGHUP: what can change while the server runs, changes; what cannot is named.

use super::house::House;
use super::systemd::Notice;
use crate::config::Config;

impl House {
    /// Reads the configuration's file, the certificates and the access log's file again. A wrong
    /// file changes nothing.
    pub(super) fn reload(&mut self) {
        self.base.notify(Notice::Reloading);
        if let Some(file) = &self.base.reload_from {
            match Config::load(Some(file)) {
                Ok(loaded) => self.apply(loaded.config),
                Err(error) => {
                    for line in error.to_string().lines() {
                        tracing::error!("not reloaded: {line}");
                    }
                }
            }
        }
        if let Some(certificates) = &self.base.certificates
            && let Err(error) = certificates.reload()
        {
            tracing::error!(%error, "the certificate that was in use stays");
        }
        if let Some(log) = &self.base.access_log {
            log.reopen();
        }
        self.base.notify(Notice::Ready { main_pid: std::process::id() });
        tracing::info!("reloaded");
    }

    fn apply(&mut self, new: Config) {
        if let Some(logging) = &self.base.logging
            && let Err(error) = logging.reload(&new.log)
        {
            tracing::error!(%error, "the log's level stays");
        }
        if new.sites != self.base.config.sites {
            match self.edge().reload_sites(&new.sites) {
                Ok(()) => self.base.config.sites = new.sites.clone(),
                Err(error) => tracing::error!(%error, "the sites stay as they were"),
            }
        }
        let old = &self.base.config;
        let unchanged = [
            ("domain", old.domain == new.domain),
            ("data_dir", old.data_dir == new.data_dir),
            ("[runtime]", old.runtime == new.runtime),
            ("[http]", old.http == new.http),
            ("[tls]", old.tls == new.tls),
            ("[web]", old.web == new.web),
            ("[verification]", old.verification == new.verification),
            ("[xmpp]", old.xmpp == new.xmpp),
            ("[push]", old.push == new.push),
            ("[store]", old.store == new.store),
            ("[media]", old.media == new.media),
            ("[admin]", old.admin == new.admin),
            ("[log] format", old.log.format == new.log.format),
            ("[access_log]", old.access_log == new.access_log),
        ];
        let waiting: Vec<&str> =
            unchanged.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect();
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(keys, "these change with the next start or --take-over");
        }
    }
}
