// Waiting for what is decided on a phone: in two tabs, refused there, and without any script.
import { execFileSync } from 'node:child_process';
import { assert, keeps, main, profile, signIn, untilAt } from './lib.mjs';

const { PAGE, PORTAL, PEOPLE, DUO } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];
const [anna, ben, cleo] = JSON.parse(PEOPLE);

const decide = (user, status) =>
  execFileSync('curl', ['--silent', '--insecure', '--fail', '--data', JSON.stringify({ user, status }), `${DUO}/fake/decide`]);

// A new profile whose person has asked for a push.
async function waiting(browser, watch, { name, password }, script = true) {
  const { context, faults } = await profile(browser, { origins, script });
  const page = await context.newPage();
  watch(page);
  await page.goto(PAGE);
  await signIn(page, name, password);
  await keeps(page, 'push-choices');
  await Promise.all([page.waitForNavigation(), page.click('button[value=push]')]);
  await page.waitForLoadState('load');
  assert((await page.locator('.number').innerText()).includes('708'), 'the number is not shown');
  assert((await page.locator('body').innerText()).includes('iOS (XXX-XXX-0142)'), 'the device is not named');
  await keeps(page, 'push-waiting');
  return { context, faults, page };
}

await main(async (browser, watch) => {
  // Both tabs end together.
  const { context, faults, page: one } = await waiting(browser, watch, anna);
  const two = await context.newPage();
  await two.goto(one.url());
  assert((await two.locator('.number').innerText()).includes('708'), 'the second tab shows another question');
  decide(anna.name, 'allow');
  await untilAt(one, PAGE);
  watch(two);
  await untilAt(two, PAGE);
  assert((await two.locator('body').innerText()).includes('upstream'), 'tab two is not in the app');
  assert(faults.length === 0, faults.join('\n'));
  await context.close();

  // Refused: told where the eyes and the screen reader are.
  const refused = await waiting(browser, watch, ben);
  decide(ben.name, 'deny');
  await refused.page.waitForSelector('.summary');
  const told = await refused.page.locator('.summary').innerText();
  assert(told.includes('It was declined') && told.includes("If that wasn't you"), told);
  assert(await refused.page.evaluate(() => document.activeElement.matches('.summary')), 'the summary has not the focus');
  assert((await refused.page.title()).startsWith('Error'), await refused.page.title());
  await keeps(refused.page, 'push-denied');
  assert(refused.faults.length === 0, refused.faults.join('\n'));
  await refused.context.close();

  // Without script: a button asks.
  const plain = await waiting(browser, watch, cleo, false);
  await Promise.all([plain.page.waitForNavigation(), plain.page.click('[data-asks]')]);
  assert((await plain.page.locator('[role=status]').first().innerText()).includes('still waiting'), 'no state');
  await keeps(plain.page, 'push-still-waiting');
  decide(cleo.name, 'allow');
  for (let tries = 0; !plain.page.url().startsWith(PAGE) && tries < 20; tries += 1) {
    await Promise.all([plain.page.waitForNavigation(), plain.page.click('[data-asks]')]);
    await plain.page.waitForLoadState('networkidle');
  }
  await untilAt(plain.page, PAGE);
  await plain.context.close();
});
