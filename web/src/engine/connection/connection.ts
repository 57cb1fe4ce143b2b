// The stream to the server: XMPP over WebSocket (RFC 7395) by @xmpp/client, logged in by SASL2
// (XEP-0388), FAST (XEP-0484) and Bind 2 (XEP-0386), resumed by stream management (XEP-0198).

import { client, xml, type Client, type Element } from "@xmpp/client";
import { Refusal } from "../refusal";
import type { Xmpp } from "../parts";
import { Backoff } from "./backoff";
import { Handled } from "./handled";
import { StanzaRefused } from "./stanza-refused";

export interface Login {
  /** `wss://example.org/xmpp-websocket`. */
  url: string;
  account: string;
  domain: string;
  device: string;
  /** Where groups are. */
  groups: string;
  mechanism: string;
  token(): string;
  keepToken(token: string): Promise<void>;
  /** Nobody is there: others are told so. */
  isAway?: boolean;
}

export interface Surroundings {
  /** Handles a message, a presence or a request. The server keeps a message until this has ended, and
   *  sends it again if it does not; errors are the handler's own matter. */
  receive(stanza: Element): Promise<void>;
  /** The server has a message or presence that was sent: it outlasts a crash. */
  acknowledged?(stanza: Element): void;
  /** A session begins, and nothing of what waits has come: the server will send what is behind this message.
   *  What comes waits until this has ended. */
  beginning?(after: string | undefined): Promise<void>;
  /** There is a session; `isResumed`: nothing was lost meanwhile. */
  online(isResumed: boolean): void;
  state(state: "offline" | "connecting" | "catching-up" | "online"): void;
  /** The server does not take this device's token any more. No further try is made. */
  refused(): void;
}

export class Connection implements Xmpp {
  readonly #login: Login;
  readonly #surroundings: Surroundings;
  readonly #client: Client;
  readonly #backoff = new Backoff();
  readonly #requests = new Map<string, { resolve: (result?: Element) => void; reject: (error: Error) => void }>();
  #handled = new Handled();
  #acknowledged = 0;
  #acknowledging: ReturnType<typeof setTimeout> | undefined;
  #isOnline = false;
  #isCaughtUp = false;
  /** Who waits until this device has caught up. */
  #waiting: (() => void)[] = [];
  #isWanted = true;
  #isRefused = false;
  #loggedIn: (isResumed: boolean) => void = () => undefined;
  #cut: () => void = () => undefined;

  constructor(login: Login, surroundings: Surroundings) {
    this.#login = login;
    this.#surroundings = surroundings;
    this.#client = this.#makeClient();
  }

