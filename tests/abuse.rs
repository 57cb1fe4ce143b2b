//! Clients that are slow, many, or hostile: they are cut, and others are served all the while.
//!
//! slowhttptest and testssl.sh take part where they are installed.

mod process;
mod support;

#[path = "abuse/crowds.rs"]
mod crowds;
#[path = "abuse/slow.rs"]
mod slow;
#[path = "abuse/tools.rs"]
mod tools;
