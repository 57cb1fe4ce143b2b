// People who chat by converse.js, a client that others wrote, over WebSocket (RFC 7395).
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { SCREENS, expect } from "./server.js";

const converse = dirname(createRequire(import.meta.url).resolve("converse.js/dist/converse.min.js"));
const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};
const PATH = "/converse-test/";

/// The page that an operator of converse.js writes.
const page = (settings) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Chat</title>
<link rel="stylesheet" href="converse.min.css">
<body class="converse-fullscreen"><div id="conversejs-bg"></div>
<script type="module">
  import "./converse.min.js";
  converse.plugins.add("in-reach", {
    initialize() { window.chat = this._converse.api; },
  });
  converse.initialize(${JSON.stringify(settings)});
</script></body></html>`;

export class Person {
  /// Opens a browser of their own: nothing in it is of an earlier visit.
  static async arrive(browser, server, { jid, password }) {
    const person = new Person();
    person.jid = jid;
    person.context = await browser.newContext({
      // A page that the test itself hands out does not count as one of this machine.
      permissions: ["local-network-access"],
      viewport: SCREENS.desktop,
    });
    const settings = {
      allow_non_roster_messaging: true,
      assets_path: PATH,
      authentication: "login",
      auto_login: true,
      auto_reconnect: true,
      discover_connection_methods: false,
      enable_smacks: true,
      i18n: "en",
      jid,
      password,
      message_archiving: "always",
      play_sounds: false,
      view_mode: "fullscreen",
      websocket_url: `${server.chatUrl.replace("http", "ws")}/xmpp-websocket`,
      whitelisted_plugins: ["in-reach"],
    };
    await person.context.route(`${server.chatUrl}${PATH}**`, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(PATH.length) || "index.html";
      const body = name === "index.html" ? page(settings) : await readFile(join(converse, name)).catch(() => null);
      const contentType = TYPES[extname(name)] ?? "application/octet-stream";
      await route.fulfill(body === null ? { status: 404 } : { body, contentType });
    });
    person.page = await person.context.newPage();
    await person.page.goto(`${server.chatUrl}${PATH}`);
    await person.page.waitForFunction(() => window.chat?.connection.authenticated());
    return person;
  }

  /// Opens the chat with someone: in the list if they are there, or anew.
  async open(jid) {
    await this.page.evaluate((jid) => window.chat.chats.open(jid), jid);
    const box = this.page.locator("textarea.chat-textarea");
    const inList = this.page.locator("converse-roster .open-chat", { hasText: jid }).first();
    await expect(async () => {
      if (!(await box.isVisible())) await inList.click({ timeout: 1000 });
      await expect(box).toBeVisible({ timeout: 1000 });
    }).toPass({ timeout: 15_000 });
  }

  /// Makes a group by one request (docs/protocol/groups.md), and gives its address.
  makeGroup(name, members) {
    const request = ({ name, members }) => {
      const groups = "urn:whimbrel:groups:0";
      const iq = window.converse.env.$iq({ type: "set", to: "groups.localhost" });
      iq.c("create", { xmlns: groups }).c("name").t(name).up();
      for (const jid of members) iq.c("member", { jid }).up();
      return window.chat.sendIQ(iq).then((answer) => answer.querySelector("group").getAttribute("jid"));
    };
    return this.page.evaluate(request, { name, members });
  }

  /// Joins a room (XEP-0045), and has it in front.
  async join(room, nick) {
    await this.page.evaluate(([room, nick]) => void window.chat.rooms.open(room, { nick }, true), [room, nick]);
    await expect(this.page.locator("converse-muc textarea.chat-textarea")).toBeVisible();
  }

  noticeTheLoss() {
    return this.page.waitForFunction(() => !window.chat.connection.authenticated());
  }

  /// Waits until the page has found its server again, with the room in front.
  async comeBack() {
    await this.page.waitForFunction(() => {
      const rooms = window.chat.connection.authenticated() && document.querySelectorAll("converse-muc");
      return rooms && [...rooms].every((room) => room.model?.isEntered());
    });
  }

  async say(text) {
    const box = this.page.locator("textarea.chat-textarea");
    await box.fill(text);
    await box.press("Enter");
  }

  /// What stands in the open chat, top to bottom.
  texts() {
    return this.page.locator(".chat-msg__text");
  }

  async leave() {
    await this.context.close();
  }
}
