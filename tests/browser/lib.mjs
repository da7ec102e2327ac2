// What the browser scripts share: the system's Chromium or (BROWSER=firefox) its Firefox, codes by oathtool, QR
// codes by zbarimg, and the things every page must keep to (no foreign request, no violated policy, no sideways
// scrolling; no barrier that axe-core finds, everything within reach of the keyboard and in the order of reading).
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, firefox } from 'playwright-core';

const PATIENCE = 60_000;

export function assert(holds, message) {
  if (!holds) throw new Error(message);
}

export const isFirefox = process.env.BROWSER === 'firefox';

export async function launch({ args = [], preferences = {} } = {}) {
  if (isFirefox) {
    // Debian's own as it is, over WebDriver BiDi.
    const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
    return firefox.launch({ channel: 'moz-firefox', executablePath, firefoxUserPrefs: preferences });
  }
  return chromium.launch({
    timeout: 2 * PATIENCE,
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', ...args],
  });
}

// One profile whose every console message and request is watched.
// `strict`: nothing at all may stand on the console.
export async function profile(browser, { script = true, strict = false, origins, ...more }) {
  const context = await browser.newContext({ javaScriptEnabled: script, reducedMotion: 'reduce', ...more });
  context.setDefaultTimeout(PATIENCE);
  const faults = [];
  context.on('console', (message) => {
    // That a page was a refusal is told there as well.
    const wrong = strict ? !/the server responded with a status of [45]/.test(message.text()) : /violates|refused to/i.test(message.text());
    if (wrong) faults.push(`console: ${message.text()}`);
  });
  context.on('weberror', (error) => { if (strict) faults.push(`script: ${error.error()}`); });
  context.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && !origins.includes(origin)) faults.push(`request to ${request.url()}`);
  });
  return { context, faults };
}

export function codes(secret, after = 0) {
  let last = after;
  return async () => {
    for (;;) {
      const now = Math.floor(Date.now() / 1000);
      const current = Math.floor(now / 30);
      const earliest = 30 - (now % 30) > 10 ? current - 1 : current;
      const step = Math.max(earliest, last + 1);
      if (step <= current + 1) {
        last = step;
        return execFileSync('oathtool', ['--totp', '--base32', `--now=@${step * 30}`, secret]).toString().trim();
      }
      await new Promise((done) => setTimeout(done, 250));
    }
  };
}

// What a phone's camera would read: the picture of the page, not its source.
export async function scan(page) {
  const picture = await page.locator('svg[role=img]').screenshot({ scale: 'css' });
  const directory = mkdtempSync(join(tmpdir(), 'stepgate-qr-'));
  try {
    const file = join(directory, 'qr.png');
    writeFileSync(file, picture);
    return execFileSync('zbarimg', ['--quiet', '--raw', file]).toString().trim();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const seen = new Set();

// Pictures of a page at two widths in two schemes, for people to look at; and it must not scroll sideways.
export async function look(page, name) {
  const directory = process.env.SCREENSHOTS;
  if (!directory || seen.has(name)) return;
  if (isFirefox) name = `firefox-${name}`;
  seen.add(name);
  mkdirSync(directory, { recursive: true });
  const before = page.viewportSize();
  for (const [width, height] of [[320, 640], [1280, 800]]) {
    // Firefox has the one that it was started with.
    for (const colorScheme of isFirefox ? ['light'] : ['light', 'dark']) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(directory, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= width, `${name} scrolls sideways at ${width} px: ${wide} px`);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

// What every page of ours has.
export async function keeps(page, name) {
  assert((await page.locator('h1').count()) === 1, `${name} has not one h1`);
  assert((await page.locator('main').count()) === 1, `${name} has not one main`);
  assert((await page.locator('html').getAttribute('lang')) !== null, `${name} has no language`);
  const small = await page.$$eval('button:visible, main input:not([type=hidden]):not([type=checkbox]):visible', (all) =>
    all.filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 80)));
  assert(small.length === 0, `${name} has targets lower than 44 px: ${small.join(' ')}`);
  await look(page, name);
}

const axe = () => readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// What axe-core finds, in light and in dark.
export async function barriers(page, name) {
  await page.evaluate(axe());
  const run = (options) => page.evaluate(async (options) => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], ...options });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
  }, options);
  const found = await run({ runOnly: WCAG });
  await page.emulateMedia({ colorScheme: 'dark' });
  found.push(...(await run({ runOnly: ['color-contrast'] })).map((one) => `in dark, ${one}`));
  await page.emulateMedia({ colorScheme: null });
  assert(found.length === 0, `${name} has barriers:\n${found.join('\n')}`);
}

