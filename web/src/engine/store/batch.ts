// What one step changes, and what it reads meanwhile: the store as it will be.

import { nameOf } from "./memory";
import type { Batch, Key, Range, Reader, Row, Table } from "./store";

/** One change of a batch. */
export type Step =
  | { kind: "put"; table: Table; key: Key; value: unknown }
  | { kind: "delete"; table: Table; key: Key | IDBKeyRange };

export class OpenBatch implements Batch {
  /** The newest of each key. What a range deletes goes before them: a key that it covers is forgotten here. */
  readonly #steps = new Map<string, Step & { key: Key }>();
  readonly #ranges: { table: Table; key: IDBKeyRange }[] = [];
  /** Of the messages that are put: where they lie by their ids. */
  readonly #messages = new Map<string, Step & { kind: "put"; key: Key }>();
  readonly #kept: Reader;
  readonly #commit: (steps: Step[]) => Promise<void>;

  /** @param kept what is kept so far. */
  constructor(kept: Reader, commit: (steps: Step[]) => Promise<void>) {
    this.#kept = kept;
    this.#commit = commit;
  }

  put(table: Table, key: Key, value: unknown): Batch {
    const step = { kind: "put", table, key, value } as const;
    this.#steps.set(nameOf(table, key), step);
    if (table === "messages") this.#messages.set(messageName(key, (value as { id: string }).id), step);
    return this;
  }

  delete(table: Table, key: Key): Batch {
    this.#steps.set(nameOf(table, key), { kind: "delete", table, key });
    return this;
  }

  deleteRange(table: Table, range: Omit<Range, "reverse" | "count">): Batch {
    const bounds = bounded(range);
    if (bounds === "empty") return this;
    const key = bounds ?? IDBKeyRange.lowerBound(Number.NEGATIVE_INFINITY);
    this.#ranges.push({ table, key });
    for (const [name, step] of this.#steps) if (step.table === table && key.includes(step.key)) this.#steps.delete(name);
    return this;
  }

  commit(): Promise<void> {
    const ranges = this.#ranges.map((range): Step => ({ kind: "delete", ...range }));
    return this.#commit([...ranges, ...this.#steps.values()]);
  }

  async get<T>(table: Table, key: Key): Promise<T | undefined> {
    const step = this.#steps.get(nameOf(table, key));
    if (step) return step.kind === "put" ? (step.value as T) : undefined;
    return this.#isCut(table, key) ? undefined : this.#kept.get<T>(table, key);
  }

  async message<T extends { id: string }>(chat: string, id: string): Promise<Row<T> | undefined> {
    const put = this.#messages.get(messageName([chat], id));
    if (put && this.#steps.get(nameOf("messages", put.key)) === put) return { key: put.key, value: put.value as T };
    const kept = await this.#kept.message<T>(chat, id);
    return kept && this.#isTouched("messages", kept.key) ? undefined : kept;
  }

  async range<T>(table: Table, range: Range = {}): Promise<Row<T>[]> {
    const changed = this.#changed<T>(table, range);
    // A whole range may be gone: then the count says nothing of how many must be read.
    const isCut = this.#ranges.some((cut) => cut.table === table);
    const { count, ...unbounded } = range;
    const asked = count === undefined || isCut ? unbounded : { ...unbounded, count: count + changed.touched };
    const kept = await this.#kept.range<T>(table, asked);
    const rows = kept.filter((row) => !this.#isTouched(table, row.key)).concat(changed.rows);
    const direction = range.reverse ? -1 : 1;
    rows.sort((one, other) => direction * indexedDB.cmp(one.key, other.key));
    return count === undefined ? rows : rows.slice(0, count);
  }

  /** The rows of a range that this batch puts, and how many it changes. */
  #changed<T>(table: Table, range: Range): { rows: Row<T>[]; touched: number } {
    const bounds = bounded(range);
    const rows: Row<T>[] = [];
    let touched = 0;
    if (bounds === "empty") return { rows, touched };
    for (const step of this.#steps.values()) {
      if (step.table !== table || (bounds && !bounds.includes(step.key))) continue;
      touched++;
      if (step.kind === "put") rows.push({ key: step.key, value: step.value as T });
    }
    return { rows, touched };
  }

  #isTouched(table: Table, key: Key): boolean {
    return this.#steps.has(nameOf(table, key)) || this.#isCut(table, key);
  }

  #isCut(table: Table, key: Key): boolean {
    return this.#ranges.some((cut) => cut.table === table && cut.key.includes(key));
  }
}

function messageName(key: Key, id: string): string {
  return `${String((key as string[])[0])} ${id}`;
}

/** @returns null for the whole table. */
export function bounded(range: Range): IDBKeyRange | null | "empty" {
  // Arrays sort behind text and numbers: [...prefix, []] is behind all that begin with the prefix.
  const lower = range.after ?? range.prefix;
  const upper = range.before ?? (range.prefix && [...range.prefix, []]);
  if (lower === undefined && upper === undefined) return null;
  const isLowerOpen = range.after !== undefined;
  if (upper === undefined) return IDBKeyRange.lowerBound(lower, isLowerOpen);
  if (lower === undefined) return IDBKeyRange.upperBound(upper, true);
  if (indexedDB.cmp(lower, upper) >= 0) return "empty";
  return IDBKeyRange.bound(lower, upper, isLowerOpen, true);
}
