// Every page of the portal once, as it is served, with sample values: what holds for all of them (ux.md 2.1).
// PAGES is a file with the pages and what they load; of each, name, status, headers and body.
import { readFileSync } from 'node:fs';
import { assert, barriers, keeps, keyboard, main, profile } from './lib.mjs';

const ORIGIN = 'https://mfa.example.com';
const { pages, assets } = JSON.parse(readFileSync(process.env.PAGES, 'utf8'));
const MOST = 40 * 1024;

async function serve(context, loaded) {
  await context.route('**/*', (route) => {
    const { pathname } = new URL(route.request().url());
    const page = pages.find((page) => pathname === `/${page.name}`);
    const asset = assets.find((asset) => pathname.endsWith(`/${asset.name}`));
    const found = page ?? asset;
    // Whatever is pressed by itself leads nowhere: the page stays.
    if (!found) return route.fulfill({ status: 204 });
    const body = found.body.replace(/<meta http-equiv="refresh"[^>]*>/, '');
    loaded.push(body.length);
    return route.fulfill({ status: found.status ?? 200, headers: found.headers, body });
  });
}

// What single pages do beyond that.
const behaves = {
  // The wait is counted for eyes every second, for those who listen every fifteen at most.
  'text-sent': async (page) => {
    const [shown, read] = [page.locator('[data-again] [aria-hidden]'), page.locator('[data-again] .unseen')];
    await page.locator('summary').click();
    const heard = await read.textContent();
    const before = await shown.innerText();
    assert(/^You can ask for another in \d:\d\d\.$/.test(before), before);
    for (let n = 0; n < 200 && (await shown.innerText()) === before; n++) await new Promise((done) => setTimeout(done, 50));
    assert((await shown.innerText()) < before, 'nothing is counted');
    const later = await read.textContent();
    assert(later === heard || /:(45|30|15|00)\./.test(later), `it is read out all the time: ${later}`);
  },
  'text-sent-a-while-ago': async (page) => {
    assert((await page.locator('[data-again]').count()) === 0, 'a wait that is over is still said');
  },
};

async function one(page, name, loaded, faults) {
  loaded.length = 0;
  await page.goto(`${ORIGIN}/${name}?stay`);
  await page.waitForLoadState('load');
  const weight = loaded.reduce((sum, size) => sum + size, 0);
  assert(weight > 0 && weight <= MOST, `${name} weighs ${weight} bytes`);
  await keeps(page, name);
  await barriers(page, name);
  await keyboard(page, name);
  await behaves[name]?.(page, name);
  assert(faults.length === 0, `${name}: ${faults.join('\n')}`);
}

await main(async (browser, watch) => {
  // Two at a time, as there are processors.
  const queue = pages.map((page) => page.name);
  const wrong = [];
  const worker = async () => {
    const loaded = [];
    const { context, faults } = await profile(browser, { origins: [ORIGIN], strict: true });
    await serve(context, loaded);
    const page = await context.newPage();
    for (let name = queue.shift(); name; name = queue.shift()) {
      watch(page);
      await one(page, name, loaded, faults).catch((error) => wrong.push(error.message));
      faults.length = 0;
    }
    await context.close();
  };
  await Promise.all([worker(), worker()]);
  assert(wrong.length === 0, wrong.join('\n'));
});
