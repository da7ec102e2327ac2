// What people read when a browser cannot, or would not, make or use a passkey: each of its errors in words of its
// own, once by the browser itself where it can be brought to it, and always with another way beside it.
import { authenticator } from './authenticator.mjs';
import { assert, keeps, look, main, profile, signIn, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];
const start = '[data-start]';

// The others look the same.
const pictured = ['make-late', 'make-twice', 'make-full', 'use-none-here', 'use-elsewhere'];

const texts = (page) => page.locator('[data-says]:visible').allInnerTexts();

// Presses the button and waits for words; they, and the way out.
async function said(page, name, pattern) {
  await page.click(start);
  await page.locator('[data-says]:visible').first().waitFor({ timeout: 30_000 });
  const all = (await texts(page)).join(' ');
  assert(pattern.test(all), `${name}: ${all}`);
  assert(await page.locator('a', { hasText: 'Choose another way' }).isVisible(), `${name}: no other way`);
  assert(await page.locator(start).isVisible(), `${name}: it cannot be tried again`);
  if (pictured.includes(name)) await look(page, name);
}

// The page as the server sent it, with another ceremony in it than it would have.
async function altered(page, change) {
  await page.route('**/.stepgate/**', async (route) => {
    const response = await route.fetch();
    const html = await response.text();
    const body = html.replace(/data-options="([^"]*)"/, (_, options) => {
      const asked = JSON.parse(options.replaceAll('&#34;', '"').replaceAll('&quot;', '"'));
      change(asked.publicKey);
      return `data-options="${JSON.stringify(asked).replaceAll('"', '&quot;')}"`;
    });
    await route.fulfill({ response, body });
  });
  await page.reload();
  await page.unroute('**/.stepgate/**');
}

// A browser that answers every ceremony with this error.
const failing = (page, name) => page.evaluate((error) => {
  const fail = async () => { throw new DOMException('', error); };
  navigator.credentials.create = fail;
  navigator.credentials.get = fail;
}, name);

async function newcomer(browser, watch, prepare) {
  const fresh = await profile(browser, { origins });
  if (prepare) await fresh.context.addInitScript(prepare);
  const page = await fresh.context.newPage();
  watch(page);
  await page.goto(PAGE);
  await signIn(page, USERNAME, PASSWORD);
  return { page, ...fresh };
}

