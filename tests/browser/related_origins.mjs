// The portal stands at another domain than its passkeys were made for: the browser asks that domain whether it is
// meant, and then makes and uses them. Both names lead to the one gate, with a certificate that this browser accepts.
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { authenticator } from './authenticator.mjs';
import { assert, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD, ADDRESS, CERTIFICATE } = process.env;
const [old, portal] = [new URL(PAGE), new URL(PORTAL)];
const start = '[data-start]';

const key = new X509Certificate(readFileSync(CERTIFICATE)).publicKey.export({ type: 'spki', format: 'der' });
const pin = createHash('sha256').update(key).digest('base64');
const args = [
  `--host-resolver-rules=MAP ${old.host} ${ADDRESS}, MAP ${portal.host} ${ADDRESS}`,
  `--ignore-certificate-errors-spki-list=${pin}`,
];

await main(async (browser, watch) => {
  const newcomer = async () => {
    const fresh = await profile(browser, { origins: [old.origin, portal.origin] });
    const page = await fresh.context.newPage();
    watch(page);
    return { page, ...fresh };
  };
  const { page, context, faults } = await newcomer();
  const phone = await authenticator(page, { transport: 'internal' });
  await page.goto(PAGE);
  assert(page.url().startsWith(PORTAL), page.url());
  await signIn(page, USERNAME, PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click('button[value=passkey]')]);
  await Promise.all([page.waitForNavigation(), page.click(start)]);
  await submit(page, 'input[name=name]');
  await page.check('input[name=saved]');
  await submit(page, 'input[name=saved]');
  await untilAt(page, PAGE);
  const [passkey] = await phone.all();
  assert(passkey.rpId === old.hostname, `made for ${passkey.rpId}`);
  assert(faults.length === 0, faults.join('\n'));
  await context.close();

  // And alone, in another browser.
  const { page: next, context: second, faults: more } = await newcomer();
  const carried = await authenticator(next, { transport: 'internal' });
  await carried.carry([passkey]);
  await next.goto(PAGE);
  await untilAt(next, PAGE);
  assert(more.length === 0, more.join('\n'));
  await second.close();
}, { args });