// Everything that can be pressed or filled in is reached by Tab, in the order in which it is read, and is seen to
// have the focus.
export async function keyboard(page, name) {
  await page.evaluate(() => { document.activeElement?.blur(); window.getSelection()?.removeAllRanges(); });
  const wanted = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input, select, summary')]
    .filter((e) => !e.disabled && e.type !== 'hidden' && e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }))
    .map((e, n) => { e.dataset.tab = n; return e.outerHTML.slice(0, 80); }));
  await page.evaluate(() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); });
  const reached = [];
  for (let n = 0; n < wanted.length; n++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      const ring = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
      return { n: document.activeElement.dataset.tab ?? 'nowhere', ring };
    });
    assert(at.ring, `${name}: the focus is not seen on ${wanted[at.n] ?? at.n}`);
    reached.push(at.n);
  }
  const order = wanted.map((_, n) => String(n));
  assert(String(reached) === String(order), `${name}: Tab goes ${reached} over ${wanted.join(' ')}`);
}

// On paper: one page with all codes, whose they are and where they work, and nothing to press.
export async function printable(page) {
  // Firefox is not told by its driver to draw as on paper.
  if (isFirefox) return;
  await page.emulateMedia({ media: 'print' });
  const paper = await page.locator('body').innerText();
  const codes = await page.locator('#codes code').allTextContents();
  assert(codes.length === 10 && codes.every((code) => paper.includes(code)), `not all codes are on paper: ${paper}`);
  assert(/: recovery codes for \S/.test(paper), `whose codes they are is not on paper: ${paper}`);
  const left = await page.locator('button:visible, a:visible, input:visible').count();
  assert(left === 0, `${left} things to press are on paper`);
  const pdf = await page.pdf({ format: 'A4' });
  const sheets = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length;
  assert(sheets === 1, `the list takes ${sheets} sheets`);
  await page.emulateMedia({ media: null });
}

// In a file and, with script, in the clipboard: the same codes; and the word that they are saved is asked for.
export async function keepable(page, script) {
  const codes = await page.locator('#codes code').allTextContents();
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('a[download]')]);
  const file = readFileSync(await download.path(), 'utf8');
  assert(codes.every((code) => file.includes(code)), `not all codes are in the file: ${file}`);
  const copy = page.locator('button[data-copy=codes]');
  assert((await copy.isVisible()) === script, 'the button that copies is there with script and only then');
  // Only Chromium lets a test read what was copied.
  if (script && page.context().browser()?.browserType().name() === 'chromium') {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await copy.click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert(copied === codes.join('\n'), `other things were copied: ${copied}`);
  }
  await submit(page, 'input[name=saved]');
  const told = await page.locator('main').innerText();
  assert(/tick the box/.test(told), `nobody asked whether they are saved: ${told}`);
  assert((await page.locator('#codes code').allTextContents()).join() === codes.join(), 'other codes are shown now');
}

export async function signIn(page, user, password) {
  await keeps(page, 'sign-in');
  await page.fill('input[type=password]', password);
  await page.fill('input[name=username]', user);
  await submit(page, 'input[type=password]');
}

// Presses the button of the form that holds this field, and waits until another page stands.
export async function submit(page, field) {
  const form = page.locator('form', { has: page.locator(field) });
  await Promise.all([page.waitForNavigation(), form.locator('button[type=submit]').first().click()]);
  await page.waitForLoadState('load');
}

export async function untilAt(page, url) {
  await page.waitForURL(url);
  await page.waitForLoadState('load');
}

// Runs a script's steps, and fails with the page that was shown when it went wrong.
export async function main(steps, options) {
  const browser = await launch(options);
  let current;
  try {
    await steps(browser, (page) => { current = page; });
    console.log('ok');
  } catch (error) {
    console.error(error.stack ?? String(error));
    if (current) {
      console.error(`at ${current.url()}`);
      console.error((await current.locator('body').innerText().catch(() => '')).slice(0, 2000));
    }
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}
