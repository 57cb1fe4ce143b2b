// Calls in the web app: pictures and voices that come by the server, which can read none of them.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

/// A person's side of a call.
class Side {
  constructor(person, name) {
    this.person = person;
    this.screen = person.page.getByRole("region", { name: `Call: ${name}` });
  }

  button(name) {
    return this.screen.getByRole("button", { name, exact: true });
  }

  /// Somebody's picture moves.
  async sees(name) {
    const video = this.screen.getByRole("button", { name: `${name}: show large` }).locator("video");
    const frames = () => video.evaluate((video) => (video.videoWidth > 0 ? video.getVideoPlaybackQuality().totalVideoFrames : 0)).catch(() => 0);
    const before = await frames();
    await expect.poll(frames, { message: `${this.person.name} sees ${name}`, timeout: 30_000 }).toBeGreaterThan(before + 2);
  }

  /// How unlike the own picture the others' are, of which all cameras here make the same: 0 to 255.
  unlike() {
    return this.screen.locator("video").evaluateAll((videos) => {
      const pixels = (video) => {
        const context = new OffscreenCanvas(32, 18).getContext("2d");
        context.drawImage(video, 0, 0, 32, 18);
        return context.getImageData(0, 0, 32, 18).data;
      };
      const isOwn = (video) => /fake/.test(video.srcObject?.getVideoTracks()[0]?.label);
      const own = pixels(videos.find(isOwn));
      const others = videos.filter((video) => !isOwn(video) && video.videoWidth > 0).map(pixels);
      return others.map((other) => other.reduce((sum, value, at) => sum + Math.abs(value - own[at]), 0) / own.length);
    });
  }

  /// Somebody is heard: the microphones of these browsers beep.
  async hears() {
    const isHeard = () =>
      this.person.page.evaluate(async () => {
        const levels = [...document.querySelectorAll("audio")].map(async (audio) => {
          const context = new AudioContext();
          const analyser = new AnalyserNode(context);
          context.createMediaStreamSource(audio.srcObject).connect(analyser);
          const samples = new Float32Array(analyser.fftSize);
          for (let look = 0; look < 30; look++) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            analyser.getFloatTimeDomainData(samples);
            if (samples.some((sample) => Math.abs(sample) > 0.01)) return true;
          }
          return false;
        });
        return (await Promise.all(levels)).some(Boolean);
      });
    await expect.poll(isHeard, { message: `${this.person.name} hears somebody`, timeout: 30_000 }).toBe(true);
  }
}

/// Two pictures of these cameras differ by less, whatever their moment and size.
const UNLIKE_MIN = 30;

test("three talk in an encrypted group, one of them from the middle on", async ({ browser, server }) => {
  test.slow();
  const [ada, bea, cal] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew", "Cal Godwit"]);
  await ada.found("Waders", [bea, cal]);
  await ada.send("shall we talk?");
  await bea.open("Waders");
  await bea.sees("shall we talk?");
  await cal.open("Waders");
  await cal.sees("shall we talk?");

  await ada.page.getByRole("button", { name: "Video call" }).click();
  await bea.page.getByRole("alertdialog", { name: "Waders is calling" }).getByRole("button", { name: "Answer" }).click();
  await cal.page.getByRole("alertdialog", { name: "Waders is calling" }).getByRole("button", { name: "Decline" }).click();
  const [adas, beas, cals] = [ada, bea, cal].map((person) => new Side(person, "Waders"));
  await Promise.all([adas.sees("Bea Curlew"), beas.sees("Ada Sandpiper")]);
  await Promise.all([adas.hears(), beas.hears()]);
  const code = (side) => side.screen.getByRole("img", { name: /^End-to-end encrypted/ }).getAttribute("aria-label");
  expect(await code(adas)).toBe(await code(beas));

  // Without the keys there is nothing to be seen, though all of it arrives.
  await cal.page.evaluate(() => Object.defineProperty(RTCRtpReceiver.prototype, "transform", { set() {}, configurable: true }));
  await cal.page.getByRole("button", { name: "Join" }).click();
  await expect(cals.button("Leave the call")).toBeVisible();
  await Promise.all([adas.sees("Cal Godwit"), beas.sees("Cal Godwit")]);
  // VP8 tells a key frame's size in the clear: a decoder may make something of the rest, but no picture.
  for (const unlike of await cals.unlike()) expect(unlike, "what cannot be opened is no picture").toBeGreaterThan(UNLIKE_MIN);
  await cal.page.reload();
  await cal.page.getByRole("button", { name: "Join" }).click();
  await Promise.all([cals.sees("Ada Sandpiper"), cals.sees("Bea Curlew")]);
  await expect.poll(async () => Math.max(...(await cals.unlike()))).toBeLessThan(UNLIKE_MIN);

  await adas.button("Mute (M)").click();
  await expect(beas.screen.getByRole("button", { name: "Ada Sandpiper: show large" }).getByRole("img", { name: "Muted" })).toBeVisible();
  await beas.button("Leave the call").click();
  await expect(bea.page.getByText("A call with 2 people")).toBeVisible();
  await cals.button("Leave the call").click();
  await adas.button("Leave the call").click();
  await expect(bea.page.getByRole("log").getByText(/^Call, /)).toBeVisible();
  await Person.leaveAll(ada, bea, cal);
});

test("two talk on though the server begins anew, and one misses a call", async ({ browser, server }) => {
  test.slow();
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await ada.writeTo(bea);
  await ada.page.getByRole("button", { name: "Voice call" }).click();
  await bea.page.getByRole("alertdialog", { name: "Ada Sandpiper is calling" }).getByRole("button", { name: "Answer" }).click();
  const [adas, beas] = [new Side(ada, "Bea Curlew"), new Side(bea, "Ada Sandpiper")];
  await Promise.all([adas.hears(), beas.hears()]);
  await server.kill();
  await server.restart();
  await Promise.all([adas, beas].map((side) => expect(side.screen.getByRole("status")).toHaveText(/^\d+:\d\d$/)));
  await Promise.all([adas.hears(), beas.hears()]);
  await beas.button("Leave the call").click();
  await expect(ada.page.getByText("The call has ended")).toBeVisible();
  await expect(ada.page.getByRole("log").getByText(/^Call, /)).toBeVisible();

  await ada.page.getByRole("button", { name: "Voice call" }).click();
  const ringing = bea.page.getByRole("alertdialog");
  await expect(ringing).toBeVisible();
  await adas.button("Leave the call").click();
  await expect(ringing).toHaveCount(0);
  await bea.open("Ada Sandpiper");
  await expect(bea.page.getByRole("log").getByText("Missed call from Ada Sandpiper")).toBeVisible();
  await Promise.all([ada, bea].map((person) => person.leave()));
});
