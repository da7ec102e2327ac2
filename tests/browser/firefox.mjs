// Firefox for those who have a passkey that it cannot use: the page says so, leads to the other ways (ux.md P-4), and
// one of these is enough. And signing in without one.
import { assert, codes, keeps, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD, NEWCOMER, SECRET, AFTER } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];

// As people have it who switched passkeys off, or whose Firefox is older than they are.
const preferences = { 'security.webauth.webauthn': false };

await main(async (browser, watch) => {
  const code = codes(SECRET, Number(AFTER));
  const { context, faults } = await profile(browser, { origins });
  const page = await context.newPage();
  watch(page);
  await page.goto(PAGE);
  assert(!(await page.locator('[data-start]').isVisible()), 'a button that does nothing');
  await signIn(page, USERNAME, PASSWORD);
  const said = await page.locator('[data-says]:visible').allInnerTexts();
  assert(/This browser can't use passkeys/.test(said.join(' ')), 'it is not said');
  assert(!(await page.locator('[data-start]').isVisible()), 'a button that does nothing');
  await keeps(page, 'use-unsupported');

  // By keyboard alone, in the order in which it is read.
  await page.locator('.other a').focus();
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  await keeps(page, 'another-way');
  const ways = await page.locator('.ways button .name').allInnerTexts();
  assert(ways.length >= 2 && ways.some((name) => /Phone/.test(name)), ways.join(', '));
  const phone = page.locator('.ways button', { hasText: 'Phone' });
  await phone.focus();
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  await page.fill('input[name=code]', await code());
  await submit(page, 'input[name=code]');
  await untilAt(page, PAGE);
  assert((await page.locator('body').innerText()).includes('upstream'), 'not the app');

  assert(faults.length === 0, faults.join('\n'));
  await context.close();

  // Who has nothing yet: the words for what this browser cannot do, then a picture to scan.
  const other = await profile(browser, { origins });
  const fresh = await other.context.newPage();
  watch(fresh);
  await fresh.goto(PAGE);
  await signIn(fresh, NEWCOMER, PASSWORD.replace(USERNAME, NEWCOMER));
  await keeps(fresh, 'choose');
  await Promise.all([fresh.waitForNavigation(), fresh.click('button[value=passkey]')]);
  assert(/This browser can't use passkeys/.test(await fresh.locator('main').innerText()), 'it is not said');
  await keeps(fresh, 'enrol-passkey-unsupported');
  await Promise.all([fresh.waitForNavigation(), fresh.click('.other a')]);
  await Promise.all([fresh.waitForNavigation(), fresh.click('button[value=totp]')]);
  assert((await fresh.locator('svg[role=img]').count()) === 1, 'no picture to scan');
  await keeps(fresh, 'enrol');
  assert(other.faults.length === 0, other.faults.join('\n'));
}, { preferences });
