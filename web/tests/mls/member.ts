// A device in a group, of whatever make.

export interface Member {
  readonly identity: string;
  keyPackage(): Promise<Uint8Array>;
  found(group: string): Promise<Made>;
  commit(group: string, add: Uint8Array[], remove: string[]): Promise<Made>;
  accepted(group: string): Promise<void>;
  refused(group: string): Promise<void>;
  join(group: string, welcome: Uint8Array, tree: Uint8Array): Promise<void>;
  /** Counts as accepted at once. */
  joinExternally(group: string, groupInfo: Uint8Array, tree: Uint8Array): Promise<Made>;
  send(group: string, text: string): Promise<Uint8Array>;
  /** `epoch N`, `removed`, or `IDENTITY: TEXT`. */
  receive(group: string, message: Uint8Array): Promise<string>;
  show(group: string): Promise<Shown>;
  tree(group: string): Promise<Uint8Array>;
}

export interface Made {
  handshake?: Uint8Array;
  welcome?: Uint8Array;
  groupInfo: Uint8Array;
}

export interface Shown {
  epoch: string;
  exporter: string;
  members: string[];
}
