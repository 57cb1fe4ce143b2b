// Records the microphone, and notes its loudness for the waveform.
import { shorten } from "../media/waveform";

export interface Recorded { file: Blob; durationMs: number; waveform: number[] }

/** Of those that the browser can write, the first. Ogg and MP4 play everywhere; WebM in most. */
const TYPES = ["audio/mp4", "audio/ogg;codecs=opus", "audio/webm;codecs=opus"];
const WAVEFORM_BARS = 64;
const LOOK_EACH_MS = 80;
const BITS_PER_S = 32_000;

export class Recording {
  readonly #recorder: MediaRecorder;
  readonly #stream: MediaStream;
  readonly #audio: AudioContext;
  readonly #parts: Blob[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  readonly peaks: number[] = [];
  readonly #startedAt = Date.now();

  /** @throws where the microphone is not allowed. @param look is told each new peak. */
  static async start(look: (peaks: readonly number[], durationMs: number) => void): Promise<Recording> {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
    return new Recording(stream, look);
  }

  private constructor(stream: MediaStream, look: (peaks: readonly number[], durationMs: number) => void) {
    this.#stream = stream;
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.#recorder = new MediaRecorder(stream, { ...(mimeType ? { mimeType } : {}), audioBitsPerSecond: BITS_PER_S });
    this.#recorder.addEventListener("dataavailable", ({ data }) => this.#parts.push(data));
    this.#recorder.start(1000);
    this.#audio = new AudioContext();
    const analyser = this.#audio.createAnalyser();
    this.#audio.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      this.peaks.push(samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
      look(this.peaks, Date.now() - this.#startedAt);
    }, LOOK_EACH_MS);
  }

  async stop(): Promise<Recorded> {
    const durationMs = Date.now() - this.#startedAt;
    const stopped = new Promise((resolve) => this.#recorder.addEventListener("stop", resolve, { once: true }));
    this.#recorder.stop();
    await stopped;
    this.#release();
    return { file: new Blob(this.#parts, { type: this.#recorder.mimeType.split(";")[0] || "audio/webm" }), durationMs, waveform: shorten(this.peaks, WAVEFORM_BARS) };
  }

  discard(): void {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    this.#release();
  }

  #release(): void {
    clearInterval(this.#timer);
    for (const track of this.#stream.getTracks()) track.stop();
    void this.#audio.close().catch(() => {});
  }
}
