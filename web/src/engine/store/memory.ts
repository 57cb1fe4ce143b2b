// What was read or written last, decrypted, in memory. Each step of a conversation reads the same few rows, and each
// would be a question to another process and a key's. They lie here encoded: who changes a value that was read
// changes nothing here.

import type { Key, Row, Table } from "./store";

/** What a batch has written, or removed. */
export interface Change {
  table: Table;
  key: Key | IDBKeyRange;
  plain?: Uint8Array;
}

/** A row's value as it is before it is sealed; nothing where there is no such row. */
export type Plain = Uint8Array | undefined;

export class Memory {
  /** The oldest first. */
  readonly #rows = new Map<string, Plain>();
  /** Small tables that are read by ranges: all of them, or nothing. */
  readonly #whole = new Map<Table, Map<string, Row<Uint8Array>>>();
  /** Begun, and not ended. */
  #changing = 0;
  /** Ended. */
  #changes = 0;

  has(name: string): boolean {
    return this.#rows.has(name);
  }

  get(name: string): Plain {
    const plain = this.#rows.get(name);
    // It is the newest now.
    this.#rows.delete(name);
    this.#rows.set(name, plain);
    return plain;
  }

  /** All rows of a table, where they are known. */
  table(table: Table): Row<Uint8Array>[] | undefined {
    const rows = this.#whole.get(table);
    return rows && this.#changing === 0 ? [...rows.values()] : undefined;
  }

  /** Somebody reads the disk. @returns whether nothing has changed until then. */
  reading(): () => boolean {
    const changes = this.#changes;
    return () => this.#changing === 0 && this.#changes === changes;
  }

  note(name: string, plain: Plain): void {
    this.#rows.delete(name);
    if (plain && plain.length > ROW_BYTES_MAX) return;
    this.#rows.set(name, plain);
    if (this.#rows.size <= ROWS_MAX) return;
    for (const oldest of this.#rows.keys()) {
      this.#rows.delete(oldest);
      break;
    }
  }

  noteTable(table: Table, rows: Row<Uint8Array>[]): void {
    this.#whole.set(table, new Map(rows.map((row) => [nameOf(table, row.key), row])));
  }

  /** A batch is about to be written: what it changes is read from the disk until that is done.
   *  @returns what ends it. */
  changing(steps: Change[]): (isKept: boolean) => void {
    this.#changing++;
    for (const { table, key } of steps) {
      if (!(key instanceof IDBKeyRange)) this.#rows.delete(nameOf(table, key));
    }
    if (steps.some(({ key }) => key instanceof IDBKeyRange)) this.forget();
    return (isKept) => {
      this.#changing--;
      this.#changes++;
      if (isKept) steps.forEach((step) => this.#take(step));
      else this.forget();
    };
  }

  forget(): void {
    this.#rows.clear();
    this.#whole.clear();
  }

  #take({ table, key, plain }: Change): void {
    if (key instanceof IDBKeyRange) return;
    const name = nameOf(table, key);
    // Another batch that is being written may change it once more.
    if (this.#changing === 0 && isRemembered(table)) this.note(name, plain);
    else this.#rows.delete(name);
    const rows = this.#whole.get(table);
    if (!rows) return;
    if (plain) rows.set(name, { key, value: plain });
    else rows.delete(name);
  }
}

export function nameOf(table: Table, key: Key): string {
  return JSON.stringify([table, key]);
}

/** Tables of which rows are asked for again and again. */
export function isRemembered(table: Table): boolean {
  return table !== "messages" && table !== "search" && table !== "files";
}

/** A table that is small, and read by ranges at each step. */
export function isHeldWhole(table: Table): boolean {
  return table === "outbox";
}

const ROWS_MAX = 500;
const ROW_BYTES_MAX = 64 * 1024;
