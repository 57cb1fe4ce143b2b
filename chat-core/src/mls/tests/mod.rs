//! The followed group against clients of openmls.

mod attacks;
mod costs;
mod following;
mod house;
mod key_packages;
