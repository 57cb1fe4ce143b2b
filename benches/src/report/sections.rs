//! Sections of a Markdown file: from a heading of the second level to the next one.

/// `text` with the section of that heading replaced, or added behind all others.
pub fn replace(text: &str, heading: &str, section: &str) -> String {
    let line = format!("## {heading}");
    let mut parts = split(text);
    match parts.iter_mut().find(|part| part.lines().next() == Some(line.as_str())) {
        Some(part) => *part = section.trim_end().to_owned(),
        None => parts.push(section.trim_end().to_owned()),
    }
    if !text.trim_start().starts_with("# ") {
        parts.insert(0, TITLE.to_owned());
    }
    let parts = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// What stands before the first section, and the sections.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.starts_with("## ") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

const TITLE: &str = "# Results";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(replace(text, "Two", "## Two\n\nnew\n"), expected);
    }

    #[test]
    fn only_the_own_section_changes() {
        check("", "# Results\n\n## Two\n\nnew\n");
        check("# Results\n\n## One\n\na\n", "# Results\n\n## One\n\na\n\n## Two\n\nnew\n");
        check(
            "# Results\n\n## Two\nold\n### x\nold\n## Three\nc\n",
            "# Results\n\n## Two\n\nnew\n\n## Three\nc\n",
        );
    }
}
