// Groups of the app's engine and of openmls, changed at random: all epochs, trees and secrets agree,
// and messages cross. `WHIMBREL_MLS_CLIENT` names the binary of tests/mls-client.

import { env } from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { base64, OpenMls } from "./openmls";
import { OwnMember } from "./own";
import type { Made, Member } from "./member";

const BINARY = env["WHIMBREL_MLS_CLIENT"];
const GROUP = "x1y2z3a4b5c6@groups.example.org";
const SEEDS = Number(env["WHIMBREL_MLS_SEEDS"] ?? 8);
const COMMITS = 130;
/** It takes a few seconds; machines that are busy need longer. */
const TIMEOUT_MS = 180_000;
const MEMBERS_MAX = 6;

describe.skipIf(!BINARY)(`random groups with openmls${BINARY ? "" : " (WHIMBREL_MLS_CLIENT names no binary: skipped)"}`, () => {
  let openmls: OpenMls;
  beforeAll(() => {
    openmls = new OpenMls(BINARY!);
  });
  afterAll(() => openmls.end());

  test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))("seed %i", { timeout: TIMEOUT_MS }, async (seed) => {
    const group = new RandomGroup(openmls, seed);
    await group.found();
    while (group.commits < COMMITS) await group.step();
    expect(group.kinds).toEqual(new Set(["add", "remove", "update", "external", "back", "raced"]));
  });
});

class RandomGroup {
  commits = 0;
  readonly kinds = new Set<string>();
  #members: Member[] = [];
  #groupInfo = new Uint8Array();
  #made = 0;

  constructor(private readonly openmls: OpenMls, private readonly seed: number) {
    this.#random = mulberry32(seed);
  }
  readonly #random: () => number;

  async found(): Promise<void> {
    const founder = await this.#newMember();
    this.#members = [founder];
    this.#groupInfo = (await founder.found(GROUP)).groupInfo.slice();
  }

  async step(): Promise<void> {
    const kind = this.#below(10);
    const count = this.#members.length;
    if (count < 2 || (kind < 3 && count < MEMBERS_MAX)) await this.#add();
    else if (kind < 5 && count > 2) await this.#remove();
    else if (kind === 5 && count < MEMBERS_MAX) await this.#external(await this.#newMember(), "external");
    else if (kind === 6) await this.#external(this.#pick(), "back");
    else if (kind === 7) await this.#race();
    else await this.#update();
    await this.#agree();
    if (this.#below(2) === 0) await this.#talk();
    for (const member of this.#members) {
      if (member instanceof OwnMember && this.#below(8) === 0) member.reload();
    }
  }

  async #add(): Promise<void> {
    const newcomers: Member[] = [];
    for (let more = 1 + this.#below(3); more > 0; more--) newcomers.push(await this.#newMember());
    const packages = await Promise.all(newcomers.map((member) => member.keyPackage()));
    const committer = this.#pick();
    const leaving = this.#members.length > 2 && this.#below(4) === 0 ? [this.#pick(committer)] : [];
    const made = await committer.commit(GROUP, packages, leaving.map(({ identity }) => identity));
    await this.#take(committer, made);
    this.#drop(leaving);
    const tree = await committer.tree(GROUP);
    for (const member of newcomers) await member.join(GROUP, made.welcome!, tree);
    this.#members.push(...newcomers);
    this.#note("add");
  }

  async #remove(): Promise<void> {
    const committer = this.#pick();
    const gone = [this.#pick(committer)];
    await this.#take(committer, await committer.commit(GROUP, [], gone.map(({ identity }) => identity)));
    this.#drop(gone);
    this.#note("remove");
  }

  async #update(): Promise<void> {
    const committer = this.#pick();
    await this.#take(committer, await committer.commit(GROUP, [], []));
    this.#note("update");
  }

  /** Two commit in one epoch: the server takes the first. */
  async #race(): Promise<void> {
    const committer = this.#pick();
    const second = this.#pick(committer);
    const made = await committer.commit(GROUP, [], []);
    await second.commit(GROUP, [], []);
    await second.refused(GROUP);
    await this.#take(committer, made);
    this.#note("raced");
  }

  async #external(comer: Member, kind: "external" | "back"): Promise<void> {
    const made = await comer.joinExternally(GROUP, this.#groupInfo, await this.#pick(comer).tree(GROUP));
    this.#drop([comer]);
    await this.#deliver(made, undefined);
    this.#members.push(comer);
    this.#note(kind);
  }

  async #take(committer: Member, made: Made): Promise<void> {
    await this.#deliver(made, committer);
    await committer.accepted(GROUP);
  }

  async #deliver({ handshake, groupInfo }: Made, committer: Member | undefined): Promise<void> {
    for (const member of this.#members) {
      if (member !== committer) expect(await member.receive(GROUP, handshake!)).toMatch(/^(epoch \d+|removed)$/);
    }
    this.#groupInfo = groupInfo.slice();
  }

  async #agree(): Promise<void> {
    const [first, ...others] = this.#members;
    const [shown, tree] = [await first!.show(GROUP), base64(await first!.tree(GROUP))];
    expect(shown.members.slice().sort()).toEqual(this.#members.map(({ identity }) => identity).sort());
    for (const member of others) {
      expect(await member.show(GROUP), member.identity).toEqual(shown);
      expect(base64(await member.tree(GROUP)) === tree, `the tree of ${member.identity}`).toBe(true);
    }
  }

  async #talk(): Promise<void> {
    const author = this.#pick();
    const text = `message ${this.commits} of ${author.identity}`;
    const message = await author.send(GROUP, text);
    for (const member of this.#members) {
      if (member !== author) expect(await member.receive(GROUP, message)).toBe(`${author.identity}: ${text}`);
    }
  }

  /** About every other device is of openmls. */
  async #newMember(): Promise<Member> {
    const device = `${this.seed}-${++this.#made}`;
    return this.#below(2) === 0 ? new OwnMember(ACCOUNT, device) : this.openmls.member(ACCOUNT, device);
  }

  #note(kind: string): void {
    this.kinds.add(kind);
    this.commits++;
  }

  #drop(gone: Member[]): void {
    this.#members = this.#members.filter((member) => !gone.includes(member));
  }

  #pick(but?: Member): Member {
    const among = this.#members.filter((member) => member !== but);
    return among[this.#below(among.length)]!;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}

const ACCOUNT = "k7qm2xw4p9ab";

/** A small generator of random numbers with a seed: Tommy Ettinger's mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
