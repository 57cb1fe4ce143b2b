// How loud a microphone is.

/** @param tell from 0 to 1, some times a second @returns what ends it */
export function levelOf(track: MediaStreamTrack, tell: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 512 });
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    tell(Math.min(1, Math.sqrt(power) * LOUD));
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}

const EVERY_MS = 100;
/** A voice at arm's length fills most of the bar. */
const LOUD = 4;
