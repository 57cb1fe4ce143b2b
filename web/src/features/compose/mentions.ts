// Mentions: people see "@Ada", what is sent says "@k7qm2xw4p9ab".

export interface Person { account: string; name: string }

/** The unfinished mention at the caret: what stands behind the "@", and where. */
export function mentionAt(text: string, caret: number): { words: string; start: number } | null {
  const before = text.slice(0, caret);
  const found = /(?:^|\s)@([\p{L}\p{N}_.'-]{0,40})$/u.exec(before);
  return found ? { words: found[1]!, start: caret - found[1]!.length - 1 } : null;
}

/** Those whose name has a word that begins so. */
export function suggest(people: readonly Person[], words: string, countMax: number): Person[] {
  const wanted = words.toLocaleLowerCase();
  return people.filter(({ name }) => name.toLocaleLowerCase().split(/\s+/).some((word) => word.startsWith(wanted)) || name.toLocaleLowerCase().startsWith(wanted)).slice(0, countMax);
}

/** Names become ids; only those that were chosen. Longer names first: "@Ada L" before "@Ada". */
export function toSent(text: string, chosen: readonly Person[]): { text: string; mentions: string[] } {
  const mentions: string[] = [];
  let sent = text;
  for (const { account, name } of chosen.toSorted((a, b) => b.name.length - a.name.length)) {
    if (!sent.includes(`@${name}`)) continue;
    sent = sent.replaceAll(`@${name}`, `@${account}`);
    if (!mentions.includes(account)) mentions.push(account);
  }
  return { text: sent, mentions };
}

/** Ids become names, for editing. */
export function toWritten(text: string, people: readonly Person[]): string {
  return people.reduce((written, { account, name }) => written.replaceAll(`@${account}`, `@${name}`), text);
}
