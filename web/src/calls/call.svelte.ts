// The call that this device takes part in: its devices and connections, and what of it is on screen.

import { SvelteMap } from "svelte/reactivity";
import type { Session } from "../app/session.svelte";
import type { AccountId, Call, CallKeys, CallPublished, CallQuality, CallShown, CallSource, CallView, ChatId, EngineEvent } from "../engine/protocol";
import { cameraTrack, microphoneTrack, screenTrack } from "./devices";
import { Publishing } from "./publishing";
import type { Order, Shown } from "./sframe/worker";
import { VOICES, Watching } from "./watching";

export class OngoingCall {
  readonly chat: ChatId;
  readonly isVideo: boolean;
  readonly quality = new SvelteMap<string, CallQuality>();
  phase = $state<"joining" | "there" | "lost">("joining");
  isMuted = $state(false);
  hasHandUp = $state(false);
  microphone = $state.raw<MediaStreamTrack | null>(null);
  camera = $state.raw<MediaStreamTrack | null>(null);
  screen = $state.raw<MediaStreamTrack | null>(null);
  speakers = $state.raw<string[]>([]);
  keys = $state.raw<CallKeys | null>(null);
  #slots = $state.raw<(CallShown | null)[]>([]);
  #links = $state.raw<Links>()!;
  /** Whose frames a slot shows, as they prove themselves. */
  readonly #leaves = new SvelteMap<number, number | null>();
  readonly #session: Session;
  readonly #worker: Worker | undefined;
  readonly #ended: (reason: CallEnd) => void;
  readonly #stop: (() => void)[] = [];
  #restoring: Promise<void> | undefined;
  #hasEnded = false;

  /** @param ended once, when this device is out; nothing is to be done then. */
  constructor(session: Session, chat: ChatId, isVideo: boolean, ended: (reason: CallEnd) => void) {
    this.#session = session;
    this.#ended = ended;
    this.chat = chat;
    this.isVideo = isVideo;
    const isSealed = session.chats.get(chat)?.isOpen === false;
    this.#worker = isSealed ? new Worker(new URL("./sframe/worker.ts", import.meta.url), { type: "module", name: "frames" }) : undefined;
    this.#worker?.addEventListener("message", ({ data }: MessageEvent<Shown>) => void this.#leaves.set(data.slot, data.leaf));
    this.#links = this.#makeLinks();
    this.#stop.push(session.listen((event) => this.#hear(event)));
  }

  /** @throws the engine's error, where the user cannot come in */
  async join(): Promise<void> {
    this.microphone = await microphoneTrack();
    if (this.isVideo) this.camera = await cameraTrack();
    await this.#sendAll();
    if (this.#worker) this.#useKeys(await this.#session.call("callKeys", this.chat), 0);
    await this.#connect();
  }

  /** Those who are heard. */
  get voices(): MediaStream[] {
    return this.#links.streams.slice(0, VOICES);
  }

  get call(): Call | undefined {
    return this.#session.calls.get(this.chat);
  }

  /** The stream that shows this picture, where a slot does. */
  picture(participant: string, source: CallSource): MediaStream | undefined {
    const slot = this.#slots.findIndex((shown) => shown?.participant === participant && shown.source === source);
    return slot < VOICES ? undefined : this.#links.streams[slot];
  }

  /** Whose picture it is, as its frames prove: not whom the server names. Missing while none has come. */
  provenAccount(participant: string, source: CallSource): AccountId | null | undefined {
    const slot = this.#slots.findIndex((shown) => shown?.participant === participant && shown.source === source);
    const leaf = this.#leaves.get(slot);
    return leaf === undefined ? undefined : leaf === null ? null : (this.keys?.accounts[leaf] ?? null);
  }

  async mute(isMuted: boolean): Promise<void> {
    this.isMuted = isMuted;
    if (!isMuted && !this.microphone) await this.#change("microphone", await microphoneTrack());
    if (this.microphone) this.microphone.enabled = !isMuted;
    await this.#tell();
  }

  async turnCamera(on: boolean): Promise<void> {
    await this.#change("camera", on ? await cameraTrack() : null);
    await this.#tell();
  }

  async shareScreen(on: boolean): Promise<void> {
    const track = on ? await screenTrack() : null;
    // The browser has a button of its own that ends it.
    track?.addEventListener("ended", () => void this.shareScreen(false));
    await this.#change("screen", track);
    await this.#tell();
  }

  /** Another microphone or camera. */
  async choose(source: "microphone" | "camera", device: string): Promise<void> {
    const track = await (source === "camera" ? cameraTrack(device) : microphoneTrack(device));
    if (source === "microphone" && track) track.enabled = !this.isMuted;
    await this.#change(source, track);
  }

  async raiseHand(up: boolean): Promise<void> {
    this.hasHandUp = up;
    await this.#session.call("setOwnInCall", this.chat, { hand: up });
  }

  async view(view: CallView): Promise<void> {
    await this.#session.call("viewCall", this.chat, view);
  }

  async leave(): Promise<void> {
    this.#end("left");
    await this.#session.call("leaveCall", this.chat);
  }

  #makeLinks(): Links {
    const changed = () => this.#linkChanged();
    const [publishing, watching] = [new Publishing(this.#worker, changed), new Watching(this.#worker, changed)];
    return { publishing, watching, streams: watching.tracks.map((track) => new MediaStream([track])) };
  }

  async #sendAll(): Promise<void> {
    const { publishing } = this.#links;
    await Promise.all(SOURCES.map((source) => publishing.send(source, this[source])));
  }

  async #connect(): Promise<void> {
    const links = this.#links;
    const [publish, subscribe] = await Promise.all([links.publishing.link.offer(), links.watching.link.offer()]);
    const { isVideo } = this;
    const answer = await this.#session.call("joinCall", this.chat, { publish, subscribe, isVideo, published: this.#published });
    if (this.#hasEnded || links !== this.#links) return;
    this.#session.calls.set(this.chat, answer.call);
    const answers = [[links.publishing.link, answer.publish], [links.watching.link, answer.subscribe]] as const;
    await Promise.all(answers.map(([link, sdp]) => sdp && link.answered(sdp)));
  }

  #linkChanged(): void {
    const { publishing, watching } = this.#links;
    const states = [publishing.link.state, watching.link.state];
    if (states.every((one) => one === "connected")) this.phase = "there";
    else if (states.includes("lost") && this.phase !== "joining") this.#lose();
  }

