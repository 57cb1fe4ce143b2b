// Notifications: what the service worker shows when a push comes, by whether a page is seen, and what is
// done with it. The push itself is delivered by Chromium's own tools, as its push service would.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

const PASSPHRASE = "a tern over the bar";

test("a message is shown where no page is seen, and is read and answered from there", async ({ browser, server }) => {
  const [ada, bea] = await talking(browser, server);
  const phone = await Phone.of(bea, server);
  await ada.send("the tide is out");
  await bea.open("Ada Sandpiper");
  await bea.sees("the tide is out");

  await bea.page.evaluate(() => (location.hash = "#/settings/notifications"));
  const here = bea.page.getByRole("switch", { name: "Notifications on this device" });
  await expect(here).toBeChecked();
  await expect(here, "the server took the subscription").not.toHaveAccessibleDescription(/push service/);

  // Who looks at the app needs nothing beside it.
  await phone.push();
  expect(await phone.shown()).toEqual([]);

  // A page in the background follows by itself; a push beside it changes nothing.
  await phone.hide(true);
  await sent(ada, "nobody looks");
  await expect.poll(() => phone.shown()).toMatchObject([{ title: "Ada Sandpiper", body: "nobody looks" }]);
  await phone.push();
  await sent(ada, "still nobody");
  await expect.poll(() => phone.shown()).toMatchObject([{ body: "nobody looks\nstill nobody", data: { count: 2 } }]);
  await expect(bea.page).toHaveTitle("(1) Whimbrel");
  await phone.hide(false);
  await bea.page.evaluate((chat) => (location.hash = `#/chat/${chat}`), phone.chat);
  await bea.sees("still nobody");
  await expect.poll(() => phone.shown(), "what was read is taken away").toEqual([]);

  await phone.close();
  await sent(ada, "the *mud* is warm");
  await phone.push();
  await expect.poll(() => phone.shown()).toMatchObject([{ title: "Ada Sandpiper", body: "the mud is warm" }]);
  await sent(ada, "are you coming?");
  await phone.push();
  await expect.poll(() => phone.shown()).toMatchObject([{ title: "Ada Sandpiper", body: "the mud is warm\nare you coming?" }]);
  expect((await phone.shown())[0].icon).toMatch(/^data:image\/png/);

  await phone.press("reply", "on my way");
  await ada.sees("on my way");
  expect(await phone.shown()).toEqual([]);
  await sent(ada, "bring the scope");
  await phone.push();
  await expect.poll(() => phone.shown()).toMatchObject([{ body: "bring the scope" }]);
  await phone.press("read");
  await expect(ada.page.getByRole("log").getByLabel("Read", { exact: true }).first()).toBeVisible();

  // A chat that is muted calls nobody.
  await phone.press("mute", undefined, true);
  await sent(ada, "and boots");
  await phone.push();
  await phone.open(`${server.appUrl}/chats/${phone.chat}`);
  await bea.sees("and boots");
  expect(await phone.shown()).toEqual([]);
  await Person.leaveAll(ada, bea);
});

test("without the server the app opens, and a push says that something waits", async ({ browser, server }) => {
  const [ada, bea] = await talking(browser, server);
  const phone = await Phone.of(bea, server);
  await ada.send("the tide is out");
  await bea.open("Ada Sandpiper");
  await bea.sees("the tide is out");
  const chat = new URL(bea.page.url()).hash.split("/").at(-1);

  await phone.close();
  await server.kill();
  await phone.open(`${server.appUrl}/#/chat/${chat}`);
  await bea.sees("the tide is out");
  await phone.close();
  await phone.push(`${chat}@groups.localhost`);
  await expect.poll(() => phone.shown()).toMatchObject([{ title: "Whimbrel", body: "New message", tag: chat }]);
  await server.restart();

  // What is shared with the app goes into the chat that is chosen.
  await phone.open(server.appUrl);
  await expect(bea.page.getByRole("link", { name: /Ada Sandpiper/ }).first()).toBeVisible();
  await bea.page.evaluate(async () => {
    const form = new FormData();
    form.append("text", "seen at the hide");
    form.append("url", "https://example.org/whimbrel");
    form.append("files", new File(["a list"], "birds.txt", { type: "text/plain" }));
    await fetch("/share", { method: "POST", body: form });
    location.hash = "#/share";
  });
  await bea.page.getByRole("dialog").getByRole("checkbox", { name: /Ada Sandpiper/ }).click();
  await expect(bea.page.getByText("birds.txt").first()).toBeVisible();
  await bea.page.keyboard.press("Escape");
  await expect(bea.composer()).toHaveValue("seen at the hide\nhttps://example.org/whimbrel");

  // While the app is locked nothing of it can be read.
  await bea.page.evaluate(() => (location.hash = "#/settings/lock"));
  await bea.page.getByRole("button", { name: "Set a passphrase" }).click();
  await bea.page.getByLabel("New passphrase", { exact: true }).fill(PASSPHRASE);
  await bea.page.getByLabel("New passphrase again").fill(PASSPHRASE);
  await bea.page.getByRole("dialog").getByRole("button", { name: "Set a passphrase" }).click();
  await expect(bea.page.getByRole("button", { name: "Change the passphrase" })).toBeVisible();
  await phone.close();
  await sent(ada, "for your eyes alone");
  await phone.forget();
  await phone.push(`${chat}@groups.localhost`);
  await expect.poll(() => phone.shown()).toMatchObject([{ title: "Whimbrel", body: "New message", tag: chat }]);
  await Promise.all([ada.leave(), bea.leave()]);
});

