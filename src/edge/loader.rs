//! Makes [`Resource`]s: opens what a path stands for, away from the lanes, and remembers it.

use std::sync::Arc;

use super::resource::Resource;
use super::route::Route;

/// Loads resources; cheap to clone.
#[derive(Clone, Debug)]
pub struct Loader {}

impl Loader {
    /// What `path` (as sent, percent-encoded, without query) stands for under `route` (a site,
    /// `Media` or `Upload`). Never fails: what cannot be served is a resource with its error
    /// status.
    pub async fn load(&self, _route: Route, _path: &str) -> Arc<Resource> {
        Arc::new(super::resource::text(404, "404 Not Found\n"))
    }
}
