// An emoji on a colour, drawn as a picture.
import { toBlob } from "../compose/prepare";

const SIDE_PX = 512;

export const ICON_COLOURS = [
  { name: "tide", css: "#8fd3c8" },
  { name: "dusk", css: "#a9c8f5" },
  { name: "heather", css: "#cdb4f0" },
  { name: "rose", css: "#f3b5cd" },
  { name: "coral", css: "#f6b29f" },
  { name: "amber", css: "#f7cf7e" },
  { name: "moss", css: "#c3d98a" },
  { name: "sand", css: "#e6d6b4" },
  { name: "slate", css: "#b5c0c4" },
] as const;

export function drawIcon(emoji: string, colour: string): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE_PX;
  const context = canvas.getContext("2d")!;
  context.fillStyle = colour;
  context.fillRect(0, 0, SIDE_PX, SIDE_PX);
  context.font = `${SIDE_PX * 0.55}px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  // Fonts set emoji at different heights: the middle of what is drawn counts.
  const drawn = context.measureText(emoji);
  context.fillText(emoji, SIDE_PX / 2, SIDE_PX / 2 + (drawn.actualBoundingBoxAscent - drawn.actualBoundingBoxDescent) / 2);
  return toBlob(canvas, "image/jpeg", 0.9);
}
