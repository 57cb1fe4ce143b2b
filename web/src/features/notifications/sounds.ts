// Small sounds, made as they are needed: two notes for a message, a soft one where its chat is on screen.

export type Sound = "message" | "here" | "ring";

let context: AudioContext | undefined;
let lastMs = 0;

/** Plays it, unless one has just been played; before the user has done anything the browser keeps silent. */
export function play(sound: Sound): void {
  const nowMs = performance.now();
  if (nowMs - lastMs < REST_MS) return;
  lastMs = nowMs;
  try {
    context ??= new AudioContext();
    const { state } = context;
    if (state === "suspended") void context.resume().catch(() => undefined);
    NOTES[sound].forEach((note) => context && tone(context, note));
  } catch {
    // Without sound all else goes on.
  }
}

/** Rings until it is ended. @returns what ends it */
export function ring(): () => void {
  play("ring");
  const timer = setInterval(() => play("ring"), RING_EVERY_MS);
  return () => clearInterval(timer);
}

interface Note { hertz: number; atS: number; lastsS: number; loud: number }

function tone(audio: AudioContext, { hertz, atS, lastsS, loud }: Note): void {
  const start = audio.currentTime + atS;
  const voice = new OscillatorNode(audio, { type: "sine", frequency: hertz });
  const gain = new GainNode(audio, { gain: 0 });
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(loud, start + 0.012);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + lastsS);
  voice.connect(gain).connect(audio.destination);
  voice.start(start);
  voice.stop(start + lastsS);
}

/** Like the bird's call: a few rising notes. */
const NOTES: Record<Sound, Note[]> = {
  message: [
    { hertz: 880, atS: 0, lastsS: 0.16, loud: 0.16 },
    { hertz: 1174.7, atS: 0.1, lastsS: 0.16, loud: 0.16 },
    { hertz: 1318.5, atS: 0.2, lastsS: 0.3, loud: 0.12 },
  ],
  ring: [0, 0.22, 0.44, 0.66].flatMap((atS) => [
    { hertz: 783.99, atS, lastsS: 0.2, loud: 0.18 },
    { hertz: 1046.5, atS: atS + 0.11, lastsS: 0.24, loud: 0.18 },
  ]),
  here: [{ hertz: 659.3, atS: 0, lastsS: 0.14, loud: 0.06 }],
};
/** Many messages at once make one sound. */
const REST_MS = 1_200;
const RING_EVERY_MS = 2_500;
