// Firefox with JavaScript switched off for good: sign in, set up an authenticator app, save the codes, and arrive at
// the app, which is on another host and is reached by a page that moves on by itself (ux.md P-7).
import { assert, codes, main, profile, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];
const preferences = { 'javascript.enabled': false };

// The driver's own ways of filling a field wait for timers, which a page without script has not.
async function type(page, field, text) {
  await page.locator(field).evaluate((element) => element.focus());
  await page.keyboard.type(text);
}

const enter = (page) => Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);

async function press(page, button) {
  await page.locator(button).evaluate((element) => element.focus());
  await enter(page);
}

async function signIn(page) {
  await page.goto(PAGE);
  await type(page, 'input[name=username]', USERNAME);
  await type(page, 'input[name=password]', PASSWORD);
  await enter(page);
}

await main(async (browser, watch) => {
  const { context, faults } = await profile(browser, { origins });
  const page = await context.newPage();
  watch(page);
  await signIn(page);
  await press(page, 'button[value=passkey]');
  assert(/Passkeys need JavaScript/.test(await page.locator('main').innerText()), 'it is not said why');
  await press(page, '.other a');
  await press(page, 'button[value=totp]');
  const key = await page.locator('#key').innerText();
  const code = codes(key.replaceAll(' ', ''));
  await type(page, 'input[name=code]', await code());
  await enter(page);
  await page.locator('input[name=saved]').evaluate((element) => element.focus());
  await page.keyboard.press('Space');
  await press(page, 'main form button[type=submit]');
  await untilAt(page, PAGE);
  assert((await page.locator('body').innerText()).includes('upstream'), 'not the app');
  assert(faults.length === 0, faults.join('\n'));
}, { preferences });
