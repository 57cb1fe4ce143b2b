// Formatting of what is selected in the text that is being written.

export interface Edit { text: string; start: number; end: number }

/** Puts the mark around the selection, or takes it away where it stands already. */
export function toggleMark({ text, start, end }: Edit, mark: string): Edit {
  const selected = text.slice(start, end);
  if (text.slice(start - mark.length, start) === mark && text.slice(end, end + mark.length) === mark) {
    return { text: text.slice(0, start - mark.length) + selected + text.slice(end + mark.length), start: start - mark.length, end: end - mark.length };
  }
  return { text: text.slice(0, start) + mark + selected + mark + text.slice(end), start: start + mark.length, end: end + mark.length };
}

export function insert({ text, start, end }: Edit, added: string): Edit {
  const at = start + added.length;
  return { text: text.slice(0, start) + added + text.slice(end), start: at, end: at };
}
