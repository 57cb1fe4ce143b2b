//! Names of namespaces, held cheaply.

use std::fmt;
use std::sync::Arc;

use crate::ns;

/// A namespace name; cheap to clone, and free of allocation where [`ns`] knows it.
#[derive(Clone)]
pub struct Namespace(Name);

#[derive(Clone)]
enum Name {
    Known(&'static str),
    Other(Arc<str>),
}

impl Namespace {
    /// No namespace.
    pub const NONE: Self = Self(Name::Known(""));

    /// The namespace of this name.
    pub fn of(name: &str) -> Self {
        match ns::known(name) {
            Some(known) => Self(Name::Known(known)),
            None => Self(Name::Other(name.into())),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Other(name) => name,
        }
    }
}

impl From<&'static str> for Namespace {
    fn from(name: &'static str) -> Self {
        Self(Name::Known(name))
    }
}

impl From<String> for Namespace {
    fn from(name: String) -> Self {
        Self::of(&name)
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}
