// Two people chat by converse.js.
import { Person } from "./converse.js";
import { expect, test } from "./server.js";

test("two people chat, and what one missed is there later", async ({ browser, server }, info) => {
  const [annasAccount, bertsAccount] = [server.account(), server.account()];
  const anna = await Person.arrive(browser, server, annasAccount);
  let bert = await Person.arrive(browser, server, bertsAccount);
  await anna.open(bert.jid);
  await anna.say("Hello Bert 🐦");
  await bert.open(anna.jid);
  await expect(bert.texts()).toHaveText(["Hello Bert 🐦"]);
  await bert.say("Hello Anna <b> & \"welcome\"");
  const both = ["Hello Bert 🐦", "Hello Anna <b> & \"welcome\""];
  await expect(anna.texts()).toHaveText(both);
  await anna.page.screenshot({ path: info.outputPath("chat.png") });

  await bert.leave();
  await anna.say("Are you gone?");
  await anna.say("See you");
  const all = [...both, "Are you gone?", "See you"];
  await expect(anna.texts()).toHaveText(all);
  // A new browser knows nothing: the first two can come from the archive only.
  bert = await Person.arrive(browser, server, bertsAccount);
  await bert.open(anna.jid);
  await expect(bert.texts()).toHaveText(all);
  await bert.page.screenshot({ path: info.outputPath("later.png") });
  await bert.say("Back again");
  await expect(anna.texts()).toHaveText([...all, "Back again"]);
  await Promise.all([anna.leave(), bert.leave()]);
});

test("a long conversation is read back from the archive", async ({ browser, server }, info) => {
  const [annasAccount, bertsAccount] = [server.account(), server.account()];
  let anna = await Person.arrive(browser, server, annasAccount);
  await anna.open(bertsAccount.jid);
  const said = Array.from({ length: 30 }, (_, number) => `message ${number}`);
  for (const text of said) await anna.say(text);
  await expect(anna.texts()).toHaveText(said);
  await anna.leave();
  anna = await Person.arrive(browser, server, annasAccount);
  await anna.open(bertsAccount.jid);
  await expect(anna.texts()).toHaveText(said);
  await anna.page.screenshot({ path: info.outputPath("archive.png") });
  await anna.leave();
});
