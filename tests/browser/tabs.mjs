// Two tabs, the Back button, a button pressed twice, and keys alone: all end well.
import { assert, codes, keeps, main, profile, signIn, submit, untilAt } from './lib.mjs';

const { PAGE, PORTAL, USERNAME, PASSWORD, SECRET, AFTER } = process.env;
const origins = [new URL(PAGE).origin, new URL(PORTAL).origin];

await main(async (browser, watch) => {
  const code = codes(SECRET, Number(AFTER));
  const { context, faults } = await profile(browser, { origins });
  const one = await context.newPage();
  watch(one);
  await one.goto(`${PAGE}?tab=one`);
  await signIn(one, USERNAME, PASSWORD);
  const two = await context.newPage();
  watch(two);
  await two.goto(`${PAGE}?tab=two`);
  assert((await two.locator('input[name=code]').count()) === 1, 'the second tab asks for the code too');

  // Another way, and back, by keyboard.
  await two.locator('a', { hasText: 'another way' }).focus();
  await Promise.all([two.waitForNavigation(), two.keyboard.press('Enter')]);
  await keeps(two, 'another-way');
  await two.goBack();

  // The button pressed twice as fast as a person can.
  watch(one);
  const typed = await code();
  await one.fill('input[name=code]', typed);
  await one.evaluate(() => {
    const form = document.querySelector('input[name=code]').form;
    form.querySelector('button[type=submit]').click();
    form.querySelector('button[type=submit]').click();
  });
  await untilAt(one, `${PAGE}?tab=one`);
  assert((await one.locator('body').innerText()).includes('upstream'), 'tab one is not in the app');

  // Back: no stale code, and no way to get stuck.
  await one.goBack();
  await one.waitForLoadState('networkidle');
  const shown = await one.locator('input[name=code]').count() ? await one.inputValue('input[name=code]') : '';
  assert(shown !== typed, 'the used code is still in the field');
  await one.goto(`${PAGE}?tab=one`);
  assert((await one.locator('body').innerText()).includes('upstream'), 'tab one lost the app');

  // The second tab's form is stale; whatever is typed, its person is confirmed already or asked once more.
  watch(two);
  if (await two.locator('input[name=code]').count()) {
    await two.fill('input[name=code]', await code());
    await two.keyboard.press('Enter');
    await two.waitForURL(`${PAGE}?tab=two`);
  }
  assert((await two.locator('body').innerText()).includes('upstream'), 'tab two is not in the app');
  assert(faults.length === 0, faults.join('\n'));
  await context.close();
});
