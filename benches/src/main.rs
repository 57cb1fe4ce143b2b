//! The `whimbrel-bench` command.

fn main() {}
