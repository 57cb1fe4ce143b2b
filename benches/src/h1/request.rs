//! HTTP/1.1 requests as bytes, RFC 9112 3.

use std::fmt::Write;

use fastrand::Rng;

use crate::load::LoadSpec;
use crate::load::ranges::Ranges;

/// Draws targets and writes their requests.
#[derive(Debug)]
pub struct RequestWriter<'a> {
    spec: &'a LoadSpec,
    /// Each target's request, without the blank line that ends it.
    heads: Vec<String>,
    ranges: Option<Ranges>,
    random: Rng,
}

/// What a written request will be answered by.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub target: usize,
    pub due_bytes: Option<u64>,
}

impl<'a> RequestWriter<'a> {
    /// Prepares the requests of a load.
    pub fn new(spec: &'a LoadSpec) -> Self {
        let heads = spec.targets.iter().map(|target| head(spec, &target.path)).collect();
        let ranges = spec.range_bytes.map(|bytes| Ranges::new(bytes, spec.targets.len()));
        Self { spec, heads, ranges, random: Rng::with_seed(spec.seed) }
    }

    /// Appends the next request to `out`.
    pub fn write(&mut self, out: &mut Vec<u8>) -> Asked {
        let target = self.spec.mix.draw(&mut self.random);
        out.extend_from_slice(self.heads[target].as_bytes());
        let mut due_bytes = None;
        if let Some(ranges) = &self.ranges {
            let range = ranges.draw(target, &mut self.random);
            let line = format!("Range: bytes={}-{}\r\n", range.first, range.last);
            out.extend_from_slice(line.as_bytes());
            due_bytes = range.due_bytes;
        }
        out.extend_from_slice(b"\r\n");
        Asked { target, due_bytes }
    }

    /// Learns an object's size from an answer.
    pub fn learn(&mut self, target: usize, total: Option<u64>) {
        if let Some(ranges) = &mut self.ranges {
            ranges.learn(target, total);
        }
    }
}

fn head(spec: &LoadSpec, path: &str) -> String {
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", spec.origin.authority);
    for (name, value) in &spec.headers {
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if spec.close {
        head.push_str("Connection: close\r\n");
    }
    head
}
