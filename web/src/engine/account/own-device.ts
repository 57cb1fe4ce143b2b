// This device's registration: what is kept of it, and the commands that concern it.

import type { Device, EngineState } from "../protocol";
import { Refusal } from "../refusal";
import type { Handlers, Self } from "../parts";
import type { Store } from "../store/store";
import { LINK_SECRET } from "../sealed/identity";
import { AccountApi, type OwnAccount, type Proof, type Registered } from "./api";

/** What is kept of a registration. */
export interface Registration {
  jid: string;
  account: string;
  device: string;
  /** The newest one that the server gave: it logs in by XEP-0484, and is the last part of the bearer. */
  token: string;
  mechanism: string;
  number: string;
  hasPin: boolean;
  /** How long own messages can be deleted for everyone; for ever where nothing is said. */
  retractionWithinS?: number | undefined;
}

export type AccountCommand =
  | "requestCode"
  | "register"
  | "registerByLink"
  | "createLink"
  | "setPin"
  | "changeNumber"
  | "devices"
  | "revokeDevice"
  | "signOutEverywhere"
  | "signOut"
  | "deleteAccount";

export interface Place {
  /** Of the server: `https://example.org`. */
  origin: string;
  /** What this device is called in lists. */
  deviceName: string;
}

/** What the engine does when the registration changes. */
export interface Surroundings {
  /** A new registration: log in. */
  registered(): Promise<void>;
  /** Hears the `Date` of the server's answers. */
  dated?(date: string | null): void;
  /** Number or PIN are others. */
  changed(): void;
  /** The registration has ended: log out, and remove all that is kept. */
  ended(): Promise<void>;
  /** Leaves the account's key for a device that is to be linked. @returns the secret that opens it. */
  share(): Promise<string>;
  /** Own devices are to have no part in conversations any more. */
  withdraw(devices: string[]): Promise<void>;
  /** Devices that the account's key vouches for. */
  certifiedDevices(): Promise<ReadonlySet<string>>;
}

export class OwnDevice {
  readonly api: AccountApi;
  readonly commands: Handlers<AccountCommand>;
  readonly #store: Store;
  readonly #deviceName: string;
  readonly #surroundings: Surroundings;
  #registration: Registration | undefined;
  #former: Registration | undefined;

  static async load(store: Store, place: Place, surroundings: Surroundings): Promise<OwnDevice> {
    return new OwnDevice(store, place, surroundings, await store.get<Registration>("meta", REGISTRATION));
  }