await main(async (browser, watch) => {
  const { page, context, faults } = await newcomer(browser, watch);
  const key = await authenticator(page, { transport: 'internal' });
  await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);

  // Making one. Nobody touches it for as long as the page allows.
  await key.present(false);
  await altered(page, (asked) => { asked.timeout = 3000; });
  await said(page, 'make-late', /took too long/);
  await key.present(true);
  await altered(page, (asked) => { asked.rp.id = 'example.com'; });
  await said(page, 'make-elsewhere', /don't work at this address/);
  await page.reload();
  // What no virtual authenticator does: it is full, or there is one already of another kind.
  for (const [error, name, pattern] of [
    ['NotAllowedError', 'make-cancelled', /No passkey was created/],
    ['ConstraintError', 'make-constraint', /can't make a passkey of the kind/],
    ['NotSupportedError', 'make-unfit', /can't make a passkey of the kind/],
    ['InvalidStateError', 'make-twice', /has a passkey for your account already/],
    ['UnknownError', 'make-full', /may be full/],
    ['QuotaExceededError', 'make-quota', /may be full/],
    ['OperationError', 'make-failed', /couldn't finish/],
  ]) {
    await failing(page, error);
    await said(page, name, pattern);
  }
  // The way out keeps where they were going.
  await Promise.all([page.waitForNavigation(), page.click('.other a')]);
  assert((await page.locator('button[value=totp]').count()) === 1, 'the other ways are not there');
  await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
  await Promise.all([page.waitForNavigation(), page.click(start)]);
  await Promise.all([page.waitForNavigation(), page.click('main form button[type=submit]')]);
  await page.check('input[name=saved]');
  await Promise.all([page.waitForNavigation(), page.locator('main form button[type=submit]').first().click()]);
  await untilAt(page, PAGE);
  const [passkey] = await key.all();
  assert(faults.length === 0, faults.join('\n'));
  await context.close();

  // Using one.
  const { page: next, context: second, faults: more } = await newcomer(browser, watch);
  const carried = await authenticator(next, { transport: 'internal' });
  await said(next, 'use-none-here', /Nothing was confirmed.*none of your passkeys/s);
  await carried.carry([passkey]);
  await carried.verified(false);
  await said(next, 'use-unverified', /Nothing was confirmed/);
  await carried.verified(true);
  // As if nobody had touched it for five minutes.
  await next.evaluate(() => {
    const now = Date.now;
    navigator.credentials.get = async () => {
      Date.now = () => now() + 300_000;
      throw new DOMException('', 'NotAllowedError');
    };
  });
  await said(next, 'use-late', /took too long/);
  await altered(next, (asked) => { asked.rpId = 'example.com'; });
  await said(next, 'use-elsewhere', /don't work at this address/);
  await failing(next, 'OperationError');
  await said(next, 'use-failed', /couldn't finish/);
  // A page that was open for too long begins anew, before anybody is asked for a finger.
  await altered(next, (asked) => { asked.timeout = 100; });
  const challenge = await next.locator(start).evaluate((button) => button.closest('div').dataset.options);
  await Promise.all([next.waitForNavigation(), next.click(start)]);
  assert((await texts(next)).length === 0, 'it was begun all the same');
  assert((await next.locator('[data-passkey]').getAttribute('data-options')) !== challenge, 'the same page');
  await Promise.all([next.waitForNavigation(), next.click(start)]);
  await untilAt(next, PAGE);
  assert(more.length === 0, more.join('\n'));
  await second.close();

  // Browsers that know no passkeys: the page says so at once and hides what does nothing.
  const without = () => { delete window.PublicKeyCredential; };
  const { page: old, context: third } = await newcomer(browser, watch, without);
  assert(/This browser can't use passkeys/.test((await texts(old)).join(' ')), 'it is not said');
  assert(!(await old.locator(start).isVisible()), 'a button that does nothing');
  await keeps(old, 'use-unsupported');
  await Promise.all([old.waitForNavigation(), old.click('a[href*="challenge/ways"]')]);
  assert((await old.locator('.ways button:enabled', { hasText: 'Recovery code' }).count()) === 1, 'no other way');
  await third.close();

  // Browsers without the helpers for JSON.
  const bare = () => {
    delete window.PublicKeyCredential.parseRequestOptionsFromJSON;
    delete window.PublicKeyCredential.parseCreationOptionsFromJSON;
    delete window.PublicKeyCredential.prototype.toJSON;
  };
  const { page: older, context: fourth } = await newcomer(browser, watch, bare);
  const by = await authenticator(older, { transport: 'internal' });
  await by.carry([{ ...passkey, signCount: 50 }]);
  await Promise.all([older.waitForNavigation(), older.click(start)]);
  await untilAt(older, PAGE);
  await older.goto(`${PORTAL}/enrol`);
  await Promise.all([older.waitForNavigation(), older.click('button[value=passkey]')]);
  await by.empty();
  await Promise.all([older.waitForNavigation(), older.click(start)]);
  assert((await older.inputValue('input[name=name]')) === 'Chrome on Linux 2', 'it was not made');
  await fourth.close();

  // Without script: why, and where to go, at both pages.
  const plain = await profile(browser, { script: false, origins });
  const quiet = await plain.context.newPage();
  watch(quiet);
  await quiet.goto(PAGE);
  await signIn(quiet, USERNAME, PASSWORD);
  await keeps(quiet, 'use-without-script');
  assert(/Passkeys need JavaScript/.test(await quiet.locator('main').innerText()), 'it is not said why');
  assert(!(await quiet.locator(start).isVisible()), 'a button that does nothing');
  await Promise.all([quiet.waitForNavigation(), quiet.click('a[href*="challenge/ways"]')]);
  assert((await quiet.locator('.ways button:enabled').count()) >= 2, 'no ways');
  assert(plain.faults.length === 0, plain.faults.join('\n'));
  await plain.context.close();
});
