// The console in a real browser, used as a person would: `node browser.js SERVER_URL SCREENSHOTS [--files DIRECTORY]`.
// The server runs with a scripted provider and a shared cache, so that every switch has something to break. The one at the address
// in PLAIN has neither, as `make run` starts it.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [url, shots, option, files] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env.CHROMIUM ?? BROWSERS.find(existsSync);
assert.ok(executablePath, 'Chromium is missing: `make browser` installs it');
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
const faults = [];

/** A page that notes everything the browser complains of, and every request beyond the server. */
async function open({ at = url, width = 1280, height = 900, dark = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: at });
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // The browser itself reports answers of 4xx and 5xx, which some steps provoke.
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource')) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(at) && !/^(data|blob):/.test(request.url())) faults.push(`request to ${request.url()}`);
  });
  if (option === '--files') await page.route(/\/(console\/.*)?$/, (route) => serve(route));
  await page.goto(at);
  await page.getByText('Live', { exact: true }).waitFor();
  return page;
}

/** While the page is being worked on: its files as they are on the disk, with the server's headers. */
async function serve(route) {
  const path = new URL(route.request().url()).pathname;
  const file = join(files, path === '/' ? 'index.html' : path.replace('/console/', ''));
  if (!existsSync(file) || route.request().method() !== 'GET') return route.fallback();
  const kinds = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' };
  const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'";
  return route.fulfill({ body: readFileSync(file), headers: { 'content-type': kinds[file.split('.').at(-1)], 'content-security-policy': policy } });
}

/** Waits until no request is under way. */
const settled = (page) => page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));

const section = (page, name) => page.getByRole('navigation').getByRole('link', { name }).click();

/** Checks accessibility, and keeps a picture. */
async function look(page, name) {
  await page.evaluate(() => (document.activeElement?.blur(), scrollTo(0, 0)));
  // Axe is evaluated by the debugger, not loaded by the page: the page's policy forbids that.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`);
  faults.push(...said.map((violation) => `axe, ${name}: ${violation}`));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) faults.push(`${name} is ${wide} px wider than its window`);
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

