// Teams in Debian's Chromium, against a real market: who is invited, accepts, acts and is removed sees it at once, each
// role sees what it may, and nothing of one account is shown while the page acts for another.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Browser, desktop, findings, phone } from './browser.mjs';
import { Market, until } from './market.mjs';

const images = resolve(dirname(fileURLToPath(import.meta.url)), '../../docs/images');

let browser;
let market;
let studio; // the team's account
let alice; // its first owner's page
let bob; // the page of who is invited, made a member, removed

before(async () => {
  market = new Market();
  await market.start_server();
  market.open_account('alice', 'renter', '250.00');
  market.open_account('bob', 'renter', '5.00');
  market.open_account('carol', 'renter');
  market.open_account('dora', 'provider');
  await market.join_agent('barn', 'eu', 'model=RTX_4090,memory_gb=24', '0.40');
  browser = await Browser.launched(market);
});
after(async () => {
  await browser?.close();
  await market?.end_all();
});

async function picture(page, name, viewport) {
  if (!process.env.SHOTS) return;
  const path = join(images, `console-${name}-${viewport.width}.png`);
  await page.screenshot({ path, fullPage: viewport === phone });
  const made = spawnSync('pngquant', ['--force', '--ext', '.png', '--speed', '4', '--quality', '50-90', path]);
  assert.equal(made.status, 0, String(made.stderr));
}

