// Signing in with a passkey alone, offered by the browser itself or by the button; and a passkey that was removed,
// which looks like any failure and is forgotten by the browser.
import { authenticator } from './authenticator.mjs';
import { assert, keeps, look, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];
const start = '[data-start]';

async function newcomer(browser, watch, prepare) {
  const fresh = await profile(browser, { origins });
  if (prepare) await fresh.context.addInitScript(prepare);
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
  const { page: third, context: another } = await newcomer(browser, watch);
  const key = await authenticator(third, { transport: 'internal', automaticPresenceSimulation: false });
  await third.goto(PAGE);
  await third.waitForSelector(`${start}:visible`);
  await look(third, 'sign-in-passkey');
  await key.carry([after]);
  await key.lies({ isBadUV: true });
  await key.present(true);
  await Promise.all([third.waitForNavigation(), third.click(start)]);
  await key.present(false);
  assert(/That passkey didn't work here/.test(await third.locator('.summary').innerText()), 'it counted');
  await keeps(third, 'sign-in-passkey-failed');
  const [counted] = await key.all();
  assert(counted.signCount > after.signCount, 'it was never asked');
  await another.close();

  // A browser that offers nothing by itself: the button does. What the virtual authenticator keeps is the newest.
  const plain = () => { delete window.PublicKeyCredential.isConditionalMediationAvailable; };
  const { page: simple, context: fifth } = await newcomer(browser, watch, plain);
  const again = await authenticator(simple, { transport: 'internal' });
  await again.carry([{ ...counted, signCount: counted.signCount + 10 }]);
  await simple.goto(PAGE);
  await keeps(simple, 'sign-in-button-alone');
  await simple.click(start);
  await untilAt(simple, PAGE);
  const [latest] = await again.all();
  await fifth.close();

  // Who cancels is told so, and the browser goes on offering.
  const fickle = () => {
    window.asked = [];
    navigator.credentials.get = async (request) => {
      window.asked.push(request.mediation ?? 'at once');
      if (request.mediation) return new Promise(() => {});
      throw new DOMException('', 'NotAllowedError');
    };
  };
  const { page: unsure, context: sixth } = await newcomer(browser, watch, fickle);
  await unsure.goto(PAGE);
  await unsure.waitForFunction(() => window.asked.length === 1);
  await unsure.click(start);
  await unsure.waitForFunction(() => window.asked.length === 3);
  const asked = await unsure.evaluate(() => window.asked.join(', '));
  assert(asked === 'conditional, at once, conditional', asked);
  assert(await unsure.locator('[data-says=NotAllowedError]').first().isVisible(), 'it is not said');
  await look(unsure, 'sign-in-passkey-cancelled');
  await sixth.close();

  // Removed in the settings: no use any more, and the browser is told to forget it.
  await settings.goto(`${PORTAL}/my-mfa`);
  const href = await settings.locator('a[href*="my-mfa/remove/"]').first().getAttribute('href');
  await settings.goto(new URL(href, PORTAL).href);
  await submit(settings, 'input[name=csrf]');
  await context.close();
  const { page: late, context: fourth } = await newcomer(browser, watch);
  const old = await authenticator(late, { transport: 'internal' });
  await old.carry([latest]);
  await late.goto(PAGE);
  await late.locator('[data-gone]').waitFor({ state: 'attached' });
  assert(/That passkey didn't work here/.test(await late.locator('.summary').innerText()), 'it counted');
  for (let n = 0; n < 200 && (await old.all()).length > 0; n++) await new Promise((done) => setTimeout(done, 50));
  assert((await old.all()).length === 0, 'the browser still has it');
  await fourth.close();
});
