// Of @xmpp/client, which has no types of its own, what engine/connection uses.
declare module "@xmpp/client" {
  export interface Element {
    readonly name: string;
    readonly attrs: Record<string, string | undefined>;
    readonly children: (Element | string)[];
    parent: Element | null;
    is(name: string, xmlns?: string): boolean;
    getName(): string;
    getNS(): string | undefined;
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildElements(): Element[];
    getChildText(name: string, xmlns?: string): string | null;
    text(): string;
    append(...children: (Element | string)[]): Element;
    toString(): string;
  }
  export type Child = Element | string | undefined | null | false;
  export function xml(
    name: string,
    attrs?: Record<string, string | number | undefined | null> | null,
    ...children: (Child | Child[])[]
  ): Element;

  export interface Token {
    mechanism: string;
    token: string;
    expiry: string;
  }
  export interface Credentials {
    username: string;
    token: Token;
  }
  type Authenticate = (credentials: Credentials, mechanism: string, userAgent: Element) => Promise<void>;

  export interface Client {
    status: string;
    jid: { toString(): string } | null;
    timeout: number;
    prependListener(event: "element", listener: (element: Element) => void): void;
    on(event: "element" | "stanza", listener: (element: Element) => void): void;
    on(event: "status" | "online" | "offline" | "disconnect", listener: (argument: unknown) => void): void;
    on(event: "error", listener: (error: Error) => void): void;
    connect(service: string): Promise<void>;
    open(options: { domain: string }): Promise<void>;
    disconnect(): Promise<unknown>;
    start(): Promise<unknown>;
    stop(): Promise<unknown>;
    send(element: Element): Promise<void>;
    reconnect: { stop(): void };
    iqCaller: { request(stanza: Element, timeoutMs?: number): Promise<Element> };
    iqCallee: { get(ns: string, name: string, handler: () => unknown): void };
    fast: {
      saveToken(token: Token): Promise<void>;
      fetchToken(): Promise<Token | null>;
      deleteToken(): Promise<void>;
    };
    streamManagement: {
      /** How many stanzas of the server are counted as handled. */
      inbound: number;
      readonly enabled: boolean;
      /** Of the session that can be resumed; empty: none. */
      id: string;
      preferredMaximum: number | null;
      timeout: number;
      requestAckInterval: number;
      requestAckDebounce: number;
      on(event: "resumed", listener: () => void): void;
      on(event: "ack" | "fail", listener: (stanza: Element) => void): void;
    };
  }
  export function client(options: {
    service: string;
    domain: string;
    username?: string;
    password?: string;
    credentials?: (authenticate: Authenticate, mechanisms: string[], fast: unknown, entity: Client) => Promise<void>;
    userAgent?: Element;
    resource?: string;
  }): Client;
}

// Which @xmpp/client brings along; for tests.
declare module "ltx" {
  export function parse(text: string): import("@xmpp/client").Element;
}
