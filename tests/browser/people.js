// People who use the web app, each in a browser of their own, by what they read on the screen.
import { expect } from "./server.js";

export class Person {
  /// What the page's console said of weight.
  said = [];

  /// A new browser at the app's first page. What is not about the person is for the browser's context.
  static async arrive(browser, server, name, { number = server.number(), ...options } = {}) {
    const person = new Person();
    person.server = server;
    person.name = name;
    person.number = number;
    // What slides in is waited for before it is clicked.
    person.context = await browser.newContext({ locale: "en", reducedMotion: "reduce", ...options });
    person.page = await person.context.newPage();
    person.listen();
    await person.page.goto(server.appUrl);
    return person;
  }

  /// A new account in a new browser; three steps from the page to the first message.
  static async register(browser, server, name, options = {}) {
    const person = await Person.arrive(browser, server, name, options);
    await person.proveNumber();
    await person.nameThemselves();
    return person;
  }

  /// Several at once, each in a browser of their own.
  static registerAll(browser, server, names, options) {
    return Promise.all(names.map((name) => Person.register(browser, server, name, options)));
  }

  /// They go, and nothing of weight was said by their consoles.
  static async leaveAll(...people) {
    for (const { name, said } of people) expect(said, `the console of ${name} is quiet`).toEqual([]);
    await Promise.all(people.map((person) => person.leave()));
  }

  /// Shows by a code that the number is theirs.
  async proveNumber() {
    const { page, number, server } = this;
    await page.getByLabel("Phone number").fill(number);
    await page.getByRole("button", { name: "Send code" }).click();
    await page.getByLabel("Code", { exact: true }).fill(await server.code(number));
  }

  async nameThemselves() {
    const { page, name } = this;
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Start messaging" }).click();
    await expect(page.getByRole("button", { name: "New chat" }).first()).toBeVisible();
  }

  /// Opens a section of the settings.
  async settings(section) {
    await this.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Settings" }).click();
    await this.page.getByRole("navigation", { name: "Settings" }).getByRole("button", { name: section, exact: true }).click();
    await expect(this.page.getByRole("heading", { name: section, exact: true })).toBeVisible();
  }

