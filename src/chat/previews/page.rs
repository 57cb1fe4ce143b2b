//! What a page's head says of the page: the Open Graph protocol's names, and what HTML has for it.
//!
//! Not a parser of HTML: it looks for `<title>` and `<meta>` as far as the head reaches, and passes
//! over comments and what scripts and styles hold. What it makes of hostile bytes is text, cut to
//! its limits, and never more.

use super::charset;
use super::references::without_references;

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Of one line, at most [`TITLE_BYTES_MAX`] bytes.
    pub title: String,
    /// Of one line, at most [`DESCRIPTION_BYTES_MAX`] bytes; may be empty.
    pub description: String,
    /// The image's address as it stands there, which may be relative to the page's.
    pub image: Option<String>,
}

/// Bytes of a title.
pub const TITLE_BYTES_MAX: usize = 512;
/// Bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Bytes of an image's address.
const ADDRESS_BYTES_MAX: usize = 2048;
/// Attributes of a tag that are looked at.
const ATTRIBUTES_MAX: usize = 32;

/// Reads a page's head from the page's beginning; `charset` is what the answer's head names.
pub fn read(content: &[u8], charset: Option<&str>) -> Page {
    let text = charset::decode(content, charset);
    let mut found = Found::default();
    let mut rest = &*text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        match Markup::read(rest) {
            Markup::End => break,
            Markup::Title { text, behind } => {
                found.note(Source::Html, Field::Title, text);
                rest = behind;
            }
            Markup::Meta { tag, behind } => {
                found.read_meta(tag);
                rest = behind;
            }
            Markup::Other { behind } => rest = behind,
        }
    }
    found.page()
}

/// What follows on a `<`.
enum Markup<'a> {
    /// The head is over.
    End,
    Title {
        text: &'a str,
        behind: &'a str,
    },
    Meta {
        tag: &'a str,
        behind: &'a str,
    },
    Other {
        behind: &'a str,
    },
}

impl<'a> Markup<'a> {
    fn read(rest: &'a str) -> Self {
        if let Some(comment) = rest.strip_prefix("!--") {
            return Self::Other { behind: behind(comment, "-->") };
        }
        let name_len = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (name, after) = rest.split_at(name_len);
        if name.is_empty() && !rest.starts_with("/head") {
            return Self::Other { behind: rest };
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if name.is_empty() || is("body") {
            return Self::End;
        }
        let tag_len = tag_len(after);
        let (tag, after) = after.split_at(tag_len);
        if is("meta") {
            return Self::Meta { tag, behind: after };
        }
        if is("title") {
            let content = after.strip_prefix('>').unwrap_or(after);
            let (text, behind) = until_end_tag(content, "title");
            return Self::Title { text, behind };
        }
        // What stands in them is no markup (HTML, 13.1.2).
        let raw = RAW.iter().find(|known| is(known));
        Self::Other { behind: raw.map_or(after, |known| until_end_tag(after, known).1) }
    }
}

/// Where its text stands; a name counts before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Html,
    Twitter,
    OpenGraph,
}

#[derive(Clone, Copy)]
enum Field {
    Title,
    Description,
    Image,
}

#[derive(Default)]
struct Found<'a> {
    fields: [Option<(Source, &'a str)>; 3],
}

impl<'a> Found<'a> {
    /// The first of the best source stands.
    fn note(&mut self, source: Source, field: Field, text: &'a str) {
        let known = &mut self.fields[field as usize];
        let is_better = known.is_none_or(|(from, _)| source > from);
        if is_better && !text.trim().is_empty() {
            *known = Some((source, text));
        }
    }

    fn read_meta(&mut self, tag: &'a str) {
        let (mut name, mut content) = (None, None);
        for (key, value) in (Attributes { rest: tag }).take(ATTRIBUTES_MAX) {
            if key.eq_ignore_ascii_case("property") || key.eq_ignore_ascii_case("name") {
                name = name.or(Some(value));
            } else if key.eq_ignore_ascii_case("content") {
                content = content.or(Some(value));
            }
        }
        let (Some(name), Some(content)) = (name, content) else { return };
        let known = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name.trim()));
        if let Some((_, source, field)) = known {
            self.note(*source, *field, content);
        }
    }

    fn page(self) -> Page {
        let line = |field: Field, bytes_max| {
            let (_, text) = self.fields[field as usize]?;
            Some(one_line(&without_references(text), bytes_max))
        };
        let image = self.fields[Field::Image as usize];
        let image = image.map(|(_, text)| without_references(text.trim()).into_owned());
        Page {
            title: line(Field::Title, TITLE_BYTES_MAX).unwrap_or_default(),
            description: line(Field::Description, DESCRIPTION_BYTES_MAX).unwrap_or_default(),
            image: image.filter(|image| image.len() <= ADDRESS_BYTES_MAX),
        }
    }
}

