// A number for calls is added, behind a switchboard; the phone rings, a key is pressed, the code is typed.
import { execFileSync } from 'node:child_process';
import { assert, keeps, main, profile, signIn, submit } from './lib.mjs';

const { PORTAL, USERNAME, PASSWORD, PHONES } = process.env;
const origins = [new URL(PORTAL).origin];

// Somebody picks up; gives back what they hear.
function pickUp(key) {
  const told = execFileSync('curl', ['--silent', '--fail', '--data', JSON.stringify({ key, at: 1 }), `${PHONES}/_pick_up`]);
  return JSON.parse(told.toString()).heard;
}

await main(async (browser, watch) => {
  const { context, faults } = await profile(browser, { origins });
  await context.setExtraHTTPHeaders({ 'Accept-Language': 'es-MX,es;q=0.9' });
  const page = await context.newPage();
  watch(page);
  await page.goto(`${PORTAL}/enrol`);
  await signIn(page, USERNAME, PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click('button[value=voice]')]);
  await keeps(page, 'call-number');
  await page.fill('input[name=number]', '020 7946 0958 ext. 12');
  await submit(page, 'input[name=number]');
  const said = await page.locator('main').innerText();
  assert(said.includes("We're calling the number ending 58, extension 12"), said);
  await keeps(page, 'call-code');
  const mailbox = pickUp(null);
  assert(mailbox.every(({ text }) => !/\d/.test(text)), JSON.stringify(mailbox));
  const heard = pickUp('5');
  assert(heard.every(({ language }) => language === 'es-ES'), JSON.stringify(heard));
  const digits = heard.map(({ text }) => text).filter((text) => /^\d/.test(text));
  assert(digits.length === 2 && digits[0] === digits[1], JSON.stringify(heard));
  await page.fill('input[name=code]', digits[0].replace(/\D/g, ''));
  await submit(page, 'input[name=code]');
  await page.goto(`${PORTAL}/my-mfa`);
  assert((await page.locator('main').innerText()).includes('Phone call'), 'it is not in the list');
  assert(faults.length === 0, faults.join('\n'));
  await context.close();
});
