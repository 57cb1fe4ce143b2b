// Two people talk in a group by converse.js, for which it is a room of XEP-0045.
import { Person } from "./converse.js";
import { expect, test } from "./server.js";

test("two people talk in a group, and what one missed is there later", async ({ browser, server }, info) => {
  // Who has lost its server tries again ever more slowly.
  test.slow();
  const [annasAccount, bertsAccount] = [server.account(), server.account()];
  const anna = await Person.arrive(browser, server, annasAccount);
  let bert = await Person.arrive(browser, server, bertsAccount);
  const room = await anna.makeGroup("Tea & cake", [bert.jid]);
  await anna.join(room, "Anna");
  await anna.say("Who wants tea?");
  await bert.join(room, "Bert");
  // What happens to the group stands in its log too.
  await expect(bert.texts()).toContainText(["Who wants tea?"]);
  await bert.say("I do");
  const both = ["Who wants tea?", "I do"];
  await expect(anna.texts()).toContainText(both);
  await expect(anna.page.locator("converse-muc")).toContainText("Tea & cake");
  await anna.page.screenshot({ path: info.outputPath("group.png") });

  await bert.leave();
  await server.kill();
  await anna.noticeTheLoss();
  await server.restart();
  await anna.comeBack();
  await anna.say("It is ready");
  await expect(anna.texts()).toContainText([...both, "It is ready"]);
  // A new browser knows nothing: what was said can come from the group's archive only.
  bert = await Person.arrive(browser, server, bertsAccount);
  await bert.join(room, "Bert");
  await expect(bert.texts()).toContainText([...both, "It is ready"]);
  await bert.say("I come");
  await expect(anna.texts()).toContainText([...both, "It is ready", "I come"]);
  await Promise.all([anna.leave(), bert.leave()]);
});