/// A tag's attributes (HTML, 13.1.2.3), with their values as they stand there.
struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let len = rest
            .char_indices()
            .find(|(at, c)| c.is_ascii_whitespace() || *c == '/' || (*c == '=' && *at > 0))
            .map_or(rest.len(), |(at, _)| at);
        let (name, after) = rest.split_at(len);
        if name.is_empty() {
            return None;
        }
        let Some(value) = after.trim_ascii_start().strip_prefix('=') else {
            self.rest = after;
            return Some((name, ""));
        };
        let value = value.trim_ascii_start();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (value, behind) = match quote {
            Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            None => {
                value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len()))
            }
        };
        self.rest = behind;
        Some((name, value))
    }
}

/// Bytes up to the tag's `>`, which may also stand in a quoted value.
fn tag_len(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            // Elsewhere than behind `=` it is part of a name.
            (None, b'"' | b'\'') if tag[..at].trim_ascii_end().ends_with('=') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    tag.len()
}

fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, behind)| behind)
}

/// What stands before `</name`, and what behind.
fn until_end_tag<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let (start, end) = (from + at, from + at + 2 + name.len());
        if text.get(start + 2..end).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return (&text[..start], &text[end..]);
        }
        from = start + 2;
    }
    (text, "")
}

/// Without control characters, and with one space for any white space.
fn one_line(text: &str, bytes_max: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !TURNS.contains(c)));
        if line.len() > bytes_max {
            line.truncate(line.floor_char_boundary(bytes_max));
            break;
        }
    }
    line.truncate(line.trim_end().len());
    line
}

const NAMES: [(&str, Source, Field); 10] = [
    ("og:title", Source::OpenGraph, Field::Title),
    ("og:description", Source::OpenGraph, Field::Description),
    ("og:image", Source::OpenGraph, Field::Image),
    ("og:image:url", Source::OpenGraph, Field::Image),
    ("og:image:secure_url", Source::OpenGraph, Field::Image),
    ("twitter:title", Source::Twitter, Field::Title),
    ("twitter:description", Source::Twitter, Field::Description),
    ("twitter:image", Source::Twitter, Field::Image),
    ("twitter:image:src", Source::Twitter, Field::Image),
    ("description", Source::Html, Field::Description),
];
/// Elements whose content is no markup.
const RAW: [&str; 5] = ["script", "style", "noscript", "template", "textarea"];
/// They turn the direction of what stands around them (Unicode UAX 9, 2).
const TURNS: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, title: &str, description: &str, image: Option<&str>) {
        let page = read(html.as_bytes(), None);
        let expected = Page {
            title: title.to_owned(),
            description: description.to_owned(),
            image: image.map(str::to_owned),
        };
        assert_eq!(page, expected, "{html}");
    }

    #[test]
    fn open_graph_counts_before_html() {
        check(
            "<!DOCTYPE html><html><head><title>Plain</title>\
             <meta name=description content='Said &amp; done'>\
             <META property=\"og:title\" content=\"The &quot;title&quot;\" />\
             <meta content=/a.png property=og:image></head><body>",
            "The \"title\"",
            "Said & done",
            Some("/a.png"),
        );
        check("<title> Only\n a&#x20;title&#128522;</TITLE >", "Only a title😊", "", None);
        check("<meta name='twitter:title' content='T'><title>H</title>", "T", "", None);
    }

    #[test]
    fn what_is_no_markup_of_the_head_is_passed_over() {
        check(
            "<!-- <title>no</title> --><script>var a='<title>no</title>'</script>\
             <style>a>b{}</style><meta property='og:title' content='a > b'><title>x</title>",
            "a > b",
            "",
            None,
        );
        check("<head></head><title>late</title>", "", "", None);
        check("<body><title>late</title>", "", "", None);
        check("<svg title><title>a</title>", "a", "", None);
    }

    #[test]
    fn what_never_ends_is_an_end() {
        for cut in
            ["<", "<!--", "<title", "<title>a", "<meta", "<meta content=\"", "<script>", "</"]
        {
            let page = read(cut.as_bytes(), None);
            assert_eq!(page.image, None, "{cut}");
        }
        let deep = "<meta ".repeat(100_000);
        read(deep.as_bytes(), None);
        let quotes = "<meta a='".repeat(50_000);
        read(quotes.as_bytes(), None);
    }

    #[test]
    fn lines_are_cut_between_characters() {
        let page = read(format!("<title>{}</title>", "é".repeat(600)).as_bytes(), None);
        assert_eq!(page.title, "é".repeat(256));
        check("<title>a\u{202e}b\u{7}c</title>", "ab c", "", None);
    }
}
