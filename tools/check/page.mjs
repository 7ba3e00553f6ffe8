// Drives the page in Chromium during a real training; see page.sh.
//
//     node page.mjs DCGAN WORK CHROMIUM

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [dcgan, work, executablePath] = process.argv.slice(2);
const shots = path.resolve(work, "screenshots");
const folder = mkdtempSync(path.join(tmpdir(), "dcgan-page-"));
const runs = path.join(folder, "runs");
mkdirSync(runs, { recursive: true });
rmSync(shots, { recursive: true, force: true });
mkdirSync(shots, { recursive: true });

const started = Date.now();
const problems = [];
const messages = [];
function check(isRight, what) {
  if (isRight) return;
  problems.push(what);
  console.log(`WRONG: ${what}`);
}
const note = (text) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);

const children = [];
function start(...words) {
  const child = spawn(dcgan, words, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  child.text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => { child.text += data; });
  child.ended = new Promise((done) => child.on("exit", done));
  children.push(child);
  return child;
}
async function until(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await condition()) return true;
    await new Promise((done) => setTimeout(done, 100));
  }
  check(false, `not within ${seconds} s: ${what}`);
  return false;
}

const small = ["--demo", "--max-images", "256", "--base-channels", "8", "--batch-size", "32"];
const train = (name, ...more) => start("train", ...small, "--out", path.join(runs, name), ...more);

/** Opens a tab that reports what goes wrong in it. */
async function tab(context, address, size) {
  const page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) messages.push(`${message.type()}: ${message.text()} (${page.url()})`); });
  page.on("pageerror", (error) => messages.push(`exception: ${error.message} (${page.url()})`));
  if (size) await page.setViewportSize(size);
  await page.goto(address);
  return page;
}

/** Checks the accessibility of what is shown. */
async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const { id, help, nodes } of violations) check(false, `${what}: ${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join("; ")}`);
}

