// Sign in, enrol an authenticator app by scanning the page's QR code, reach the app; then, in a fresh profile,
// sign in again, answer the challenge, reach the app. With SCRIPT=off the same without script.
import { assert, barriers, codes, isFirefox, keepable, keeps, main, printable, profile, scan, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD } = process.env;
const script = process.env.SCRIPT !== 'off';
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];

await main(async (browser, watch) => {
  const first = await profile(browser, { script, origins });
  const page = await first.context.newPage();
  watch(page);
  await page.goto(PAGE);
  assert(page.url().startsWith(PORTAL), `not led to the portal: ${page.url()}`);
  await signIn(page, USERNAME, PASSWORD);

  // The way to the QR code: a choice of ways, unless there is only one.
  for (let n = 0; n < 3 && (await page.locator('svg[role=img]').count()) === 0; n++) {
    await keeps(page, 'choose');
    const totp = page.locator('button[value=totp]');
    const next = (await totp.count()) ? totp.first() : page.locator('main a.button, main button[type=submit]').first();
    await Promise.all([page.waitForNavigation(), next.click()]);
  }
  await keeps(page, 'enrol');
  const uri = await scan(page);
  // A camera needs dark on light, whatever colours the page has.
  await page.emulateMedia({ colorScheme: 'dark' });
  assert((await scan(page)) === uri, 'the code cannot be scanned on a dark page');
  const ground = await page.$eval('svg[role=img] path', (path) => {
    const { display, fill } = getComputedStyle(path);
    return `${display} ${fill}`;
  });
  assert(ground === 'inline rgb(255, 255, 255)', `the code stands on ${ground}`);
  await page.emulateMedia({ colorScheme: null });
  assert(uri.startsWith('otpauth://totp/'), `not an authenticator's address: ${uri.slice(0, 20)}`);
  const secret = new URL(uri).searchParams.get('secret');
  const code = codes(secret);
  const typed = await code();
  // As people paste it.
  await page.fill('input[name=code]', `${typed.slice(0, 3)} ${typed.slice(3)}`);
  await submit(page, 'input[name=code]');
  assert(!(await page.content()).includes(secret), 'the secret is still shown after its confirmation');

  // Recovery codes may be offered on the way.
  if ((await page.locator('input[name=saved]').count()) > 0) {
    await keeps(page, 'recovery-codes');
    await printable(page);
    await keepable(page, script);
    await page.check('input[name=saved]');
    await submit(page, 'input[name=saved]');
  }
  await untilAt(page, PAGE);
  assert((await page.locator('body').innerText()).includes('upstream'), 'not the app');

  await page.goto(`${PORTAL}/my-mfa`);
  await keeps(page, 'my-mfa');
  // As it is served, policy and all; every other page is looked at in gallery.mjs.
  if (script && !isFirefox) await barriers(page, 'my-mfa');
  assert(!(await page.content()).includes(secret), 'the secret is shown in the settings');
  assert(first.faults.length === 0, first.faults.join('\n'));
  await first.context.close();

  const second = await profile(browser, { script, origins });
  const again = await second.context.newPage();
  watch(again);
  await again.goto(PAGE);
  await signIn(again, USERNAME, PASSWORD);
  await keeps(again, 'challenge');
  await again.fill('input[name=code]', '12345');
  await submit(again, 'input[name=code]');
  await keeps(again, 'challenge-error');
  const error = await again.locator('main').innerText();
  assert(/6 digits/.test(error) && /5/.test(error), `what is wrong is not said: ${error}`);
  await again.fill('input[name=code]', await code());
  await submit(again, 'input[name=code]');
  await untilAt(again, PAGE);
  assert((await again.locator('body').innerText()).includes('upstream'), 'not the app');

  await again.goto(`${PORTAL}/sign-out`);
  await keeps(again, 'sign-out');
  await Promise.all([again.waitForNavigation(), again.locator('main button[type=submit]').first().click()]);
  await keeps(again, 'signed-out');
  await again.goto(PAGE);
  assert(again.url().startsWith(PORTAL), 'the app is still open after signing out');
  assert(second.faults.length === 0, second.faults.join('\n'));
});
