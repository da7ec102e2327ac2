// Passkeys as people use them: made, named, used, a second one, one that is there already; and everything that
// must not count: no passkey, nobody verified, a wrong signature, a copy.
import { authenticator } from './authenticator.mjs';
import { assert, keeps, look, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, VAULT, PORTAL, USERNAME, PASSWORD } = process.env;
const origins = [new URL(PAGE).origin, new URL(VAULT).origin, new URL(PORTAL).origin];

const start = '[data-start]';
const press = (page) => Promise.all([page.waitForNavigation(), page.click(start)]);

// What the page says after the browser refused.
async function refused(page, name) {
  await page.click(start);
  const said = page.locator('[data-says]:visible').first();
  await said.waitFor();
  assert((await said.getAttribute('data-says')) === name, `not ${name}: ${await said.innerText()}`);
  assert((await page.locator('.other a', { hasText: 'Choose another way' }).count()) === 1, 'no other way is offered');
}

// What the page says after the server refused.
async function wrong(page, says = /didn't work/) {
  await press(page);
  assert((await page.title()).startsWith('Error:'), 'it counted');
  const summary = await page.locator('.summary').innerText();
  assert(says.test(summary), summary);
}

// After it was made: a name is proposed, it is said how it is kept, and nobody is held up.
async function name(page, { proposed, says, called = proposed }) {
  const value = await page.inputValue('input[name=name]');
  assert(value === proposed, `called ${value}`);
  const text = await page.locator('main').innerText();
  assert(says.test(text), text);
  await page.fill('input[name=name]', called);
  await submit(page, 'input[name=name]');
}

async function add(page) {
  await page.goto(`${PORTAL}/enrol`);
  await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
  await page.locator(start).waitFor();
}

async function skipCodes(page) {
  if ((await page.locator('input[name=saved]').count()) === 0) return;
  await page.check('input[name=saved]');
  await Promise.all([page.waitForNavigation(), page.locator('main form button[type=submit]').first().click()]);
}

async function newcomer(browser, watch) {
  const fresh = await profile(browser, { origins });
  const page = await fresh.context.newPage();
  watch(page);
  return { page, faults: fresh.faults, context: fresh.context };
}

await main(async (browser, watch) => {
  // Made on the way to the app.
  const { page, faults, context } = await newcomer(browser, watch);
  const phone = await authenticator(page, { transport: 'internal', defaultBackupEligibility: true, defaultBackupState: true });
  await page.goto(PAGE);
  await signIn(page, USERNAME, PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
  await keeps(page, 'enrol-passkey');
  // Whoever cannot be verified makes none.
  await phone.verified(false);
  await refused(page, 'NotAllowedError');
  await look(page, 'enrol-passkey-cancelled');
  await phone.verified(true);
  await press(page);
  await keeps(page, 'new-passkey-synced');
  await page.$eval('input[name=name]', (field) => { field.required = false; });
  await page.fill('input[name=name]', ' ');
  await submit(page, 'input[name=name]');
  assert(/Enter a name/.test(await page.locator('.summary').innerText()), 'a name of nothing');
  await page.fill('input[name=name]', 'Chrome on Linux');
  await name(page, { proposed: 'Chrome on Linux', says: /synced/, called: 'Laptop' });
  await skipCodes(page);
  await untilAt(page, PAGE);
  const [synced] = await phone.all();
  assert(synced.isResidentCredential, 'it cannot be found without a name');

  // The same device again is told so, in words of its own.
  await add(page);
  await refused(page, 'InvalidStateError');
  await look(page, 'enrol-passkey-twice');

  // A second one, on a key.
  await phone.remove();
  const key = await authenticator(page);
  await add(page);
  await press(page);
  await keeps(page, 'new-passkey-bound');
  await name(page, { proposed: 'Security key', says: /stays on this one device/ });
  assert(/Added\./.test(await page.locator('.done').innerText()), 'it is not said that it is there');
  const [bound] = await key.all();
  await page.goto(`${PORTAL}/my-mfa`);
  await keeps(page, 'my-mfa-passkeys');
  const list = await page.locator('.rows').first().innerText();
  assert(/Laptop\s+Passkey · synced/.test(list) && /Security key/.test(list), list);
  assert(faults.length === 0, faults.join('\n'));
  await context.close();

  // Another browser, the key alone: whichever is asked for first, the key will do.
  const { page: next, faults: more, context: second } = await newcomer(browser, watch);
  const carried = await authenticator(next);
  await next.goto(PAGE);
  await signIn(next, USERNAME, PASSWORD);
  await keeps(next, 'challenge-passkey');
  // No passkey of ours in it.
  await refused(next, 'NotAllowedError');
  await look(next, 'challenge-passkey-cancelled');
  await carried.carry([bound]);
  await carried.lies({ isBogusSignature: true });
  await wrong(next);
  await keeps(next, 'challenge-passkey-wrong');
  await carried.lies({ isBadUV: true });
  await wrong(next);
  await carried.lies({});
  await press(next);
  await untilAt(next, PAGE);
  const [used] = await carried.all();
  assert(used.signCount > bound.signCount, 'it was not used');
  assert(more.length === 0, more.join('\n'));
  await second.close();

  // A copy of the key, whose counter stands where it stood before.
  const { page: third, faults: last, context: another } = await newcomer(browser, watch);
  const copy = await authenticator(third);
  await third.goto(PAGE);
  await signIn(third, USERNAME, PASSWORD);
  await copy.carry([{ ...used, signCount: 1 }]);
  await wrong(third, /may be a copy of this passkey/);
  await keeps(third, 'challenge-passkey-copied');
  assert(last.length === 0, last.join('\n'));
  await another.close();

  // Where a key is asked for that cannot be copied, one that is synced does not count, and the page says so.
  const { page: vault, faults: none, context: bare } = await newcomer(browser, watch);
  const both = await authenticator(vault);
  await vault.goto(PAGE);
  await signIn(vault, USERNAME, PASSWORD);
  await both.carry([synced]);
  await press(vault);
  await untilAt(vault, PAGE);
  await vault.goto(VAULT);
  assert(/Security key/.test(await vault.locator('main').innerText()), 'the key is not asked for');
  assert(!/Laptop/.test(await vault.locator('main').innerText()), 'the synced one is asked for');
  await refused(vault, 'NotAllowedError');
  await Promise.all([vault.waitForNavigation(), vault.click('a[href*="challenge/ways"]')]);
  const other = vault.locator('.ways button:disabled', { hasText: 'Laptop' });
  assert((await other.count()) === 1, 'the synced one is not shown as one that does not count');
  await keeps(vault, 'ways-device-bound');
  await vault.goBack();
  await both.empty();
  await both.carry([used]);
  await press(vault);
  await untilAt(vault, VAULT);
  assert(none.length === 0, none.join('\n'));
  await bare.close();

  // Without script the page says so, and leads to the other ways.
  const plain = await profile(browser, { script: false, origins });
  const quiet = await plain.context.newPage();
  watch(quiet);
  await quiet.goto(PAGE);
  await signIn(quiet, USERNAME, PASSWORD);
  assert(/JavaScript/.test(await quiet.locator('noscript').first().innerText()), 'it is not said why');
  assert(!(await quiet.locator(start).isVisible()), 'a button that does nothing');
  await Promise.all([quiet.waitForNavigation(), quiet.click('a[href*="challenge/ways"]')]);
  assert((await quiet.locator('.ways button:enabled').count()) >= 2, 'no ways');
});