const steps = {
  async 'a newcomer sees posts judged, and how to have more to break'() {
    const page = await open({ at: process.env.PLAIN, height: 900 });
    await page.getByRole('button', { name: 'Judge the posts' }).click();
    await page.getByText('the embedded judge in this program').nth(4).waitFor();
    await page.getByText(/on AWS/).waitFor();
    await page.evaluate(() => (document.activeElement?.blur(), scrollTo(0, 0)));
    // The one in README.md.
    await page.screenshot({ path: join(shots, 'console.png') });
    await look(page, 'plain-try');
    await page.getByRole('tab', { name: 'Chat' }).click();
    await page.getByText('No assistant is configured').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Send' }).isDisabled());
    await section(page, 'Break');
    await page.getByText(/no shared cache.*make demo/).waitFor();
    await page.getByText(/No scripted provider runs.*make demo/).waitFor();
    await look(page, 'plain-break');
    await page.context().close();
  },

  async 'posts are judged, explained, and charged'() {
    const page = await open();
    await look(page, 'try-empty');
    await page.getByRole('button', { name: 'Judge the posts' }).click();
    const results = page.getByRole('region', { name: 'Results' });
    const first = results.getByRole('listitem').first();
    await first.getByText('Hide', { exact: true }).waitFor();
    assert.match(await first.textContent(), /crypto/);
    assert.match(await results.textContent(), /of 1,000 posts today/);
    await results.getByText(/on AWS/).waitFor();
    await page.getByText('995 of 1,000 posts left today').waitFor();
    await results.getByText('The same with curl').click();
    await results.getByRole('button', { name: 'Copy the command' }).click();
    await results.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^curl -s 'http.*\/v1\/classify\?explain=true'[^]*Bearer ey[^]*-d '\{"preference"/);
    await look(page, 'try-posts');
    // Asked again, nothing is judged again.
    await page.getByRole('button', { name: 'Judge the posts' }).click();
    await results.getByText('remembered, not judged again').first().waitFor();
    // The same through the queue.
    await page.getByRole('button', { name: 'Submit as a job' }).click();
    await results.getByText(/The job was done after/).waitFor();
    assert.equal(await results.getByRole('listitem').count(), 5);
    await page.getByText('985 of 1,000 posts left today').waitFor();
    await look(page, 'try-job');
    // A mistake is shown with its place.
    await page.getByRole('textbox', { name: 'Posts' }).fill(`${'x'.repeat(10_001)}\nfine`);
    await page.getByRole('button', { name: 'Judge the posts' }).click();
    await results.getByRole('alert').getByText('/posts/0/text').waitFor();
    await page.context().close();
  },

  async 'items are ranked, by the keyboard alone'() {
    const page = await open();
    await page.getByRole('tab', { name: 'Posts' }).focus();
    while ((await page.getByRole('tab', { name: 'Ranking' }).getAttribute('aria-selected')) !== 'true') await page.keyboard.press('ArrowRight');
    assert.equal(await page.getByRole('tab', { name: 'Ranking' }).getAttribute('aria-selected'), 'true');
    await page.getByRole('textbox', { name: 'Query' }).focus();
    await page.keyboard.press('Enter');
    const results = page.getByRole('tabpanel', { name: 'Ranking' }).getByRole('region', { name: 'Results' });
    await results.getByText(/Agreement of the samples: 1.00/).waitFor();
    assert.match(await results.getByRole('listitem').first().textContent(), /^1To reset your password/);
    await look(page, 'try-rank');
    await page.context().close();
  },

  async 'a drawing is looked at, and a picture of one’s own'() {
    const page = await open();
    await page.getByRole('tab', { name: 'Pictures' }).click();
    const panel = page.getByRole('tabpanel', { name: 'Pictures' });
    const results = panel.getByRole('region', { name: 'Results' });
    for (const name of ['A landscape', 'A chat on a screen', 'A page of text']) {
      await panel.getByRole('button', { name }).click();
      await settled(page);
      await results.getByText(/Level 0 of 3: safe/).waitFor();
      await results.getByText(/on AWS/).waitFor();
    }
    await look(page, 'try-picture');
    // The same once more is the same screen of this device.
    await panel.getByRole('button', { name: 'A page of text' }).click();
    await settled(page);
    await results.getByText(/nearly the same picture|remembered, not judged again/).waitFor();
    const picture = await page.screenshot();
    await panel.getByLabel('A picture of your own').setInputFiles({ name: 'screen.png', mimeType: 'image/png', buffer: picture });
    await settled(page);
    await results.getByText(/Level \d of 3/).waitFor();
    await panel.getByLabel('A picture of your own').setInputFiles({ name: 'note.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await results.getByRole('alert').getByText(/422 UNREADABLE_IMAGE/).waitFor();
    await page.context().close();
  },

  async 'a chat is streamed'() {
    const page = await open();
    await page.getByRole('tab', { name: 'Chat' }).click();
    const panel = page.getByRole('tabpanel', { name: 'Chat' });
    await panel.getByRole('button', { name: 'Send' }).click();
    await panel.getByText(/tokens read, \d+ written/).waitFor();
    assert.equal(await panel.getByRole('listitem').count(), 2);
    await look(page, 'try-chat');
    await panel.getByRole('textbox', { name: 'Message' }).fill('And in summer?');
    await panel.getByRole('button', { name: 'Send' }).click();
    await panel.getByRole('listitem').nth(3).filter({ hasText: /demo.+/ }).waitFor();
    await panel.getByRole('button', { name: 'Start over' }).click();
    await panel.getByText('Nothing said yet').waitFor();
    await page.context().close();
  },

  async 'another user has a quota of its own, and a new one a new day'() {
    const page = await open();
    const ask = () => page.getByRole('button', { name: 'Judge the posts' }).click();
    await page.getByLabel('Demo user').selectOption('Ben');
    await ask();
    await page.getByText('995 of 1,000 posts left today').waitFor();
    await page.getByRole('button', { name: 'New user' }).click();
    await page.getByText('registers itself').waitFor();
    await ask();
    await page.getByText('995 of 1,000 posts left today').waitFor();
    await page.context().close();
  },

  async 'the traffic is watched as it comes'() {
    const page = await open();
    await section(page, 'Watch');
    await page.getByRole('heading', { name: 'Watch the traffic' }).waitFor();
    await section(page, 'Try');
    for (let n = 0; n < 3; n += 1) {
      await page.getByRole('button', { name: 'Judge the posts' }).click();
      await page.getByRole('button', { name: 'Judge the posts', disabled: false }).waitFor();
    }
    await section(page, 'Watch');
    await page.getByRole('row').filter({ hasText: 'POST /v1/classify' }).first().waitFor();
    await page.locator('.uplot').nth(2).waitFor();
    await page.getByText('Ada, posts').waitFor();
    await page.locator('.rows li').filter({ hasText: 'Tables' }).getByText(/works/).waitFor();
    await look(page, 'watch');
    await page.context().close();
  },

  async 'each switch breaks something, users see it, and it is repaired'() {
    const page = await open();
    await section(page, 'Break');
    await look(page, 'break-before');
    await page.getByRole('button', { name: 'Start the pulse' }).click();
    const told = (text) => page.locator('.story li').first().filter({ hasText: text }).waitFor({ timeout: 45_000 });
    await told(/^.*200\. Known post/);
    for (const [part, trouble, effect] of [
      ['Tables', 'Refusing', /Degraded: .*quota/],
      ['Tables', 'Frozen', /Degraded: .*quota/],
      ['Shared cache', 'Gone', /Degraded: .*rateLimit/],
      ['Shared cache', 'Frozen', /Degraded: .*rateLimit/],
      ['Model', 'Failing', /New post: local.*Degraded: .*model/],
      ['Model', 'Senseless', /New post: local.*Degraded: .*model/],
    ]) {
      const group = page.getByRole('group', { name: part });
      await group.getByRole('radio', { name: trouble }).check();
      await page.getByText(/^Broken on purpose/).waitFor();
      await told(effect);
      if (trouble === 'Frozen' && part === 'Tables') await look(page, 'break-tables');
      if (trouble === 'Gone') {
        await section(page, 'Watch');
        await page.locator('.rows li').filter({ hasText: part }).getByText('down').waitFor();
        await section(page, 'Break');
      }
      // The one in docs/QUICKSTART.md.
      if (trouble === 'Failing') await page.screenshot({ path: join(shots, 'console-break.png') });
      await page.getByRole('button', { name: 'Repair everything' }).click();
      await told(/Recovered .* after the repair/);
      assert.ok(await group.getByRole('radio', { name: 'Works' }).isChecked());
    }
    await page.getByRole('group', { name: 'Model' }).getByRole('radio', { name: 'Slow' }).check();
    await page.locator('#pulse-now').filter({ hasText: /took 1\.[5-9]\d\ss|took [2-9]\.\d\d\ss/ }).waitFor({ timeout: 30_000 });
    await page.getByRole('group', { name: 'Model' }).getByRole('radio', { name: 'Works' }).check();
    await page.locator('#pulse-now').filter({ hasText: /took [\d.]+\sms/ }).waitFor({ timeout: 30_000 });
    const queue = page.getByRole('group', { name: 'Queue' });
    await queue.getByRole('radio', { name: 'Delivers twice' }).check();
    await page.getByRole('button', { name: 'Submit a job' }).click();
    await page.locator('.story').getByText(/A job of 2 posts is done .* and 2 posts were charged/).waitFor();
    await queue.getByRole('radio', { name: 'Works' }).check();
    await look(page, 'break-after');
    await section(page, 'Watch');
    await look(page, 'watch-after');
    await page.context().close();
  },

  async 'it is dark where that is wanted, and fits a small phone'() {
    const page = await open({ width: 360, height: 740, dark: true });
    await page.getByRole('button', { name: 'Judge the posts' }).click();
    await page.getByText(/on AWS/).waitFor();
    await look(page, 'phone-try');
    await section(page, 'Watch');
    await page.locator('.uplot').first().waitFor();
    await look(page, 'phone-watch');
    await section(page, 'Break');
    await look(page, 'phone-break');
    await page.context().close();
    const wide = await open({ width: 1600, height: 1000, dark: true });
    await wide.getByRole('button', { name: 'Judge the posts' }).click();
    await wide.getByText(/on AWS/).waitFor();
    await look(wide, 'dark-try');
    await section(wide, 'Watch');
    await wide.locator('.uplot').first().waitFor();
    await look(wide, 'dark-watch');
    await wide.getByRole('button', { name: /Theme/ }).click();
    assert.equal(await wide.evaluate(() => document.documentElement.dataset.theme), 'light');
    await look(wide, 'chosen-light');
    await wide.context().close();
  },
};

const only = process.env.ONLY;
for (const [name, step] of Object.entries(steps)) {
  if (only && !name.includes(only)) continue;
  console.log(`browser: ${name}`);
  try {
    await step();
  } catch (error) {
    // The rest is looked at all the same: a run takes minutes.
    faults.push(`${name}: ${error.message}`);
    for (const context of browser.contexts()) {
      await context.pages()[0]?.screenshot({ path: join(shots, `failed-${name.replaceAll(/[^a-z]+/g, '-')}.png`), fullPage: true });
      await context.close();
    }
  }
}
await browser.close();
if (faults.length) {
  console.error(faults.map((fault) => `- ${fault}`).join('\n'));
  process.exit(1);
}
console.log(`browser: nothing to complain of; pictures in ${shots}`);
