// Microphones, cameras and screens. Whoever has none, or does not let the page have it, takes part without.

export async function microphoneTrack(device?: string): Promise<MediaStreamTrack | null> {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...exactly(device) };
  return first(navigator.mediaDevices?.getUserMedia({ audio }));
}

export async function cameraTrack(device?: string): Promise<MediaStreamTrack | null> {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, ...exactly(device) };
  return first(navigator.mediaDevices?.getUserMedia({ video }));
}

export async function screenTrack(): Promise<MediaStreamTrack | null> {
  const track = await first(navigator.mediaDevices?.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false }));
  // Letters are to stay sharp.
  if (track) track.contentHint = "detail";
  return track;
}

export async function devicesOf(kind: MediaDeviceKind): Promise<MediaDeviceInfo[]> {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((device) => device.kind === kind && device.deviceId !== "");
}

async function first(asked: Promise<MediaStream> | undefined): Promise<MediaStreamTrack | null> {
  try {
    return (await asked)?.getTracks()[0] ?? null;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

function exactly(device: string | undefined): MediaTrackConstraints {
  return device === undefined ? {} : { deviceId: { exact: device } };
}