/** Checks that nothing is wider than the window. */
async function fits(page, what) {
  const [width, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  check(width <= window, `${what}: the page is ${width} pixels wide in a window of ${window}`);
}

const sizes = { phone: { width: 390, height: 844 }, laptop: { width: 1366, height: 850 }, projector: { width: 1920, height: 1080 } };
let context;
try {
  // An ended run, and one that goes on for as long as this lasts.
  const ended = train("0000-ended", "--epochs", "3", "--evaluate-every", "1", "--seed", "5");
  check((await ended.ended) === 0, `a short training fails: ${ended.text.slice(-400)}`);
  note("a short training has ended");
  let training = train("0001-live", "--epochs", "5000", "--save-every", "8");
  const service = start("serve", runs, "--port", "0");
  await until("the address of the page", () => /http:\S+/.test(service.text));
  const address = service.text.match(/http:\S+/)[0];

  context = await chromium.launchPersistentContext(path.join(folder, "profile"), {
    executablePath, headless: true, locale: "en-GB", viewport: sizes.laptop, permissions: ["clipboard-read", "clipboard-write"],
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  context.setDefaultTimeout(15000);

  // The list.
  let page = await tab(context, address);
  await page.waitForSelector(".run-card");
  const ready = await page.evaluate(() => performance.now());
  note(`the list is there ${ready.toFixed(0)} ms after the navigation began`);
  check((await page.locator(".run-card").count()) === 2, "both runs are in the list");
  check((await page.locator(".run-card .badge").first().textContent()) === "running", "the running one is the first");
  await accessible(page, "list");
  await page.locator(".run-card input").nth(0).check();
  await page.locator(".run-card input").nth(1).check();
  await page.getByRole("link", { name: "Compare 2 runs" }).click();
  await page.waitForSelector(".charts canvas");
  await accessible(page, "comparison");
  await page.screenshot({ path: path.join(shots, "comparison.png"), fullPage: true });

  // A run while it trains.
  await page.goto(`${address}#/run/0001-live`);
  await page.waitForSelector(".sheet img");
  await page.waitForSelector(".charts canvas");
  const steps = async () => Number((await page.locator(".tiles dd").nth(1).textContent()).split("/")[0].replaceAll(/\D/g, ""));
  const first = await steps();
  await until("the step goes on", async () => (await steps()) > first);
  const slider = page.locator("#epoch-0");
  await until("some epochs have passed", async () => Number(await slider.getAttribute("max")) >= 4, 60);
  const atNewest = await slider.inputValue();
  await until("the newest epoch is followed", async () => Number(await slider.inputValue()) > Number(atNewest), 30);
  await slider.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  const last = Number(await slider.getAttribute("max"));
  await until("two more epochs", async () => Number(await slider.getAttribute("max")) >= last + 2, 30);
  check((await slider.inputValue()) === "1", "a chosen epoch stays when new ones come");
  check((await page.locator(".sheet figcaption").first().textContent()) === "epoch 1", "the chosen epoch is shown");
  await page.keyboard.press("Space");
  await until("the faces play", async () => Number(await slider.inputValue()) > 1);
  await page.getByRole("button", { name: "Pause" }).click().catch(() => {});
  await page.getByRole("button", { name: "Two epochs" }).click();
  check((await page.locator(".sheet:visible").count()) === 2, "two epochs are shown");
  await page.getByLabel("Logarithmic").check();
  // Zoom: a drag across the first chart.
  const plot = await page.locator(".u-over").first().boundingBox();
  await page.mouse.move(plot.x + plot.width * 0.3, plot.y + 50);
  await page.mouse.down();
  await page.mouse.move(plot.x + plot.width * 0.6, plot.y + 60, { steps: 4 });
  await page.mouse.up();
  await until("the zoom can be undone", () => page.getByRole("button", { name: "Whole run" }).isEnabled());
  await page.getByRole("button", { name: "Whole run" }).click();
  await until("the health is told", async () => (await page.locator(".verdict").count()) > 0);
  await accessible(page, "run");
  note("a run was watched while it trains");

  // It is stopped and resumed.
  training.kill("SIGINT");
  await training.ended;
  await until("the page says that it was stopped", async () => (await page.locator(".title .badge").textContent()) === "stopped");
  const stoppedAt = await steps();
  training = start("train", "--resume", path.join(runs, "0001-live"));
  await until("the page says that it is running", async () => (await page.locator(".title .badge").textContent()) === "running", 40);
  await until("it goes on", async () => (await steps()) > stoppedAt, 40);
  note("it was stopped and resumed");

  // Sizes, themes and languages.
  for (const [name, size] of Object.entries(sizes)) {
    for (const theme of ["light", "dark"]) {
      for (const [language, word] of [["en", "Faces"], ["zh", "头像"]]) {
        // All four of one size, and two of the others.
        if (name !== "laptop" && (theme === "light") !== (language === "en")) continue;
        await page.evaluate(([theme, language]) => { localStorage.setItem("dcgan.theme", theme); localStorage.setItem("dcgan.language", language); }, [theme, language]);
        await page.setViewportSize(size);
        for (const [part, hash] of [["list", "#/"], ["run", "#/run/0000-ended"], ["explorer", "#/explore/0000-ended"]]) {
          await page.goto("about:blank");
          await page.goto(`${address}${hash}`);
          await page.waitForSelector(part === "list" ? ".run-card" : part === "run" ? ".charts canvas" : "canvas.face[data-drawn]");
          await until("all pictures are there", () => page.evaluate(() => [...document.images].every((image) => image.complete || image.loading === "lazy")));
          if (part === "run") check((await page.locator("#faces-title").textContent()) === word, `the language is ${language}`);
          await fits(page, `${part}, ${name}, ${language}`);
          await accessible(page, `${part}, ${name}, ${theme}, ${language}`);
          await page.screenshot({ path: path.join(shots, `${part}-${name}-${theme}-${language}.png`), fullPage: part !== "list" });
        }
      }
    }
  }
  await page.evaluate(() => { localStorage.clear(); });
  await page.setViewportSize(sizes.laptop);
  note("sizes, themes and languages");

  // Layout: nothing moves while a run is loaded.
  await page.goto("about:blank");
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value; }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(`${address}#/run/0001-live`);
  await page.waitForSelector(".charts canvas");
  await page.waitForTimeout(2500);
  const shift = await page.evaluate(() => window.shift);
  check(shift < 0.1, `the layout shifts by ${shift.toFixed(3)} (0.1 is the limit of a good page)`);

  // The explorer.
  await page.goto(`${address}#/explore/0000-ended`);
  await page.waitForSelector("canvas.face[data-drawn]");
  await until("the seeds are drawn", () => page.evaluate(() => [...document.querySelectorAll(".seeds img")].every((image) => image.complete && image.naturalWidth > 0)));
  const drawn = () => page.evaluate(() => Number(document.querySelector("canvas.face").dataset.drawn));
  const pixels = () => page.evaluate(() => document.querySelector("canvas.face").toDataURL());
  await page.locator('.seed[data-seed="7"]').click();
  await until("seed 7 is shown", async () => (await page.locator(".what").textContent()) === "seed 7");
  const count = await drawn();
  await page.locator("#direction-7").scrollIntoViewIfNeeded();
  const bar = await page.locator("#direction-0").boundingBox();
  const begin = Date.now();
  await page.mouse.move(bar.x + bar.width / 2, bar.y + bar.height / 2);
  await page.mouse.down();
  for (let i = 0; i <= 40; i += 1) {
    await page.mouse.move(bar.x + bar.width * (0.5 + 0.4 * Math.sin(i / 6)), bar.y + bar.height / 2);
    await page.waitForTimeout(16);
  }
  await page.mouse.up();
  const seconds = (Date.now() - begin) / 1000;
  await page.waitForTimeout(200);
  const faces = (await drawn()) - count;
  note(`a drag drew ${faces} faces in ${seconds.toFixed(1)} s (${(faces / seconds).toFixed(0)} a second), the last within ${await page.evaluate(() => document.querySelector("canvas.face").dataset.milliseconds)} ms`);
  check(faces > 5, `a drag draws ${faces} faces`);
  const changed = await pixels();
  await page.keyboard.press("Control+z");
  await until("undo takes the drag back", async () => (await pixels()) !== changed);
  await page.getByRole("button", { name: "Redo" }).click();
  await until("redo brings it back", async () => (await pixels()) === changed);
  await page.getByLabel("Name of direction 1").fill("smile");
  await page.getByLabel("Name of direction 1").press("Enter");
  // The link shows the same face in another tab.
  await page.getByRole("button", { name: "Copy link" }).click();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await tab(context, link);
  await other.waitForSelector("canvas.face[data-drawn]");
  check((await other.evaluate(() => document.querySelector("canvas.face").toDataURL())) === changed, "a link shows the same face");
  check((await other.getByLabel("Name of direction 1").inputValue()) === "smile", "the name of a direction is kept");
  await other.close();
  // Hold three faces and mix them.
  for (const seed of [1, 2, 3]) {
    await page.locator(`.seed[data-seed="${seed}"]`).click();
    await page.getByRole("button", { name: "Hold" }).click();
  }
  check((await page.locator(".held-face").count()) === 3, "three faces are held");
  const before = await pixels();
  const pad = page.locator(".pad");
  await pad.scrollIntoViewIfNeeded();
  const box = await pad.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 3, box.y + box.height / 3, { steps: 5 });
  await page.mouse.up();
  await until("the mix is shown", async () => (await pixels()) !== before && (await page.locator(".what").textContent()) === "mix of 3 faces");
  await pad.focus();
  const mixed = await pixels();
  await page.keyboard.press("ArrowRight");
  await until("the arrow keys mix", async () => (await pixels()) !== mixed);
  await page.getByRole("button", { name: "Show A − B + C" }).click();
  await until("arithmetic is shown", async () => (await page.locator(".what").textContent()) === "arithmetic of 3 faces");
  await page.getByRole("button", { name: "Make the walk" }).click();
  await until("the walk is shown", () => page.evaluate(() => { const image = document.querySelector("img.walk"); return image.complete && image.naturalWidth > 0; }));
  await accessible(page, "explorer with held faces");
  await page.screenshot({ path: path.join(shots, "explorer-mix.png"), fullPage: true });
  // Files: the PNG of a seed has the bytes of dcgan generate.
  await page.locator('.seed[data-seed="7"]').click();
  await page.getByRole("button", { name: "Reset changes" }).click();
  await page.locator("#scale").selectOption("1");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "PNG", exact: true }).click()]);
  const generate = start("generate", path.join(runs, "0000-ended"), "--seeds", "7", "--out", path.join(folder, "faces"));
  await generate.ended;
  check(readFileSync(await download.path()).equals(readFileSync(path.join(folder, "faces", "seed-0007.png"))), "a downloaded face has the bytes of dcgan generate");
  const [noise] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Noise (.npy)" }).click()]);
  writeFileSync(path.join(folder, "noise.npy"), readFileSync(await noise.path()));
  const again = start("generate", path.join(runs, "0000-ended"), "--latents", path.join(folder, "noise.npy"), "--out", path.join(folder, "again"));
  await again.ended;
  check(readFileSync(path.join(folder, "again", "face-0000.png")).equals(readFileSync(path.join(folder, "faces", "seed-0007.png"))), "its noise draws the same face");
  note("the explorer");

  // Nothing is there.
  const errors = messages.length;
  await page.goto(`${address}#/run/none`);
  await page.waitForSelector(".message");
  check((await page.locator(".message").textContent()).includes("there is no run"), "a run that is missing is explained");
  await page.goto(`${address}#/nowhere`);
  await page.waitForSelector(".message .button");
  // The browser writes a line about every answer of 404.
  messages.splice(errors, messages.length, ...messages.slice(errors).filter((message) => !message.includes("404")));

  // The report, from a file.
  const report = start("report", path.join(runs, "0000-ended"), "--out", path.join(folder, "report.html"));
  await report.ended;
  check(existsSync(path.join(folder, "report.html")) && statSync(path.join(folder, "report.html")).size < 10e6, "the report is a file of less than 10 MB");
  const asked = [];
  const file = await context.newPage();
  file.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) asked.push(request.url()); });
  file.on("console", (message) => { if (message.type() === "error") messages.push(`report: ${message.text()}`); });
  file.on("pageerror", (error) => messages.push(`report: ${error.message}`));
  await file.goto(`file://${path.join(folder, "report.html")}`);
  await file.waitForSelector(".charts canvas");
  await file.locator("#epoch-0").focus();
  await file.keyboard.press("Home");
  check((await file.locator(".sheet figcaption").first().textContent()) === "before training", "the report has the epochs");
  check(asked.length === 0, `the report asks for ${asked}`);
  await accessible(file, "report");
  await file.screenshot({ path: path.join(shots, "report.png"), fullPage: true });
  note("the report");

  check(messages.length === 0, `the console says: ${[...new Set(messages)].slice(0, 8).join(" | ")}`);

  // A live stream does not hold up the end.
  await page.goto(`${address}#/run/0001-live`);
  await page.waitForSelector(".charts canvas");
  const end = Date.now();
  service.kill("SIGTERM");
  check((await service.ended) === 0, "the service ends with status 0");
  // A stream that held it up would do so until the browser closes.
  check(Date.now() - end < 30_000, `the service takes ${Date.now() - end} ms to end`);
} catch (error) {
  check(false, error.stack);
} finally {
  await context?.close().catch(() => {});
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.ended));
  rmSync(folder, { recursive: true, force: true });
}
note(`${problems.length} problems; screenshots are in ${shots}`);
process.exit(problems.length ? 1 : 0);