  /** Connects, and does so again whenever the stream ends. @returns when {@link stop} was called, or the token is refused. */
  async run(): Promise<void> {
    while (this.#isWanted && !this.#isRefused) {
      this.#surroundings.state("connecting");
      const began = await this.#connect().catch(() => false);
      if (began) await this.#untilCut();
      this.#isOnline = false;
      this.#isCaughtUp = false;
      await this.#client.disconnect().catch(() => undefined);
      this.#surroundings.state("offline");
      await this.#settle();
      if (this.#isWanted && !this.#isRefused) await this.#backoff.wait(began);
    }
    this.#failRequests();
    if (this.#isRefused) this.#surroundings.refused();
  }

  /** The network may be back: no reason to wait. */
  wake(): void {
    this.#backoff.wake();
  }

  /** @returns once all that the server had at this moment is handled. */
  async caughtUp(): Promise<void> {
    this.wake();
    if (!this.#isCaughtUp) return new Promise((resolve) => this.#waiting.push(resolve));
    await this.#ping();
    await this.#handled.idle();
  }

  async stop(): Promise<void> {
    this.#isWanted = false;
    this.#cut();
    this.#backoff.wake();
    await this.#client.stop().catch(() => undefined);
  }

  async iq(type: "get" | "set", to: string | undefined, payload: Element): Promise<Element | undefined> {
    if (!this.#isOnline) throw offline();
    const id = crypto.randomUUID();
    const answer = new Promise<Element | undefined>((resolve, reject) => this.#requests.set(id, { resolve, reject }));
    const late = setTimeout(() => this.#endRequest(id)?.reject(offline()), ANSWER_MS_MAX);
    try {
      await this.#client.send(xml("iq", { type, id, ...(to !== undefined && { to }) }, payload));
      return await answer;
    } finally {
      clearTimeout(late);
      this.#requests.delete(id);
    }
  }

  async send(stanza: Element): Promise<void> {
    if (!this.#isOnline) throw offline();
    await this.#client.send(stanza);
  }

  #makeClient(): Client {
    const { url, domain, device, account, mechanism, token } = this.#login;
    const userAgent = xml("user-agent", { id: device }, xml("software", {}, "Whimbrel"));
    const made = client({
      service: url,
      domain,
      credentials: async (authenticate) => {
        // The server knows best when a token ends: clocks differ.
        const credentials = { username: account, token: { mechanism, token: token(), expiry: "9999-12-31T00:00:00Z" } };
        await authenticate(credentials, NO_OTHER_MECHANISM, userAgent);
      },
    });
    made.reconnect.stop();
    made.fast.saveToken = ({ token: newer }) => this.#login.keepToken(newer);
    made.fast.deleteToken = async () => {
      this.#isRefused = true;
      this.#cut();
    };
    made.prependListener("element", hideStreamManagement);
    made.on("error", () => this.#cut());
    made.on("disconnect", () => this.#cut());
    made.on("online", () => this.#loggedIn(false));
    made.streamManagement.on("ack", (stanza) => this.#surroundings.acknowledged?.(stanza));
    made.streamManagement.on("resumed", () => this.#loggedIn(true));
    made.on("stanza", (stanza) => this.#receive(stanza));
    this.#countWhatIsHandled(made);
    return made;
  }

  // What arrived is handled before the server is told how much that was. What is not (there may be no
  // room for it) the server sends again, to a new session.
  async #settle(): Promise<void> {
    const isSettled = await Promise.race([this.#handled.idle().then(() => true), after(SETTLE_MS_MAX).then(() => false)]);
    // What was sent is of the old session too: still counted, it would be taken for what leaves by the next.
    if (!isSettled) Object.assign(this.#client.streamManagement, { id: "", outbound: 0, outbound_q: [] });
  }

  // The library counts what arrives; what we tell the server is what we have kept.
  #countWhatIsHandled({ streamManagement }: Client): void {
    streamManagement.requestAckInterval = ASK_EVERY_MS;
    streamManagement.requestAckDebounce = ASK_AFTER_MS;
    streamManagement.timeout = ACKNOWLEDGEMENT_MS_MAX;
    Object.defineProperty(streamManagement, "inbound", {
      get: () => this.#handled.count,
      set: (count: number) => {
        if (count !== 0) return;
        this.#handled = new Handled();
        this.#acknowledged = 0;
      },
    });
  }

  /** @returns once logged in. */
  async #connect(): Promise<boolean> {
    const { url, domain, groups } = this.#login;
    const isResumed = await within(LOGIN_MS_MAX, new Promise<boolean>((resolve, reject) => {
      this.#loggedIn = resolve;
      this.#cut = () => reject(offline());
      this.#client.connect(url).then(() => this.#client.open({ domain })).catch(reject);
    }));
    this.#isOnline = true;
    this.#surroundings.state("catching-up");
    if (!isResumed) {
      this.#failRequests();
      await this.#unlessCut(this.#begin(groups));
    }
    this.#surroundings.online(isResumed);
    void this.#watchCatchingUp();
    return true;
  }

  async #begin(groups: string): Promise<void> {
    // Before the first presence, so that what waits is sent in order (docs/protocol/groups.md).
    const enabled = await this.iq("set", groups, xml("enable", { xmlns: "urn:whimbrel:groups:0" }));
    await this.#surroundings.beginning?.(enabled?.attrs["after"]);
    await this.#client.send(xml("presence", {}, this.#login.isAway && xml("show", {}, "xa")));
  }

  #unlessCut(task: Promise<void>): Promise<void> {
    const cut = new Promise<never>((_, reject) => {
      this.#cut = () => reject(offline());
    });
    return Promise.race([task, cut]);
  }

  #untilCut(): Promise<void> {
    return new Promise((resolve) => {
      this.#cut = resolve;
      if (this.#client.status !== "online") resolve();
    });
  }

  // The server does not say when it has sent all that waited: nothing more for a while is a sign.
  async #watchCatchingUp(): Promise<void> {
    const handled = this.#handled;
    await this.#ping().catch(() => undefined);
    let count = -1;
    while (this.#isOnline && this.#handled === handled) {
      if (handled.isIdle && handled.count === count) return this.#endCatchingUp();
      count = handled.count;
      await after(QUIET_MS);
    }
  }

  #endCatchingUp(): void {
    this.#isCaughtUp = true;
    this.#surroundings.state("online");
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #ping(): Promise<Element | undefined> {
    return this.iq("get", this.#login.domain, xml("ping", { xmlns: "urn:xmpp:ping" }));
  }

  #receive(stanza: Element): void {
    const handled = this.#handled;
    const done = handled.arrive();
    const end = () => {
      done();
      if (this.#handled === handled) this.#acknowledgeSoon();
    };
    if (this.#takeAnswer(stanza)) return end();
    this.#surroundings.receive(stanza).then(end, end);
  }

  #takeAnswer(stanza: Element): boolean {
    const { type, id } = stanza.attrs;
    if (stanza.name !== "iq" || (type !== "result" && type !== "error")) return false;
    const request = this.#endRequest(id ?? "");
    if (type === "error") request?.reject(new StanzaRefused(stanza));
    else request?.resolve(stanza.getChildElements()[0]);
    return true;
  }

  #acknowledgeSoon(): void {
    const owed = this.#handled.count - this.#acknowledged;
    if (owed >= ACKNOWLEDGE_AT_ONCE) return this.#acknowledge();
    this.#acknowledging ??= setTimeout(() => this.#acknowledge(), ACKNOWLEDGE_AFTER_MS);
  }

  #acknowledge(): void {
    clearTimeout(this.#acknowledging);
    this.#acknowledging = undefined;
    if (!this.#isOnline || !this.#client.streamManagement.enabled) return;
    const h = this.#handled.count;
    if (h === this.#acknowledged) return;
    this.#acknowledged = h;
    this.#client.send(xml("a", { xmlns: "urn:xmpp:sm:3", h })).catch(() => undefined);
  }

  #endRequest(id: string) {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    return request;
  }

  #failRequests(): void {
    for (const id of [...this.#requests.keys()]) this.#endRequest(id)?.reject(offline());
  }
}

// With SASL2 it is turned on, and resumed, inside of the login. The library would do it once more where
// the features after the login offer it.
function hideStreamManagement(element: Element): void {
  if (!element.is("features", "http://etherx.jabber.org/streams")) return;
  const offered = element.getChild("sm", "urn:xmpp:sm:3");
  if (offered) element.children.splice(element.children.indexOf(offered), 1);
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function offline(): Refusal {
  return new Refusal("offline", "there is no stream to the server");
}

async function within<T>(limitMs: number, task: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Refusal("offline", `no answer within ${limitMs} ms`)), limitMs);
  });
  return Promise.race([task, late]).finally(() => clearTimeout(timer));
}

// Asked for by the library where FAST did not do: there is none.
const NO_OTHER_MECHANISM = "none";
const SETTLE_MS_MAX = 2_000;
const LOGIN_MS_MAX = 15_000;
const ANSWER_MS_MAX = 30_000;
/** Behind what was sent, to learn that the server has it. */
const ASK_AFTER_MS = 50;
/** The server is asked whether it is still there. */
const ASK_EVERY_MS = 20_000;
const ACKNOWLEDGEMENT_MS_MAX = 15_000;
const ACKNOWLEDGE_AFTER_MS = 100;
const ACKNOWLEDGE_AT_ONCE = 16;
const QUIET_MS = 150;
