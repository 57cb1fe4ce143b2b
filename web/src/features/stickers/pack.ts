// The stickers that come with the app: whimbrels, drawn for it. They are sent as pictures, like all others.
import type { Draft } from "../../engine/protocol";
import { toBlob } from "../compose/prepare";
import flower from "./pack/flower.svg";
import hello from "./pack/hello.svg";
import hurry from "./pack/hurry.svg";
import laugh from "./pack/laugh.svg";
import love from "./pack/love.svg";
import no from "./pack/no.svg";
import party from "./pack/party.svg";
import sad from "./pack/sad.svg";
import sleep from "./pack/sleep.svg";
import tea from "./pack/tea.svg";
import wow from "./pack/wow.svg";
import yes from "./pack/yes.svg";

export const PACK = { hello, love, laugh, wow, yes, no, tea, flower, party, hurry, sad, sleep };
export type PackName = keyof typeof PACK;

/** Width and height of a sticker, in pixels. */
export const STICKER_PX = 512;

/** A sticker of the pack, as it is sent. */
export async function drawn(name: PackName): Promise<Draft["content"]> {
  const image = new Image(STICKER_PX, STICKER_PX);
  image.src = PACK[name];
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = STICKER_PX;
  canvas.getContext("2d")!.drawImage(image, 0, 0, STICKER_PX, STICKER_PX);
  const file = await toBlob(canvas, "image/webp", 0.9);
  return { kind: "sticker", file, name: `${name}.webp`, caption: "", width: STICKER_PX, height: STICKER_PX };
}