  #lose(): void {
    this.phase = "lost";
    this.#restoring ??= this.#restore().finally(() => (this.#restoring = undefined));
  }

  /** Again and again until it holds, or the engine says that this device is out: at first by another way to the same
   *  connections (RFC 8445, 2.4), then by new ones. */
  async #restore(): Promise<void> {
    for (let tries = 0; this.phase === "lost" && !this.#hasEnded; tries++) {
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, RESTORE_EVERY_MS));
      if (this.phase !== "lost" || this.#hasEnded) return;
      if (tries >= RESTARTS_MAX) await this.#begin();
      await this.#connect().catch(() => undefined);
    }
  }

  async #begin(): Promise<void> {
    const before = this.#links;
    this.#links = this.#makeLinks();
    this.#slots = [];
    await this.#sendAll();
    before.publishing.link.close();
    before.watching.link.close();
  }

  #hear(event: EngineEvent): void {
    if (!("chat" in event) || event.chat !== this.chat) return;
    switch (event.type) {
      case "call-slots":
        this.#slots = event.slots;
        break;
      case "call-speakers":
        this.speakers = event.speakers;
        break;
      case "call-quality":
        this.quality.set(event.participant, event.quality);
        break;
      case "call-demand":
        void this.#links.publishing.demand(event.source, event.encodings);
        break;
      case "call-mute":
        void this.mute(true);
        break;
      case "call-keys":
        this.#useKeys(event.keys, USE_KEYS_AFTER_MS);
        break;
      case "call-rejoin":
        void this.#begin().then(() => this.#lose());
        break;
      case "call-left":
        this.#end(event.reason);
    }
  }

  // The others are to have followed to the epoch before the first frame of it comes.
  #useKeys(keys: CallKeys, afterMs: number): void {
    this.keys = keys;
    const { epoch, baseKey, leaf } = keys;
    this.#worker?.postMessage({ type: "keys", keys: { epoch, baseKey, leaf } } satisfies Order);
    const use = () => this.#worker?.postMessage({ type: "use", epoch } satisfies Order);
    if (afterMs === 0) return use();
    const timer = setTimeout(use, afterMs);
    this.#stop.push(() => clearTimeout(timer));
  }

  async #change(source: CallSource, track: MediaStreamTrack | null): Promise<void> {
    const before = this[source];
    await this.#links.publishing.send(source, track);
    this[source] = track;
    before?.stop();
  }

  async #tell(): Promise<void> {
    await this.#session.call("setOwnInCall", this.chat, { published: this.#published });
  }

  get #published(): CallPublished {
    const isThere = (track: MediaStreamTrack | null) => (track ? "on" : "off");
    const microphone = this.microphone && this.isMuted ? "muted" : isThere(this.microphone);
    return { microphone, camera: isThere(this.camera), screen: isThere(this.screen) };
  }

  #end(reason: CallEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const stop of this.#stop) stop();
    for (const track of [this.microphone, this.camera, this.screen]) track?.stop();
    this.#links.publishing.link.close();
    this.#links.watching.link.close();
    this.#worker?.terminate();
    this.#ended(reason);
  }
}

export type CallEnd = (EngineEvent & { type: "call-left" })["reason"] | "left";

interface Links {
  publishing: Publishing;
  watching: Watching;
  /** In the order of their slots. */
  streams: MediaStream[];
}

const SOURCES = ["microphone", "camera", "screen"] as const;
const RESTORE_EVERY_MS = 2_000;
const RESTARTS_MAX = 2;
const USE_KEYS_AFTER_MS = 1_000;
