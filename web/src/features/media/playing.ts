// One voice is heard at a time.
let heard: HTMLAudioElement | null = null;

export async function play(audio: HTMLAudioElement): Promise<void> {
  if (heard !== audio) heard?.pause();
  heard = audio;
  await audio.play();
}
