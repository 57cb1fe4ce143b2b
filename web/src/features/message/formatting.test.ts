import { expect, test } from "vitest";
import { parseText, plainText, type Block, type Span } from "./formatting";

/** Written so that it can be read: <b>…</b> for bold and so on. */
function shown(blocks: Block[]): string {
  const span = (one: Span): string => {
    switch (one.kind) {
      case "text": return one.text;
      case "code": return `<code>${one.text}</code>`;
      case "link": return `<a ${one.url}>${one.text}</a>`;
      case "mention": return `<@${one.account} ${one.text}>`;
      case "styled": return `<${one.style[0]}>${one.spans.map(span).join("")}</${one.style[0]}>`;
    }
  };
  return blocks.map((block) => (block.kind === "code-block" ? `<pre>${block.text}</pre>` : (block.kind === "quote" ? "> " : "") + block.spans.map(span).join(""))).join("\n");
}

function check(text: string, expected: string) {
  expect(shown(parseText(text, new Map([["k7qm", "Ada"]])))).toBe(expected);
}

test("styles", () => check("*bold* _italic_ ~gone~ `x*y*`", "<b>bold</b> <i>italic</i> <s>gone</s> <code>x*y*</code>"));
test("styles within styles", () => check("*very _much_ so*", "<b>very <i>much</i> so</b>"));
test("marks inside words are letters", () => check("snake_case_name 2*3*4", "snake_case_name 2*3*4"));
test("marks beside space are letters", () => check("a * b * c", "a * b * c"));
test("an unclosed mark is a letter", () => check("*not bold", "*not bold"));
test("punctuation may follow", () => check("(*so*), _yes_!", "(<b>so</b>), <i>yes</i>!"));
test("links keep their underscores", () => check("see https://example.org/a_b_c now", "see <a https://example.org/a_b_c>https://example.org/a_b_c</a> now"));
test("a name of a site is a link", () => check("example.org", "<a https://example.org>example.org</a>"));
test("only pages and letters are links", () => check("javascript:alert(1)", "javascript:alert(1)"));
test("quotes and lines", () => check("> said\nanswer", "> said\nanswer"));
test("a block of code", () => check("look:\n```\nlet *x*\n```\nend", "look:\n<pre>let *x*</pre>\nend"));
test("an unclosed block is text", () => check("```let", "```let"));
test("mentions of those that are meant", () => check("hi @k7qm and @other", "hi <@k7qm @Ada> and @other"));
test("nothing is HTML", () => check("<b>x</b>", "<b>x</b>"));
test("deep nesting ends", () => expect(() => parseText("*_~".repeat(10_000))).not.toThrow());

test("a preview has no marks", () => expect(plainText("*hello*\n> `x`")).toBe("hello x"));
