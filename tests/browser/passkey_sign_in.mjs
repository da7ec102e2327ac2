// Signing in with a passkey alone, offered by the browser itself or by the button; and a passkey that was removed,
// which looks like any failure and is forgotten by the browser.
import { authenticator } from './authenticator.mjs';
import { assert, keeps, look, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];
const start = '[data-start]';

async function newcomer(browser, watch) {
  const fresh = await profile(browser, { origins });
  const page = await fresh.context.newPage();
  watch(page);
  return { page, context: fresh.context };
}

await main(async (browser, watch) => {
  const { page, context } = await newcomer(browser, watch);
  const phone = await authenticator(page, { transport: 'internal' });
  await page.goto(PAGE);
  await signIn(page, USERNAME, PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
  await Promise.all([page.waitForNavigation(), page.click(start)]);
  const [passkey] = await phone.all();
  const settings = page;

  // The browser offers it in the user name's field: no name, no password, no challenge.
  const { page: offered, context: second } = await newcomer(browser, watch);
  const carried = await authenticator(offered, { transport: 'internal' });
  await carried.carry([passkey]);
  await offered.goto(PAGE);
  await untilAt(offered, PAGE);
  assert((await offered.locator('body').innerText()).includes('upstream'), 'not the app');
  const [after] = await carried.all();
  await second.close();

  // By the button, with nobody verified: one text for every failure. The browser's own offer waits for a
  // person, who is not there.
  const { page: asked, context: third } = await newcomer(browser, watch);
  const key = await authenticator(asked, { transport: 'internal', automaticPresenceSimulation: false });
  await asked.goto(PAGE);
  await asked.waitForSelector(`${start}:visible`);
  await look(asked, 'sign-in-passkey');
  await key.carry([after]);
  await key.lies({ isBadUV: true });
  await key.present(true);
  await Promise.all([asked.waitForNavigation(), asked.click(start)]);
  await key.present(false);
  assert(/That passkey didn't work here/.test(await asked.locator('.summary').innerText()), 'it counted');
  await keeps(asked, 'sign-in-passkey-failed');
  const [counted] = await key.all();
  assert(counted.signCount > after.signCount, 'it was never asked');
  await third.close();

  // Removed in the settings: no use any more, and the browser is told to forget it.
  await settings.goto(`${PORTAL}/my-mfa`);
  const href = await settings.locator('a[href*="my-mfa/remove/"]').first().getAttribute('href');
  await settings.goto(new URL(href, PORTAL).href);
  await submit(settings, 'input[name=csrf]');
  await context.close();
  const { page: late, context: fourth } = await newcomer(browser, watch);
  const old = await authenticator(late, { transport: 'internal' });
  await old.carry([counted]);
  await late.goto(PAGE);
  await late.locator('[data-gone]').waitFor({ state: 'attached' });
  assert(/That passkey didn't work here/.test(await late.locator('.summary').innerText()), 'it counted');
  for (let n = 0; n < 200 && (await old.all()).length > 0; n++) await new Promise((done) => setTimeout(done, 50));
  assert((await old.all()).length === 0, 'the browser still has it');
  await fourth.close();
});