  private constructor(store: Store, place: Place, surroundings: Surroundings, registration: Registration | undefined) {
    this.#store = store;
    this.#deviceName = place.deviceName;
    this.#surroundings = surroundings;
    this.#registration = registration;
    this.api = new AccountApi(place.origin, () => this.#bearer(), surroundings.dated);
    this.commands = this.#makeCommands();
  }

  get registration(): Registration | undefined {
    return this.#registration;
  }

  /** @throws {Refusal} where this device is not registered. */
  get self(): Self {
    const { jid, account, device } = this.#registered();
    const domain = jid.slice(jid.indexOf("@") + 1);
    return { account, device, domain, groups: `groups.${domain}` };
  }

  /** What the page knows of it; name and picture are the profile's. */
  get state(): EngineState["account"] {
    if (!this.#registration) return null;
    const { account, jid, number, hasPin, device, retractionWithinS } = this.#registration;
    return { id: account, jid, number, name: "", hasPin, device, ...(retractionWithinS !== undefined && { retractionWithinS }) };
  }

  /** The server does not take the token any more. The device keeps its name: registered again for the
   *  same account it goes on with what it has. */
  refused(): void {
    this.#former = this.#registration ?? this.#former;
    this.#registration = undefined;
  }

  /** XEP-0484: the server has given a newer token. */
  async keepToken(token: string): Promise<void> {
    if (this.#registration) await this.#keep({ ...this.#registration, token });
  }

  /** Asks what may have changed by other devices. */
  async refresh(): Promise<void> {
    const registration = this.#registered();
    const told = toldOf(await this.api.account());
    if (Object.entries(told).every(([name, value]) => registration[name as keyof Told] === value)) return;
    await this.#change(told);
  }

  #makeCommands(): Handlers<AccountCommand> {
    const { api } = this;
    return {
      requestCode: async (number) => {
        const sent = await api.requestCode(number);
        return { number: sent.number, digits: sent.digits, expiresInS: sent.expires_in };
      },
      register: (number, code, pin) => this.#register(pin === undefined ? { number, code } : { number, code, pin }),
      registerByLink: async (shown) => {
        const [link = "", secret] = shown.trim().split(BEFORE_SECRET);
        if (secret !== undefined) await this.#store.batch().put("meta", LINK_SECRET, secret).commit();
        return this.#register({ link });
      },
      createLink: async () => {
        const secret = await this.#surroundings.share();
        const { link, expires_in } = await api.createLink();
        return { link: `${link}${BEFORE_SECRET}${secret}`, expiresInS: expires_in };
      },
      setPin: async (pin) => {
        await (pin === null ? api.removePin() : api.setPin(pin));
        await this.#change({ hasPin: pin !== null });
      },
      changeNumber: async (number, code, tellContacts) => {
        const changed = await api.changeNumber(number, code, tellContacts);
        await this.#change({ number: changed.number });
      },
      devices: () => this.#devices(),
      revokeDevice: (id) => (id === this.#registered().device ? this.#signOut() : this.#revoke([id])),
      signOutEverywhere: async () => {
        const others = (await api.devices()).filter((device) => !device.is_this);
        await this.#revoke(others.map(({ id }) => id));
      },
      signOut: () => this.#signOut(),
      deleteAccount: async () => {
        await api.deleteAccount();
        await this.#end();
      },
    };
  }

  async #register(proof: Proof): Promise<{ created: boolean }> {
    if (this.#registration) throw new Refusal("not-allowed", "this device is registered already");
    const id = this.#former?.device ?? crypto.randomUUID();
    const registered = await this.api.register(proof, { id, name: this.#deviceName });
    const registration = checked(registered, "number" in proof ? proof.number : "");
    if (this.#former && this.#former.account !== registration.account) await this.#store.clear();
    this.#former = undefined;
    await this.#keep(registration);
    await this.#keep({ ...this.#registered(), ...toldOf(await this.api.account()) });
    await this.#surroundings.registered();
    return { created: registered.created };
  }

  async #devices(): Promise<Device[]> {
    const [devices, certified] = await Promise.all([this.api.devices(), this.#surroundings.certifiedDevices()]);
    return devices.map((device) => ({
      id: device.id,
      name: device.name ?? "",
      createdAt: device.created * 1000,
      seenAt: device.seen * 1000,
      isThis: device.is_this,
      isCertified: certified.has(device.id),
    }));
  }

  // The other members' devices learn of it first: revoking ends the account's streams.
  async #revoke(ids: string[]): Promise<void> {
    await this.#surroundings.withdraw(ids);
    for (const id of ids) await this.api.revokeDevice(id);
  }

  async #signOut(): Promise<void> {
    // Without a stream the other devices do it, once they are told to.
    await this.#surroundings.withdraw([this.#registered().device]).catch(() => undefined);
    // One whose token does not count any more is out already.
    await this.api.revokeDevice(this.#registered().device).catch((error: unknown) => {
      if (!(error instanceof Refusal) || error.name !== "token") throw error;
    });
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#registration = undefined;
    await this.#surroundings.ended();
  }

  async #change(change: Partial<Registration>): Promise<void> {
    await this.#keep({ ...this.#registered(), ...change });
    this.#surroundings.changed();
  }

  async #keep(registration: Registration): Promise<void> {
    this.#registration = registration;
    await this.#store.batch().put("meta", REGISTRATION, registration).commit();
  }

  #registered(): Registration {
    if (!this.#registration) throw new Refusal("not-allowed", "this device is not registered");
    return this.#registration;
  }

  #bearer(): string | undefined {
    if (!this.#registration) return undefined;
    const { account, device, token } = this.#registration;
    return `${account}.${device}.${token}`;
  }
}

type Told = Pick<Registration, "number" | "hasPin" | "retractionWithinS">;

function toldOf({ number, has_pin, retraction_within_s }: OwnAccount): Told {
  return { number: number ?? "", hasPin: has_pin, retractionWithinS: retraction_within_s };
}

// Everything later rests on these.
function checked(registered: Registered, number: string): Registration {
  const { jid, account, device, token, mechanism } = registered;
  const texts = [jid, account, device, token, mechanism];
  if (!texts.every((text) => typeof text === "string" && text !== "") || !jid.startsWith(`${account}@`)) {
    throw new Refusal("internal", "the server's answer to the registration is not whole");
  }
  return { jid, account, device, token, mechanism, number, hasPin: false };
}

// Neither the server's part of a link nor a secret has it.
const BEFORE_SECRET = "#";
const REGISTRATION = "registration";
