//! `[push]`: browsers' push services.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The `[push]` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushConfig {
    /// Whether push services may lie on this machine or in a network of its own. Users name them:
    /// without it nobody has the server ask its neighbours.
    pub private_endpoints: bool,
    /// PEM file of roots that push services are checked against. Without it: the system's.
    pub ca_file: Option<PathBuf>,
}

impl PushConfig {
    /// Makes relative paths ones below `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        if let Some(path) = &mut self.ca_file {
            *path = folder.join(&*path);
        }
    }
}
