// Cuts a picture's corners off: what is behind them is transparent.

/** Of the shorter side. */
const RADIUS = 0.14;

export function rounded(canvas: HTMLCanvasElement): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  context.resetTransform();
  // Whoever drew before may have filled with nothing.
  context.fillStyle = "#000";
  context.globalCompositeOperation = "destination-in";
  context.beginPath();
  context.roundRect(0, 0, canvas.width, canvas.height, Math.min(canvas.width, canvas.height) * RADIUS);
  context.fill();
}