// A button that asks first: `fill` what it asks, then `action`.
async function ask(page, button, action, fill) {
  await page.getByRole('button', { name: button, exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await fill?.(dialog);
  await dialog.getByRole('button', { name: action, exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
}
const invite = (page, number, role) =>
  ask(page, 'Invite', 'Invite', async (dialog) => {
    await dialog.getByLabel('Account number').fill(number);
    await dialog.getByLabel('Role').selectOption(role);
  });
const change_role = (role) => ask(alice, 'Change role: bob', 'Change it', (dialog) => dialog.getByLabel('Role').selectOption(role));
const members = (page) => page.getByRole('list', { name: 'Members' });
const teams = (page) => page.getByRole('list', { name: 'Your teams' });
const for_whom = (page) => page.getByRole('complementary', { name: 'For whom you act' });
const menu_item = async (page, who, item) => {
  await page.getByRole('button', { name: new RegExp(`^${who}`) }).click();
  await page.getByRole('menuitem', { name: item }).click();
};
const available = (page) => page.getByRole('region', { name: 'Balances' }).locator('.tile').first();
const settled = async (page) => {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await until('the page settling', async () => (await page.getByText(/^Loading /).count()) === 0);
};

test('an operator creates a team; its first owner is asked, and accepts', async () => {
  alice = await browser.open('alice', { path: '/teams' });
  await alice.getByText('No open invitation').waitFor();
  await alice.getByText('You are in no team').waitFor();
  await alice.getByText('Nobody else acts for this account').waitFor();
  assert.equal(await alice.getByRole('button', { name: 'Create a team' }).count(), 0, "opening accounts is the operator's");
  await alice.getByText(`You are account ${market.accounts.alice}`).waitFor();

  const operator = await browser.open('operator', { path: '/teams' });
  // The account is opened, its owner's number is wrong: the dialog says so, and the next try opens no second one.
  await operator.getByRole('button', { name: 'Create a team' }).click();
  const dialog = operator.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Studio');
  await dialog.getByLabel('First owner').fill('999999');
  await dialog.getByRole('button', { name: 'Create it' }).click();
  await dialog.getByText('No account 999999 exists').waitFor();
  // Another name in between is another team. The key of the first one stays, and the way back opens it no second time.
  await dialog.getByLabel('Name').fill('Workshop');
  await dialog.getByLabel('First owner').fill('999998');
  await dialog.getByRole('button', { name: 'Create it' }).click();
  await dialog.getByText('No account 999998 exists').waitFor();
  await dialog.getByLabel('Name').fill('Studio');
  await dialog.getByLabel('First owner').fill(market.accounts.alice);
  await dialog.getByRole('button', { name: 'Create it' }).click();
  await dialog.waitFor({ state: 'hidden' });
  studio = /account (\d+), shown only this once/.exec(await operator.getByText(/The first key of Studio, account/).innerText())[1];
  await operator.getByText(/The first key of Workshop, account/).waitFor();
  for (const key of await operator.getByLabel(/^New API key of account/).allInnerTexts()) assert.match(key, /^fk_[0-9a-f]{64}$/);
  for (const name of ['Studio', 'Workshop']) assert.equal(market.run('operator', 'account', 'list').filter((account) => account.name === name).length, 1, name);
  market.run('operator', 'wallet', 'deposit', studio, '40.00', '--reference', 'first of Studio');
  await operator.context().close();

  // By itself: nobody loads the page again.
  await ask(alice, 'Accept: Studio', 'Join it');
  await teams(alice).getByText('owner', { exact: true }).waitFor();
  assert.deepEqual(market.run('alice', 'team', 'of-mine').map((team) => [team.account, team.role, Boolean(team.invited)]), [[studio, 'OWNER', false]]);
});

test('a page says for whom it acts, and a switch shows the other account alone', async () => {
  await alice.goto(`${market.url}/wallet`);
  await available(alice).getByText('250.00 TEST').waitFor();
  assert.equal(await for_whom(alice).count(), 0);
  await menu_item(alice, 'alice', /Studio, as owner/);
  await for_whom(alice).getByText('You act for Studio as owner').waitFor();
  assert.equal(new URL(alice.url()).pathname, '/wallet', 'a switch stays on the page');
  await available(alice).getByText('40.00 TEST').waitFor();
  assert.equal(await alice.getByText('250.00').count(), 0);
  // The other tab, and what is opened anew, is the account's own.
  const other = await alice.context().newPage();
  await other.goto(`${market.url}/wallet`);
  await available(other).getByText('250.00 TEST').waitFor();
  await other.close();
  await menu_item(alice, 'Studio', 'alice, yourself');
  await available(alice).getByText('250.00 TEST').waitFor();
  assert.equal(await for_whom(alice).count(), 0);
});

test('one invites, in the words of the server where it cannot be; the other accepts', async () => {
  await menu_item(alice, 'alice', /^Teams/);
  await alice.getByRole('button', { name: 'Act for it: Studio' }).click();
  await for_whom(alice).waitFor();
  await alice.getByRole('heading', { name: 'Members of Studio' }).waitFor();
  await members(alice).getByText('you', { exact: true }).waitFor();
  assert.equal(await alice.getByRole('button', { name: 'Remove: alice' }).count(), 0);

  await alice.getByRole('button', { name: 'Invite', exact: true }).click();
  const dialog = alice.getByRole('dialog');
  await dialog.getByLabel('Account number').fill('bob');
  await dialog.getByText('A number such as 12288.').waitFor();
  await dialog.getByLabel('Account number').fill(studio);
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  await dialog.getByText('An account is not its own member').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();

  bob = await browser.open('bob', { path: '/wallet' });
  await available(bob).getByText('5.00 TEST').waitFor();
  await invite(alice, market.accounts.bob, 'VIEWER');
  const row = members(alice).getByRole('listitem').filter({ hasText: `account ${market.accounts.bob}` });
  await row.getByText('invited', { exact: true }).waitFor();
  assert.equal(await members(alice).getByText('bob', { exact: true }).count(), 0, 'no name before it has accepted');

  // The other one is told on whatever page it is.
  await bob.getByRole('button', { name: /^bob.*Invitations: 1/ }).waitFor();
  await menu_item(bob, 'bob', /^Teams.*Invitations: 1/);
  await ask(bob, 'Accept: Studio', 'Join it');
  await teams(bob).getByText('viewer', { exact: true }).waitFor();
  await bob.getByText('No open invitation').waitFor();
  await members(alice).getByText('bob', { exact: true }).waitFor();
});

test('a viewer sees, and is offered nothing that it may not', async () => {
  await bob.getByRole('button', { name: 'Act for it: Studio' }).click();
  await for_whom(bob).getByText('You act for Studio as viewer').waitFor();
  await members(bob).getByText('alice', { exact: true }).waitFor();
  for (const name of [/^Invite/, /^Change role/, /^Remove/, /^Take back/]) assert.equal(await bob.getByRole('button', { name }).count(), 0, String(name));
  await bob.goto(`${market.url}/wallet`);
  await available(bob).getByText('40.00 TEST').waitFor();
  assert.equal(await bob.getByRole('link', { name: 'New', exact: true }).count(), 0);
  assert.equal(await bob.getByRole('button', { name: 'Pay out' }).count(), 0);
  await bob.getByRole('tab', { name: 'Budgets' }).click();
  await bob.getByText('no limit').first().waitFor();
  for (const name of [/^Set a limit/, 'New project']) assert.equal(await bob.getByRole('button', { name }).count(), 0, String(name));
  await bob.goto(`${market.url}/account`);
  await bob.getByText('Owners make and revoke keys.').waitFor();
  assert.equal(await bob.getByRole('button', { name: /^(Make a key|Revoke)/ }).count(), 0);
  await bob.goto(`${market.url}/market`);
  await bob.getByRole('checkbox', { name: /^Compare/ }).first().check();
  await bob.getByRole('region', { name: 'Offers side by side' }).getByRole('button', { name: /^Take/ }).waitFor();
  assert.equal(await bob.getByRole('button', { name: /^Rent/ }).count(), 0);
  await bob.goto(`${market.url}/new`);
  await bob.getByRole('button', { name: /Shell box/ }).click();
  await bob.getByLabel('Command').fill('true');
  await bob.getByText('you may see prices here, and run nothing').waitFor();
  assert.equal(await bob.getByRole('button', { name: /^Run for/ }).count(), 0);
  // Who asks all the same hears it from the server.
  const said = await bob.evaluate(async (team) => (await fetch('/v1/orders/1/stop', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json', 'Fallow-Team': team } })).json(), studio);
  assert.equal(said.status, 403);
  assert.match(said.detail, /^as VIEWER one may not rent and provide here; ask an owner/);
});

test('another role is there at once; what a member runs is the team’s', async () => {
  await change_role('MEMBER');
  await for_whom(bob).getByText('You act for Studio as member').waitFor();
  await bob.getByRole('link', { name: 'New', exact: true }).waitFor();
  await bob.getByLabel('Command').fill('echo by the team');
  await bob.getByRole('button', { name: /^Run for at most/ }).click();
  await bob.waitForURL(/\/jobs\/\d+/);
  const job = /jobs\/(\d+)/.exec(bob.url())[1];
  await bob.getByText('1/1').waitFor({ timeout: 60_000 });
  await bob.getByRole('tab', { name: 'Output' }).click();
  await bob.getByText('by the team', { exact: true }).waitFor();
  assert.equal(market.run('alice', '--team', studio, 'jobs', job)[0].account, studio);
  assert.equal(market.run('bob', 'jobs').length, 0, 'nothing is his own');

  await bob.goto(`${market.url}/wallet?tab=invoices`);
  await bob.getByRole('heading', { name: /^Invoice of/ }).waitFor();
  const saving = bob.waitForEvent('download');
  await bob.getByRole('button', { name: 'Save as CSV' }).click();
  assert.equal(readFileSync(await (await saving).path(), 'utf8'), market.spawn('bob', '--team', studio, 'wallet', 'statement', '--csv').stdout, "the file is the team's");
  await bob.goto(`${market.url}/jobs/${job}`);
  await bob.getByText('1/1').waitFor();
  // One thing of the team's is no page of one's own.
  await for_whom(bob).getByRole('button', { name: 'Back to yourself' }).click();
  await bob.getByRole('table', { name: 'Offers' }).waitFor();
  await bob.goto(`${market.url}/jobs`);
  await bob.getByText('No jobs yet').waitFor();
});

test('a member opens a terminal in a lease of the team, a viewer does not', async () => {
  const [{ id }] = market.run('bob', '--team', studio, 'run', '--detach', 'gpu_name=rtx_4090', '--', 'sleep', '120');
  const lease = (await until('the lease running', () => market.run('bob', '--team', studio, 'leases', '--job', id).find((one) => one.state === 'RUNNING'), 60)).id;
  await menu_item(bob, 'bob', /Studio, as member/);
  await for_whom(bob).waitFor();
  await bob.goto(`${market.url}/leases/${lease}`);
  await bob.getByRole('button', { name: 'Open a terminal' }).click();
  await bob.getByText(/^Connected, /).waitFor({ timeout: 30_000 });
  await bob.keyboard.type('echo the task $FALLOW_TASK of a team');
  await bob.keyboard.press('Enter');
  await until('its answer', async () => /the task 0 of a team/.test(await bob.locator('.xterm-rows').innerText()));
  await bob.getByText('Ports, files and ssh, from your own machine').click();
  assert.equal(await bob.getByLabel('Command that forwards the port').innerText(), `fallow --team ${studio} port-forward ${lease} 8888`);
  // Another role ends it, and opens none.
  await change_role('VIEWER');
  await for_whom(bob).getByText('You act for Studio as viewer').waitFor();
  await until('no tunnel being open', async () => /^fallow_tunnels_open 0$/m.test(await (await fetch(`${market.url}/metrics`)).text()));
  assert.equal(await bob.getByRole('button', { name: 'Open a terminal' }).count(), 0);
  await change_role('MEMBER');
  await for_whom(bob).getByText('You act for Studio as member').waitFor();
  await ask(bob, 'Stop', 'Stop the lease');
  await until('the job ending', () => market.run('bob', '--team', studio, 'jobs', id)[0].state !== 'OPEN');
});

test('who is removed sees it no more, at once', async () => {
  await bob.goto(`${market.url}/wallet`);
  await for_whom(bob).waitFor();
  await ask(alice, 'Remove: bob', 'Remove it');
  await bob.getByRole('heading', { name: 'You cannot act for Studio' }).waitFor();
  await bob.getByText(`There is no account ${studio} that yours may act for`).waitFor();
  assert.equal(await bob.getByRole('region', { name: 'Balances' }).count(), 0);
  assert.deepEqual(await findings(bob), []);
  // Nor after it has loaded the page again.
  await bob.reload();
  await bob.getByText(`There is no account ${studio} that yours may act for`).waitFor();
  await bob.getByRole('button', { name: 'Go on as yourself' }).click();
  await bob.getByText('You are in no team').waitFor();
  assert.equal(await for_whom(bob).count(), 0);
  await until('the member being gone', async () => (await members(alice).getByText('bob', { exact: true }).count()) === 0);
  const status = await bob.evaluate(async (team) => (await fetch('/v1/wallet', { headers: { 'Fallow-Team': team } })).status, studio);
  assert.equal(status, 404);
});

test('an invitation is declined by keys alone, or taken back; a member leaves', async () => {
  await invite(alice, market.accounts.bob, 'BILLING');
  await bob.getByRole('button', { name: 'Decline: Studio' }).focus();
  await bob.keyboard.press('Enter');
  await bob.getByRole('dialog').waitFor();
  const focused = () => bob.evaluate(() => document.activeElement?.closest('[role=dialog]') && document.activeElement.textContent);
  for (let n = 0; n < 5 && (await focused()) !== 'Decline'; n += 1) await bob.keyboard.press('Tab');
  assert.equal(await focused(), 'Decline');
  await bob.keyboard.press('Enter');
  await bob.getByText('No open invitation').waitFor();
  const row = (account) => members(alice).getByRole('listitem').filter({ hasText: `account ${account}` });
  await until('the invitation being gone', async () => (await row(market.accounts.bob).count()) === 0);

  await invite(alice, market.accounts.bob, 'MEMBER');
  await bob.getByRole('button', { name: 'Accept: Studio' }).waitFor();
  await ask(alice, `Take back: account ${market.accounts.bob}`, 'Take it back');
  await bob.getByText('No open invitation').waitFor();

  await invite(alice, market.accounts.bob, 'BILLING');
  await ask(bob, 'Accept: Studio', 'Join it');
  await bob.getByRole('button', { name: 'Act for it: Studio' }).click();
  await for_whom(bob).getByText('You act for Studio as billing').waitFor();
  await ask(bob, 'Leave: Studio', 'Leave it');
  await bob.getByText('You are in no team').waitFor();
  assert.equal(await for_whom(bob).count(), 0);
  assert.deepEqual(market.run('bob', 'team', 'of-mine'), []);
});

test('signing out ends acting for a team: who signs in next begins as himself', async () => {
  const page = await browser.open('alice', { path: '/teams' });
  await page.getByRole('button', { name: 'Act for it: Studio' }).click();
  await for_whom(page).waitFor();
  await menu_item(page, 'Studio', 'Sign out');
  await page.getByLabel('API key').waitFor();
  await browser.sign_in(page, 'carol');
  await page.getByRole('button', { name: 'carol' }).waitFor();
  assert.equal(await for_whom(page).count(), 0);
  // A session that ends while the page acts for a team, and another person in its place.
  await page.evaluate((team) => sessionStorage.setItem('fallow.team', team), studio);
  await page.evaluate(() => fetch('/v1/session', { method: 'DELETE' }));
  await page.reload();
  await browser.sign_in(page, 'carol');
  await page.getByRole('button', { name: 'carol' }).waitFor();
  assert.equal(await for_whom(page).count(), 0);
  await page.context().close();
});

test('loading, an error in the server’s words, and what is shown while it does not answer', async () => {
  const page = await browser.open('alice', { path: '/market' });
  let let_go;
  const held = new Promise((done) => (let_go = done));
  await page.route('**/v1/members', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(`${market.url}/teams`);
  await page.getByText('Loading members…').waitFor();
  let_go();
  await page.getByText('Nobody else acts for this account').waitFor();
  await page.unroute('**/v1/members');
  await page.route('**/v1/teams', (route) => route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'not_allowed', status: 403, title: 'Not allowed', detail: 'ask somebody else' }) }));
  await page.reload();
  await page.getByText('Ask somebody else.').first().waitFor();
  await page.unroute('**/v1/teams');
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await teams(page).getByText('Studio').waitFor();
  await market.end('server', 'SIGKILL');
  await page.getByText('Shown as of').first().waitFor({ timeout: 20_000 });
  await teams(page).getByText('Studio').waitFor();
  await market.start_server();
  await page.getByText('Live', { exact: true }).waitFor({ timeout: 20_000 });
  await until('the page being up to date', async () => (await page.getByText('Shown as of').count()) === 0);
  await page.context().close();
});

test('at both widths and in both themes: no serious finding, nothing wider than the screen', async () => {
  market.run('alice', '--team', studio, 'team', 'set', market.accounts.bob, 'member');
  market.run('bob', 'team', 'join', studio);
  market.run('alice', '--team', studio, 'team', 'set', market.accounts.carol, 'viewer');
  const found = [];
  for (const [viewport, colorScheme] of [[desktop, 'light'], [phone, 'dark'], [desktop, 'dark'], [phone, 'light']]) {
    const shot = (colorScheme === 'light') === (viewport === desktop);
    const look = async (page, name) => {
      await page.waitForTimeout(300);
      const what = `${name} at ${viewport.width}, ${colorScheme}`;
      const surplus = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (surplus > 0) found.push(`${what}: ${surplus} px too wide`);
      if (shot && !name.includes(' ')) await picture(page, name, viewport);
      for (const finding of await findings(page)) found.push(`${what}: ${finding}`);
    };
    const page = await browser.open('alice', { viewport, colorScheme, path: '/teams' });
    await page.getByRole('button', { name: 'Act for it: Studio' }).click();
    await members(page).getByText('bob', { exact: true }).waitFor();
    await settled(page);
    await look(page, 'teams');
    await page.getByRole('button', { name: /^Studio/ }).click();
    await page.getByRole('menuitem', { name: /Studio, as owner/ }).waitFor();
    await look(page, 'the open menu');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Change role: bob' }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'the open dialog');
    await page.context().close();
    const invited = await browser.open('carol', { viewport, colorScheme, path: '/teams' });
    await invited.getByRole('button', { name: 'Accept: Studio' }).waitFor();
    await settled(invited);
    await look(invited, 'an invitation');
    await invited.context().close();
  }
  assert.deepEqual(found, []);
});

test('no page threw, and the policy refused nothing', () => {
  assert.deepEqual(browser.troubles, []);
});
