//! `[previews]`: what stands behind links.

use serde::Deserialize;

/// The `[previews]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PreviewsConfig {
    /// Whether the server looks at pages for its accounts.
    pub enabled: bool,
    /// Whether pages may lie on this machine or in a network of its own, and at any port. Users
    /// name them: without it nobody has the server ask its neighbours.
    pub private_endpoints: bool,
}

impl Default for PreviewsConfig {
    fn default() -> Self {
        Self { enabled: true, private_endpoints: false }
    }
}
