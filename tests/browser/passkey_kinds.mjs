// Which authenticators will do: one that cannot make sure of its user, and one whose make the operator accepts or
// does not. EXPECTED: what a key meets at this gate.
import { authenticator } from './authenticator.mjs';
import { assert, keeps, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD, EXPECTED } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];
const start = '[data-start]';

// A key as it was sold ten years ago: a touch, and nothing else.
const plain = { hasResidentKey: false, hasUserVerification: false, isUserVerified: false };

async function newcomer(browser, watch) {
  const fresh = await profile(browser, { origins });
  const page = await fresh.context.newPage();
  watch(page);
  await page.goto(PAGE);
  await signIn(page, USERNAME, PASSWORD);
  return { page, context: fresh.context };
}

// Presses the button; the error that the page shows, or null when it went on.
async function pressed(page) {
  const said = page.locator('[data-says]:visible').first();
  await Promise.race([page.waitForNavigation(), (await page.click(start), said.waitFor())]).catch(() => {});
  await page.waitForLoadState('load');
  return (await said.count()) ? said.getAttribute('data-says') : null;
}

const steps = {
  // `required`: it makes none, and the person is sent on.
  async required(browser, watch) {
    const { page, context } = await newcomer(browser, watch);
    await authenticator(page, plain);
    await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
    const said = await pressed(page);
    assert(['NotAllowedError', 'ConstraintError', 'NotSupportedError'].includes(said), `said ${said}`);
    await context.close();
  },

  // `preferred`: made, and used in another browser; it never says that it made sure of its user.
  async preferred(browser, watch) {
    const { page, context } = await newcomer(browser, watch);
    const key = await authenticator(page, plain);
    await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
    await Promise.all([page.waitForNavigation(), page.click(start)]);
    await submit(page, 'input[name=name]');
    const [made] = await key.all();
    await context.close();
    const { page: next, context: second } = await newcomer(browser, watch);
    const carried = await authenticator(next, plain);
    await carried.carry([made]);
    await Promise.all([next.waitForNavigation(), next.click(start)]);
    await untilAt(next, PAGE);
    await second.close();
  },

  // Only certain makes: another is refused in words of its own, and does not count as a wrong answer.
  async refused(browser, watch) {
    const { page, context } = await newcomer(browser, watch);
    await authenticator(page);
    await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
    for (let n = 0; n < 12; n++) {
      await Promise.all([page.waitForNavigation(), page.click(start)]);
      const summary = await page.locator('.summary').innerText();
      assert(/isn't accepted here/.test(summary), summary);
    }
    await keeps(page, 'make-not-accepted');
    await context.close();
  },

  // Only certain makes, and this is one of them.
  async accepted(browser, watch) {
    const { page, context } = await newcomer(browser, watch);
    const key = await authenticator(page);
    await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
    await Promise.all([page.waitForNavigation(), page.click(start)]);
    assert((await page.locator('input[name=name]').count()) === 1, await page.locator('main').innerText());
    await submit(page, 'input[name=name]');
    assert((await key.all()).length === 1, 'it was not made');
    await context.close();
  },
};

await main(async (browser, watch) => steps[EXPECTED](browser, watch));