/// It is with the server.
async function sent(person, text) {
  await person.send(text);
  await expect(person.page.getByRole("log").getByLabel("Sending", { exact: true })).toHaveCount(0);
}

async function talking(browser, server) {
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await ada.writeTo(bea);
  return [ada, bea];
}

/// In the page: no push service can be reached from here, and Chromium has none in a private window.
function withPushService() {
  const text = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const keys = { p256dh: text([4, ...new Uint8Array(64)]), auth: text(new Uint8Array(16)) };
  const endpoint = "https://push.example.org/endpoint";
  PushManager.prototype.subscribe = async (options) => ({ endpoint, options, toJSON: () => ({ endpoint, keys }) });
}

/// A person's browser, of which the pages come and go and the service worker stays.
class Phone {
  static async of(person, server) {
    const phone = new Phone();
    Object.assign(phone, { person, server });
    await person.context.addInitScript(withPushService);
    await person.context.grantPermissions(["notifications"], { origin: server.appUrl });
    await expect.poll(() => person.page.evaluate(() => navigator.serviceWorker.controller?.state)).toBe("activated");
    await person.page.reload();
    await expect(person.page.getByRole("button", { name: "New chat" }).first()).toBeVisible();
    const blank = await person.context.newPage();
    phone.tools = await person.context.newCDPSession(blank);
    phone.tools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      phone.registrationId = registrations.at(-1)?.registrationId ?? phone.registrationId;
    });
    await phone.tools.send("ServiceWorker.enable");
    await expect.poll(() => phone.registrationId).toBeTruthy();
    return phone;
  }

  get worker() {
    return this.person.context.serviceWorkers()[0];
  }

  /// The page is gone.
  async close() {
    await this.person.page.close();
  }

  async open(url) {
    this.person.page = await this.person.context.newPage();
    this.person.listen();
    await this.person.page.goto(url);
  }

  /// Chromium without a screen shows all pages: that this one is not seen is said in its place.
  async hide(isHidden) {
    await this.person.page.evaluate((isHidden) => {
      Object.defineProperty(document, "visibilityState", { get: () => (isHidden ? "hidden" : "visible"), configurable: true });
    }, isHidden);
    await this.worker.evaluate((isHidden) => {
      delete self.clients.matchAll;
      if (!isHidden) return;
      const all = self.clients.matchAll.bind(self.clients);
      self.clients.matchAll = async (options) => (await all(options)).map(({ url }) => ({ url, visibilityState: "hidden" }));
    }, isHidden);
  }

  /// What was shown is swept away.
  async forget() {
    await this.worker.evaluate(async () => (await self.registration.getNotifications()).forEach((one) => one.close()));
  }

  async push(sender = "somebody@localhost") {
    const data = JSON.stringify({ kind: "message", sender });
    await this.tools.send("ServiceWorker.deliverPushMessage", { origin: this.server.appUrl, registrationId: this.registrationId, data });
  }

  async shown() {
    const shown = await this.worker.evaluate(async () => {
      const all = await self.registration.getNotifications();
      return all.map(({ title, body, tag, icon, data }) => ({ title, body, tag, icon, data }));
    });
    this.chat = shown[0]?.data.chat ?? this.chat;
    return shown;
  }

  /// Presses one of a notification's buttons, or, where none is shown any more, one as it was.
  async press(action, reply, isGone = false) {
    await this.worker.evaluate(async ([action, reply, chat]) => {
      let [notification] = await self.registration.getNotifications();
      if (chat) {
        await self.registration.showNotification("as it was", { tag: chat, data: { chat, lines: [], count: 0 } });
        [notification] = await self.registration.getNotifications({ tag: chat });
      }
      const event = new NotificationEvent("notificationclick", { notification, action });
      let done;
      // Only the browser's own events may be waited for.
      Object.defineProperty(event, "waitUntil", { value: (work) => (done = work) });
      Object.defineProperty(event, "reply", { value: reply ?? null });
      self.dispatchEvent(event);
      await done;
    }, [action, reply, isGone ? this.chat : undefined]);
  }
}
