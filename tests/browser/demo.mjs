// What a newcomer does: opens the demo's site, follows its links, types what was printed.
import { assert, codes, main, profile, look, signIn, submit } from './lib.mjs';

const { SITE, USERNAME, PASSWORD, SECRET } = process.env;
const origins = [new URL(SITE).origin];

await main(async (browser, watch) => {
  const code = codes(SECRET);
  const { context, faults } = await profile(browser, { origins });
  const page = await context.newPage();
  watch(page);
  await page.goto(SITE);
  await look(page, 'demo-home');
  await Promise.all([page.waitForNavigation(), page.click('.nav >> text=Account')]);
  await signIn(page, USERNAME, PASSWORD);
  await page.waitForURL('**/account');
  await look(page, 'demo-account');

  // A transfer typed before the code was asked for is not lost.
  await page.fill('#to', 'Bob & Söhne');
  await page.fill('#amount', '12.50');
  await Promise.all([page.waitForNavigation(), page.click('form button')]);
  await page.fill('input[name=code]', await code());
  await submit(page, 'input[name=code]');
  await page.locator('main button[type=submit]').first().waitFor();
  await look(page, 'send-it-now');
  await Promise.all([page.waitForURL('**/account?done=1'), page.locator('main button[type=submit]').first().click()]);
  const text = await page.locator('body').innerText();
  assert(/Transfer recorded/.test(text) && /Bob & Söhne/.test(text), text);

  await Promise.all([page.waitForNavigation(), page.click('.nav >> text=Administration')]);
  assert(/Hello, administrator demo/.test(await page.locator('body').innerText()), 'not the administration');
  await look(page, 'demo-admin');
  const own = faults.filter((fault) => !fault.startsWith('console'));
  assert(own.length === 0, own.join('\n'));
  await context.close();
});
