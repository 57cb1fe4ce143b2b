// Text as people format it while they write: *bold*, _italic_, ~strike~, `code`, ```blocks```, > quotes, links, mentions.
// It becomes a tree that is drawn as elements; it never becomes HTML by itself.
import { find } from "linkifyjs";

export type Style = "bold" | "italic" | "strike";
export type Span =
  | { kind: "text"; text: string }
  | { kind: "styled"; style: Style; spans: Span[] }
  | { kind: "code"; text: string }
  | { kind: "link"; text: string; url: string }
  | { kind: "mention"; account: string; text: string };
export type Block = { kind: "line" | "quote"; spans: Span[] } | { kind: "code-block"; text: string };

const MARKS: Record<string, Style> = { "*": "bold", _: "italic", "~": "strike" };
/** Deeper ones are shown as they are written. */
const STYLE_DEPTH_MAX = 4;

/** @param mentions accounts that the text names as `@ID`, with what is shown for them. */
export function parseText(text: string, mentions: ReadonlyMap<string, string> = new Map()): Block[] {
  const blocks: Block[] = [];
  let from = 0;
  for (const found of text.matchAll(CODE_BLOCK)) {
    blocks.push(...parseLines(text.slice(from, found.index).replace(/\n$/, ""), mentions));
    blocks.push({ kind: "code-block", text: found[1]! });
    from = found.index + found[0].length;
  }
  blocks.push(...parseLines(text.slice(from), mentions));
  return blocks;
}

const CODE_BLOCK = /```\n?([^`]+?)\n?```\n?/g;

function parseLines(text: string, mentions: ReadonlyMap<string, string>): Block[] {
  if (text === "") return [];
  return text.split("\n").map((line) => {
    const quoted = /^> ?(.*)$/.exec(line);
    return { kind: quoted ? "quote" : "line", spans: parseLine(quoted?.[1] ?? line, mentions) };
  });
}

/** Whether all of a text is drawn as it is written. */
export function isUnmarked(text: string): boolean {
  return !/[*_~`>\n]|[.:@]\S/.test(text);
}

/** What remains of a text without its marks, on one line. */
export function plainText(text: string): string {
  const blocks: Block[] = isUnmarked(text) ? [{ kind: "line", spans: [{ kind: "text", text }] }] : parseText(text);
  return blocks
    .map((block) => (block.kind === "code-block" ? block.text : block.spans.map(spanText).join("")))
    .join(" ")
    .replace(/\s+/g, " ")
    .trim();
}

function spanText(span: Span): string {
  return span.kind === "styled" ? span.spans.map(spanText).join("") : span.text;
}

function parseLine(line: string, mentions: ReadonlyMap<string, string>): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const { start, end, value, href } of findLinks(line)) {
    spans.push(...parseStyles(line.slice(from, start), mentions, 0));
    spans.push({ kind: "link", text: value, url: href });
    from = end;
  }
  spans.push(...parseStyles(line.slice(from), mentions, 0));
  return spans;
}

/** Only what opens a page, a letter or a call. */
function findLinks(line: string): { start: number; end: number; value: string; href: string }[] {
  if (!/[.:@]\S/.test(line)) return [];
  return find(line, { defaultProtocol: "https" }).filter(({ href }) => /^(https?:\/\/|mailto:)/i.test(href));
}

function parseStyles(text: string, mentions: ReadonlyMap<string, string>, depth: number): Span[] {
  const spans: Span[] = [];
  let plain = "";
  const flush = () => {
    if (plain) spans.push(...parseMentions(plain, mentions));
    plain = "";
  };
  for (let i = 0; i < text.length; i++) {
    const mark = text[i]!;
    const end = mark === "`" || (mark in MARKS && depth < STYLE_DEPTH_MAX) ? closing(text, i) : -1;
    if (end < 0) {
      plain += mark;
      continue;
    }
    flush();
    const inner = text.slice(i + 1, end);
    if (mark === "`") spans.push({ kind: "code", text: inner });
    else spans.push({ kind: "styled", style: MARKS[mark]!, spans: parseStyles(inner, mentions, depth + 1) });
    i = end;
  }
  flush();
  return spans;
}

/** Where the mark at `at` is closed: both stand at the edge of a word, with something between. */
function closing(text: string, at: number): number {
  const mark = text[at]!;
  if (isWordChar(text[at - 1]) || text[at + 1] === undefined || /\s/.test(text[at + 1]!) || text[at + 1] === mark) return -1;
  for (let i = text.indexOf(mark, at + 2); i > 0; i = text.indexOf(mark, i + 1)) {
    if ((mark === "`" || !/\s/.test(text[i - 1]!)) && !isWordChar(text[i + 1])) return i;
  }
  return -1;
}

function isWordChar(char: string | undefined): boolean {
  return char !== undefined && /[\p{L}\p{N}]/u.test(char);
}

function parseMentions(text: string, mentions: ReadonlyMap<string, string>): Span[] {
  if (mentions.size === 0) return [{ kind: "text", text }];
  const spans: Span[] = [];
  let plain = "";
  // Splitting by a group keeps what it found.
  for (const part of text.split(/(@[a-z0-9]+)/)) {
    const shown = part.startsWith("@") ? mentions.get(part.slice(1)) : undefined;
    if (shown === undefined) {
      plain += part;
      continue;
    }
    if (plain) spans.push({ kind: "text", text: plain });
    plain = "";
    spans.push({ kind: "mention", account: part.slice(1), text: `@${shown}` });
  }
  if (plain) spans.push({ kind: "text", text: plain });
  return spans;
}
