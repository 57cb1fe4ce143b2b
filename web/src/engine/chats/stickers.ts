// The user's own stickers: those that were kept from messages, and those made from photos. Own devices
// agree on them (docs/protocol/envelope.md, "Among own devices").

import type { OwnBody } from "../content/envelope";
import { later, type Later, type Stamp } from "../content/row";
import type { Media } from "../media/media";
import type { Part } from "../parts";
import type { Sticker } from "../protocol";
import { Refusal } from "../refusal";
import type { Batch } from "../store/store";
import type { Desk } from "./desk";
import type { OwnLog } from "./own-log";

export type StickerBody = OwnBody & { kind: "tray" };
type Names = "stickers" | "keepSticker" | "makeSticker";

export class Stickers implements Part<Names> {
  readonly #desk: Desk;
  readonly #ownLog: OwnLog;
  readonly #media: Media | undefined;

  constructor(desk: Desk, ownLog: OwnLog, media: Media | undefined) {
    this.#desk = desk;
    this.#ownLog = ownLog;
    this.#media = media;
  }

  readonly commands: Part<Names>["commands"] = {
    stickers: () => this.#all(),
    keepSticker: (sticker, isKept) => this.#keep(sticker, isKept),
    makeSticker: (image, width, height) => this.#make(image, width, height),
  };

  /** The newest first. */
  async #all(): Promise<Sticker[]> {
    const rows = await this.#desk.context.store.range<Later<StickerBody>>("meta", { prefix: [STICKER] });
    const kept = rows.map(({ value }) => value).filter(({ value }) => value.kept);
    kept.sort((one, other) => (one.order < other.order ? 1 : -1));
    return kept.map(({ value: { file, width, height } }) => ({ file, width, height }));
  }

  async #keep({ file, width, height }: Sticker, kept: boolean): Promise<void> {
    if (kept && (await this.#all()).length >= STICKERS_MAX) throw new Refusal("too-many-stickers", `there are ${STICKERS_MAX} stickers at most`);
    if (kept) await this.#media?.refer(file).catch(() => undefined);
    await this.#ownLog.say({ kind: "tray", file, width, height, kept });
  }

  async #make(image: Blob, width: number, height: number): Promise<Sticker> {
    if (!this.#media) throw new Refusal("not-allowed", "files cannot be sent");
    const file = await this.#media.upload(image, { name: "", type: image.type || "image/webp" });
    const sticker = { file, width, height };
    await this.#keep(sticker, true);
    return sticker;
  }
}

/** Of one sticker the latest counts. */
export async function takeSticker(batch: Batch, body: StickerBody, stamp: Stamp): Promise<void> {
  const key = [STICKER, body.file.digest];
  const known = await batch.get<Later<StickerBody>>("meta", key);
  batch.put("meta", key, later(known, stamp, body));
}

export const STICKER = "sticker";
const STICKERS_MAX = 200;
