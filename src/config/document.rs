//! A TOML document read section by section, so that all its mistakes are named at once, each with
//! its line.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// One mistake, and the line it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; none where no line is at fault.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Where each key stands: `http.listen`, `site.0.root` …
#[derive(Debug, Clone, Default)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// The line of `path`, or of the nearest key above it.
    pub fn of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// A parsed document whose sections are taken out one after the other.
pub(super) struct Document<'i> {
    text: &'i str,
    table: DeTable<'i>,
    lines: Lines,
    problems: Vec<Problem>,
    taken: Vec<&'static str>,
}

impl<'i> Document<'i> {
    pub fn parse(text: &'i str) -> Result<Self, Problem> {
        let table =
            DeTable::parse(text).map_err(|error| problem_of(text, "", &error))?.into_inner();
        let mut lines = Lines::default();
        note_lines(text, "", &table, &mut lines);
        Ok(Self { text, table, lines, problems: Vec::new(), taken: Vec::new() })
    }

    /// The value of a key that is no section, or its default.
    pub fn value<T: for<'de> Deserialize<'de>>(&mut self, key: &'static str, default: T) -> T {
        self.taken.push(key);
        let Some(value) = self.table.remove(key) else { return default };
        T::deserialize(ValueDeserializer::from(value)).unwrap_or_else(|error| {
            self.problems.push(problem_of(self.text, key, &error));
            default
        })
    }

    /// A section, or its default.
    pub fn section<T: for<'de> Deserialize<'de> + Default>(&mut self, key: &'static str) -> T {
        self.taken.push(key);
        match self.table.remove(key) {
            Some(value) => self.read_table(key, value),
            None => T::default(),
        }
    }

    /// Each table of `[[key]]`; none where there is no such key.
    pub fn sections<T: for<'de> Deserialize<'de> + Default>(
        &mut self,
        key: &'static str,
    ) -> Option<Vec<T>> {
        self.taken.push(key);
        let value = self.table.remove(key)?;
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.note(&span, format!("{key} is a list: write [[{key}]]"));
            return None;
        };
        Some(array.into_iter().map(|table| self.read_table(key, table)).collect())
    }

    /// What is left over is unknown.
    pub fn finish(mut self) -> (Lines, Vec<Problem>) {
        let taken = std::mem::take(&mut self.taken);
        let table = std::mem::take(&mut self.table);
        for key in table.keys() {
            self.note_unknown("", key.get_ref(), &key.span(), &taken);
        }
        self.problems.sort_by_key(|problem| problem.line);
        (self.lines, self.problems)
    }

    fn read_table<T>(&mut self, section: &str, value: Spanned<DeValue<'i>>) -> T
    where
        T: for<'de> Deserialize<'de> + Default,
    {
        let span = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.note(&span, format!("{section} is a section: write [{section}]"));
            return T::default();
        };
        let known = known_keys::<T>();
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        for key in unknown.cloned().collect::<Vec<_>>() {
            self.note_unknown(section, key.get_ref(), &key.span(), known);
            table.remove(key.get_ref().as_ref());
        }
        // Each round names one wrong value and leaves it out, so that all are named.
        for _ in 0..=table.len() {
            let whole = Spanned::new(span.clone(), DeValue::Table(table.clone()));
            let error = match T::deserialize(ValueDeserializer::from(whole)) {
                Ok(read) => return read,
                Err(error) => error,
            };
            self.problems.push(problem_of(self.text, section, &error));
            let Some(culprit) = culprit_of(&table, &error) else { break };
            table.remove(culprit.as_str());
        }
        T::default()
    }

    fn note(&mut self, span: &Range<usize>, message: String) {
        self.problems.push(Problem { line: Some(line_of(self.text, span.start)), message });
    }

    fn note_unknown(&mut self, section: &str, key: &str, span: &Range<usize>, known: &[&str]) {
        let place = if section.is_empty() { String::new() } else { format!("[{section}] ") };
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("; did you mean {near:?}?"),
            None if known.is_empty() => String::new(),
            None => format!("; known are {}", known.join(", ")),
        };
        self.note(span, format!("{place}unknown key {key:?}{hint}"));
    }
}

/// The keys that `T` takes from a table, in the order of its definition.
pub(super) fn known_keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It never succeeds: it only asks for the names.
    let _ = T::deserialize(FieldNames(&mut fields));
    fields
}

/// Asks a type for the names of its fields and ends there.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(serde::de::Error::custom("names only"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("names only"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn problem_of(text: &str, section: &str, error: &Error) -> Problem {
    let line = error.span().map(|span| line_of(text, span.start));
    let place = if section.is_empty() { String::new() } else { format!("[{section}] ") };
    let message = error.message().trim().replace('\n', "; ");
    let hint = hint_of(&message).unwrap_or_default();
    Problem { line, message: format!("{place}{message}{hint}") }
}

/// What was probably meant. serde writes "unknown field `a`, expected one of `b`, `c`": the nearest of these is meant.
fn hint_of(message: &str) -> Option<String> {
    if message == "invalid socket address syntax" {
        return Some("; write an address and a port, such as \"127.0.0.1:8080\"".to_owned());
    }
    let names = message.strip_prefix("unknown ")?.split_once('`')?.1;
    let mut names = names.split('`').step_by(2);
    let written = names.next()?;
    Some(format!("; did you mean {:?}?", nearest(written, names)?))
}

fn culprit_of(table: &DeTable, error: &Error) -> Option<String> {
    let at = error.span()?.start;
    table
        .iter()
        .find(|(key, value)| key.span().contains(&at) || value.span().contains(&at))
        .map(|(key, _)| key.get_ref().to_string())
}

fn note_lines(text: &str, above: &str, table: &DeTable, lines: &mut Lines) {
    for (key, value) in table.iter() {
        let path = format!("{above}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => note_lines(text, &format!("{path}."), inner, lines),
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    let path = format!("{path}.{number}");
                    lines.0.insert(path.clone(), line_of(text, item.span().start));
                    if let DeValue::Table(inner) = item.get_ref() {
                        note_lines(text, &format!("{path}."), inner, lines);
                    }
                }
            }
            _ => {}
        }
        lines.0.insert(path, line_of(text, key.span().start));
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

/// The known key that is at most a third of its letters away.
fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|key| (distance(written, key), key))
        .filter(|(distance, key)| *distance <= key.len().max(3) / 3)
        .min()
        .map(|(_, key)| key)
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [("listen", "lisen", 1), ("", "ab", 2), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
