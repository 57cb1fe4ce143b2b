// What one step changes, and what it reads meanwhile: the store as it will be.

import type { Batch, Key, Range, Reader, Row, Table } from "./store";

/** One change of a batch. */
export type Step =
  | { kind: "put"; table: Table; key: Key; value: unknown }
  | { kind: "delete"; table: Table; key: Key | IDBKeyRange };

export class OpenBatch implements Batch {
  readonly #steps: Step[] = [];
  readonly #kept: Reader;
  readonly #commit: (steps: Step[]) => Promise<void>;

  /** @param kept what is kept so far. */
  constructor(kept: Reader, commit: (steps: Step[]) => Promise<void>) {
    this.#kept = kept;
    this.#commit = commit;
  }

  put(table: Table, key: Key, value: unknown): Batch {
    this.#steps.push({ kind: "put", table, key, value });
    return this;
  }

  delete(table: Table, key: Key): Batch {
    this.#steps.push({ kind: "delete", table, key });
    return this;
  }

  deleteRange(table: Table, range: Omit<Range, "reverse" | "count">): Batch {
    const bounds = bounded(range);
    if (bounds === "empty") return this;
    this.#steps.push({ kind: "delete", table, key: bounds ?? IDBKeyRange.lowerBound(Number.NEGATIVE_INFINITY) });
    return this;
  }

  commit(): Promise<void> {
    return this.#commit(this.#steps);
  }

  async get<T>(table: Table, key: Key): Promise<T | undefined> {
    const step = this.#newest(table, key);
    if (!step) return this.#kept.get<T>(table, key);
    return step.kind === "put" ? (step.value as T) : undefined;
  }

  async message<T extends { id: string }>(chat: string, id: string): Promise<Row<T> | undefined> {
    for (const row of this.#changed<T>("messages", { prefix: [chat] })) {
      if (row.value.id === id) return row;
    }
    const kept = await this.#kept.message<T>(chat, id);
    return kept && this.#newest("messages", kept.key) ? undefined : kept;
  }

  async range<T>(table: Table, range: Range = {}): Promise<Row<T>[]> {
    const touched = this.#steps.filter((step) => step.table === table).length;
    // A whole range may be gone: then the count says nothing of how many must be read.
    const isCut = this.#steps.some((step) => step.table === table && step.key instanceof IDBKeyRange);
    const { count, ...unbounded } = range;
    const asked = count === undefined || isCut ? unbounded : { ...unbounded, count: count + touched };
    const kept = await this.#kept.range<T>(table, asked);
    const rows = kept.filter((row) => !this.#newest(table, row.key)).concat(this.#changed<T>(table, range));
    const direction = range.reverse ? -1 : 1;
    rows.sort((one, other) => direction * indexedDB.cmp(one.key, other.key));
    return count === undefined ? rows : rows.slice(0, count);
  }

  /** The rows of a range that this batch puts, and that stay. */
  #changed<T>(table: Table, range: Range): Row<T>[] {
    const bounds = bounded(range);
    if (bounds === "empty") return [];
    const rows: Row<T>[] = [];
    for (const step of this.#steps) {
      if (step.kind !== "put" || step.table !== table || this.#newest(table, step.key) !== step) continue;
      if (!bounds || bounds.includes(step.key)) rows.push({ key: step.key, value: step.value as T });
    }
    return rows;
  }

  #newest(table: Table, key: Key): Step | undefined {
    return this.#steps.findLast((step) => step.table === table && concerns(step, key));
  }
}

function concerns(step: Step, key: Key): boolean {
  return step.key instanceof IDBKeyRange ? step.key.includes(key) : indexedDB.cmp(step.key, key) === 0;
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
