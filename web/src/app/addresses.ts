// Addresses that lead into the app from outside: links, the manifest's protocol handlers, and what an installed app
// is launched with. The app itself writes where it is behind "#", which no server sees.

/** @returns what stands behind "#" for it, or nothing where the address is the app's own already. */
export function hashOfAddress(address: string): string | undefined {
  const { pathname, searchParams, hash } = new URL(address);
  const [first = "", ...rest] = pathname.split("/").filter((part) => part !== "");
  if (first === "open") return hashOfUri(searchParams.get("uri") ?? "");
  const kind = PATHS[first];
  if (kind === undefined || rest.length === 0) return undefined;
  // A link to a device ends with what stands behind its own "#".
  const inner = kind === "link" ? encodeURIComponent(decode(rest.join("/")) + hash) : rest.map((part) => encodeURIComponent(decode(part))).join("/");
  return `#/${kind}/${inner}`;
}

/** `xmpp:` invites into a group; `web+whimbrel:` has the app's own paths: `web+whimbrel:chats/ID`. */
function hashOfUri(uri: string): string | undefined {
  if (/^(web\+)?xmpp:[^\s?]+@[^\s?]+\?join/i.test(uri)) return `#/join/${encodeURIComponent(uri)}`;
  const own = /^web\+whimbrel:\/*(.+)$/i.exec(uri)?.[1];
  return own === undefined ? undefined : hashOfAddress(`https://whimbrel/${own}`);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

const PATHS: Record<string, string> = { chats: "chat", chat: "chat", join: "join", link: "link", person: "person", share: "share" };