  listen() {
    this.page.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) this.said.push(line.text());
    });
    this.page.on("pageerror", (error) => this.said.push(String(error)));
  }

  /// Begins a conversation with whoever has a number.
  async writeTo(other) {
    const { page } = this;
    await page.getByRole("button", { name: "New chat" }).first().click();
    await page.getByLabel("Phone number").fill(other.number);
    await page.getByRole("button", { name: "Write a message" }).click();
    await expect(this.composer()).toBeVisible();
  }

  /// Another browser of this person, by the link that this one shows.
  async link() {
    const { page, context, server, name, number } = this;
    const browser = context.browser();
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await this.settings("Devices");
    await page.getByRole("button", { name: "Link a device" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Copy" }).click();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const other = await Person.arrive(browser, server, name, { number });
    await other.page.getByRole("button", { name: "Link to another device instead" }).click();
    await other.page.getByLabel("Link", { exact: true }).fill(link);
    await other.page.getByRole("button", { name: "Use this link" }).click();
    await expect(other.page.getByRole("button", { name: "New chat" }).first()).toBeVisible();
    await page.getByRole("button", { name: "Close" }).click();
    await this.chats();
    return other;
  }

  /// The rows of the list of chats, by what is to be read in them.
  rows() {
    return this.page.getByRole("navigation", { name: "Conversations" }).getByRole("link");
  }

  row(name) {
    return this.rows().filter({ hasText: name });
  }

  /// A chat's row has this tick.
  async shows(name, tick) {
    await expect(this.row(name).getByRole("img", { name: tick, exact: true })).toBeVisible();
  }

  /// Chooses from the menu of a chat's row.
  async chooseOf(name, item) {
    await this.row(name).click({ button: "right" });
    await this.page.getByRole("menuitem", { name: item, exact: true }).click();
  }

  /// Presses a row with a finger until its menu is there.
  async press(name) {
    const box = await this.row(name).boundingBox();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const touch = await this.context.newCDPSession(this.page);
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x, y }] });
    await expect(this.page.getByRole("menu")).toBeVisible();
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  }

  composer() {
    return this.page.getByRole("textbox", { name: /^Message to/ });
  }

  async send(text) {
    await this.composer().fill(text);
    await this.page.getByRole("button", { name: "Send", exact: true }).click();
  }

  /// Sends one after the other, as fast as the page takes them.
  async sendAll(texts) {
    await this.composer().evaluate(async (area, texts) => {
      for (const text of texts) {
        area.value = text;
        area.dispatchEvent(new InputEvent("input", { bubbles: true }));
        area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
        while (area.value) await new Promise(requestAnimationFrame);
      }
    }, texts);
  }

  /// Opens a conversation of the list.
  async open(name, { mayWrite = true } = {}) {
    await this.page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name }).first().click();
    if (mayWrite) await expect(this.composer()).toBeVisible();
  }

  /// Goes to a place of the main navigation.
  async go(place) {
    await this.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: place }).click();
  }

  /// Shows the list of chats.
  async chats() {
    await this.go("Chats");
  }

  /// From now on the camera sees what is on somebody's screen.
  async lookAt(shown) {
    const picture = `data:image/png;base64,${(await shown.screenshot()).toString("base64")}`;
    await this.page.evaluate(async (picture) => {
      const image = new Image();
      image.src = picture;
      await image.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
      const context = canvas.getContext("2d");
      const draw = () => {
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.drawImage(image, 150, 70, 340, 340);
      };
      navigator.mediaDevices.getUserMedia = async () => {
        setInterval(draw, 100);
        return canvas.captureStream();
      };
    }, picture);
  }

  /// Opens what there is to know about a conversation of the list.
  async info(name) {
    await this.chats();
    await this.chooseOf(name, "Info");
  }

  /// A message on the screen.
  message(text) {
    return this.page.getByRole("log").getByText(text, { exact: true });
  }

  async sees(text) {
    // An expectation looks ever more seldom, in the end twice a second.
    await expect.poll(() => this.message(text).isVisible(), { message: `${this.name} sees “${text}”`, intervals: [50] }).toBe(true);
  }

  /// Founds a group of whoever has these numbers.
  async found(name, others) {
    const { page } = this;
    await page.getByRole("button", { name: "New chat" }).first().click();
    await page.getByText("New group", { exact: true }).click();
    await page.getByLabel("Group name").fill(name);
    for (const { number } of others) {
      await page.getByLabel("Add by phone number").fill(number);
      await page.getByRole("button", { name: "Add", exact: true }).click();
    }
    await page.getByRole("button", { name: "Create group" }).click();
    await expect(this.composer()).toBeVisible();
  }

  /// Opens the menu of a message.
  async menu(text) {
    await this.message(text).click({ button: "right" });
    return this.page.getByRole("menu");
  }

  /// Chooses from the menu of a message.
  async choose(text, name) {
    const menu = await this.menu(text);
    await menu.getByRole("menuitem", { name, exact: true }).click();
  }

  /// Scrolls back until the message is on the screen.
  async scrollTo(text) {
    const log = this.page.getByRole("log");
    const message = this.message(text).first();
    await expect(async () => {
      if ((await message.count()) > 0) await message.scrollIntoViewIfNeeded({ timeout: 500 });
      else await log.evaluate((log) => log.scrollBy(0, -600));
      await expect(message).toBeInViewport({ timeout: 100 });
    }).toPass({ intervals: [50] });
  }

  async react(text, emoji) {
    const menu = await this.menu(text);
    await menu.getByText(emoji).click();
  }

  async deleteForEveryone(text) {
    const menu = await this.menu(text);
    await menu.getByRole("menuitem", { name: "Delete" }).click();
    await this.page.getByRole("button", { name: "Delete for everyone" }).click();
  }

  /// Chooses photos and films, which are shown before they are sent.
  async chooseFiles(paths) {
    const { page } = this;
    const chosen = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Attach" }).click();
    await page.getByRole("menuitem", { name: "Photos and films" }).click();
    await (await chosen).setFiles(paths);
    await expect(page.getByLabel("Caption")).toBeVisible();
  }

  /// Sends a file with a caption.
  async sendFile(path, caption) {
    const { page } = this;
    await this.chooseFiles([path]);
    await page.getByLabel("Caption").fill(caption);
    await page.getByRole("button", { name: "Send 1 file" }).click();
  }

  /// Has the browser refuse to write as it does where there is no room. (DevTools' override of the quota does not
  /// reach databases of contexts like these.)
  async fillBrowser(isFull) {
    const patch = (isFull) => {
      const database = IDBDatabase.prototype;
      database.whole ??= database.transaction;
      database.transaction = function (tables, mode, options) {
        if (isFull && mode === "readwrite") throw new DOMException("no room", "QuotaExceededError");
        return database.whole.call(this, tables, mode, options);
      };
    };
    for (const worker of this.page.workers()) await worker.evaluate(patch, isFull);
  }

  async leave() {
    await this.context.close();
  }
}
