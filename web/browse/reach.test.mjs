// A shell in a running lease, in the browser: Debian's Chromium, a real market, a real agent's sandbox.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Browser, desktop, findings, phone } from './browser.mjs';
import { Market, until } from './market.mjs';

const images = resolve(dirname(fileURLToPath(import.meta.url)), '../../docs/images');

let browser;
let market;
let order;
let lease;

before(async () => {
  market = new Market();
  await market.start_server();
  market.open_account('alice', 'renter', '50.00');
  market.open_account('bob', 'renter', '5.00');
  market.open_account('dora', 'provider');
  await market.join_agent('barn', 'eu', 'model=RTX_4090,memory_gb=24', '0.40');
  await rent();
  browser = await Browser.launched(market);
});
after(async () => {
  await browser?.close();
  await market?.end_all();
});

// A workload that only waits, and its lease.
async function rent() {
  [{ id: order }] = market.run('alice', 'run', '--detach', '--name', 'workbench', '--', 'sh', '-c', 'echo begun; sleep 3000');
  const running = await until('the lease running', () => market.run('alice', 'leases', '--job', order).find((one) => one.state === 'RUNNING'), 60);
  lease = running.id;
}

const screen_of = (page) => page.locator('.xterm-rows').innerText();
const shows = (page, what, seconds = 30) => until(`the terminal showing ${what}`, async () => what.test(await screen_of(page)), seconds);
async function enter(page, line) {
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}
async function open_terminal(who = 'alice', options = {}) {
  const page = await browser.open(who, { path: `/leases/${lease}`, ...options });
  await page.getByRole('button', { name: 'Open a terminal' }).click();
  await page.getByText(/^Connected, /).waitFor({ timeout: 30_000 });
  return page;
}
async function picture(page, name, viewport) {
  if (!process.env.SHOTS) return;
  const path = join(images, `console-${name}-${viewport.width}.png`);
  await page.screenshot({ path, fullPage: viewport === phone });
  const made = spawnSync('pngquant', ['--force', '--ext', '.png', '--speed', '4', '--quality', '50-90', path]);
  assert.equal(made.status, 0, String(made.stderr));
}

test('a command is typed and its output seen; sizes, colours, Ctrl-C, and the code at the end', async () => {
  const page = await open_terminal();
  await enter(page, 'echo $((6*7))-done');
  await shows(page, /^42-done/m);

  // It is as large as it looks, and stays so.
  let asked = 0;
  const told = async () => {
    const mark = `size-${++asked}`; // an answer to an earlier question does not count
    await enter(page, `clear; echo ${mark} $(stty size)`);
    return until('the size', async () => {
      const size = new RegExp(`^${mark} (\\d+) (\\d+)`, 'm').exec(await screen_of(page));
      return size && `${size[2]} × ${size[1]}`;
    });
  };
  const shown = async () => /Connected, (\d+ × \d+)/.exec(await page.getByText(/^Connected, /).innerText())[1];
  const wide = await told();
  assert.equal(wide, await shown());
  await page.setViewportSize(phone);
  await until('the terminal getting narrower', async () => (await shown()) !== wide);
  await page.locator('.xterm-helper-textarea').focus();
  await until('the command hearing of it', async () => (await told()) === (await shown()));
  await page.setViewportSize(desktop);
  await until('the terminal getting wider', async () => (await shown()) === wide);
  await page.locator('.xterm-helper-textarea').focus();

  // Colours that no class has; the page's policy lets no style attribute through.
  await enter(page, "clear; printf '\\033[38;2;250;20;40mr%s\\033[0m \\033[1;44mb%s\\033[0m\\n' ed lue");
  await shows(page, /^red blue/m);
  const colours = await page.evaluate(() => [...document.querySelectorAll('.xterm-rows span')].filter((one) => ['red', 'blue'].includes(one.textContent)).map((one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]));
  assert.equal(colours.length, 2);
  assert.match(colours[0][0], /^rgb\(2[0-9]{2}, /);
  assert.notEqual(colours[1][1], 'rgba(0, 0, 0, 0)');

  // Ctrl-C is the command's; copying is the browser's own.
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.locator('.xterm-rows span').filter({ hasText: /^blue$/ }).dblclick();
  await page.keyboard.press('Control+Insert');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'blue');

  await enter(page, 'clear; echo wait; sleep 500');
  await shows(page, /^wait/m);
  await page.keyboard.press('Control+c');
  await enter(page, 'echo code $?');
  await shows(page, /^code 130/m);

  // More output than is granted at once: it goes on as it is shown.
  await enter(page, 'clear; head -c 3000000 /dev/zero | tr "\\0" x | fold -w 60 | tail -n 40000; echo; echo end-of-it');
  await shows(page, /^end-of-it/m, 120);

  await enter(page, 'clear; ls --color -l /; df -h /work; cat /proc/1/comm; nproc');
  await shows(page, /^\d+\n.*\$ /m);
  await page.locator('.terminal-place').scrollIntoViewIfNeeded();
  await picture(page, 'terminal', desktop);
  assert.deepEqual(await findings(page), []);
  await enter(page, 'exit 7');
  await page.getByText('It ended with exit code 7. The workload goes on.').waitFor();
  const last = await screen_of(page);
  await page.locator('.xterm-helper-textarea').focus();
  await enter(page, 'nobody hears this');
  assert.equal(await screen_of(page), last);
  assert.deepEqual(await findings(page), []);
  await page.getByRole('button', { name: 'Open a new terminal' }).click();
  await page.getByText(/^Connected, /).waitFor();
  await shows(page, /\S/);
  assert.doesNotMatch(await screen_of(page), /end-of-it/);
  await page.context().close();
});

test('by keys alone, on a phone, and with a screen reader', async () => {
  const page = await browser.open('alice', { path: `/leases/${lease}`, viewport: phone, colorScheme: 'dark' });
  const button = page.getByRole('button', { name: 'Open a terminal' });
  await button.waitFor();
  for (let presses = 0; !(await button.evaluate((one) => one === document.activeElement)); ++presses) {
    assert.ok(presses < 60, 'Tab reaches the button');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await page.getByText(/^Connected, /).waitFor({ timeout: 30_000 });
  await enter(page, 'PS1="$ "; clear; cd /; pwd');
  await shows(page, /^\/$/m);
  // Tab is the command's.
  const inside = () => page.evaluate(() => document.activeElement?.className === 'xterm-helper-textarea');
  assert.equal(await inside(), true);
  await page.keyboard.type('clear; cd /us');
  await page.keyboard.press('Tab');
  assert.equal(await inside(), true);
  await enter(page, '; pwd');
  await shows(page, /^\/usr$/m);
  // Keys that a phone lacks.
  await enter(page, 'clear; cat > /dev/null');
  await page.getByRole('group', { name: 'Keys' }).getByRole('button', { name: 'Ctrl-C' }).click();
  assert.equal(await inside(), true);
  await enter(page, 'echo again $?');
  await shows(page, /^again 130/m);
  await page.getByLabel('for a screen reader').check();
  await page.locator('.xterm-accessibility-tree').waitFor({ state: 'attached' });
  assert.match(await page.locator('.xterm-accessibility-tree').innerText(), /again 130/);
  assert.deepEqual(await findings(page), []);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0, 'nothing is wider than the screen');
  await page.evaluate(() => window.scrollTo(0, 0));
  await picture(page, 'terminal', phone);

  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.press('Control+m');
  assert.equal(await page.getByRole('button', { name: 'End it' }).evaluate((one) => one === document.activeElement), true);
  await page.keyboard.press('Enter');
  await page.getByText('What ran in this terminal heard that it is gone.', { exact: false }).waitFor();
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('what ran in a terminal hears that it is gone; what was left behind stays', async () => {
  const page = await open_terminal();
  await enter(page, 'nohup sleep 2222 > /dev/null 2>&1 & sleep 3333');
  const count = (seconds) => market.spawn('alice', 'exec', lease, '--', 'sh', '-c', `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep [${String(seconds)[0]}]${String(seconds).slice(1)}' | wc -l`).stdout.trim();
  await until('both running', () => count(2222) === '1' && count(3333) === '1');
  await page.context().close();
  await until('the first ending', () => count(3333) === '0');
  assert.equal(count(2222), '1');
});

test('signing out ends it', async () => {
  const page = await open_terminal();
  await page.evaluate(() => fetch('/v1/session', { method: 'DELETE' }));
  await page.getByRole('button', { name: 'Sign in' }).waitFor({ timeout: 15_000 });
  await until('no tunnel being open', async () => /^fallow_tunnels_open 0$/m.test(await (await fetch(`${market.url}/metrics`)).text()));
  await page.context().close();
});

// How a WebSocket into the lease fared that the page opened.
const dial = (page, url) =>
  page.evaluate(
    (to) =>
      new Promise((done) => {
        const socket = new WebSocket(to);
        let opened = false;
        socket.onopen = () => (opened = true);
        socket.onclose = ({ code, reason }) => done({ opened, code, reason });
        setTimeout(() => socket.close(), 5_000);
      }),
    url,
  );

test("nobody else gets in, and no other site's page", async () => {
  const address = `${market.url.replace('http', 'ws')}/v1/leases/${lease}/tunnel`;
  for (const who of ['dora', 'operator']) {
    const page = await browser.open(who, { path: `/leases/${lease}` });
    await page.getByRole('heading', { name: 'How it went' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Open a terminal' }).count(), 0, who);
    assert.deepEqual(await dial(page, address), { opened: false, code: 1006, reason: '' }, who);
    await page.context().close();
  }
  const bob = await browser.open('bob');
  assert.deepEqual(await dial(bob, address), { opened: true, code: 4404, reason: `there is no lease ${lease} of yours; GET /v1/leases lists them` });
  await bob.context().close();

  // Another port of the same host is the same site: the browser sends the cookie along.
  const evil = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<title>evil</title>'));
  await new Promise((done) => evil.listen(0, '127.0.0.1', done));
  try {
    const page = await browser.open('alice');
    const attacker = await page.context().newPage();
    await attacker.goto(`http://127.0.0.1:${evil.address().port}/`);
    assert.deepEqual(await dial(attacker, address), { opened: false, code: 1006, reason: '' });
    // The same from the console's own page is let in, until the test closes it.
    assert.deepEqual(await dial(page, address), { opened: true, code: 1005, reason: '' });
    await page.context().close();
  } finally {
    evil.closeAllConnections?.();
    evil.close();
  }
});

test('ports are for one’s own machine: the command for it', async () => {
  const page = await browser.open('alice', { path: `/leases/${lease}` });
  await page.getByText('Ports, files and ssh, from your own machine').click();
  await page.getByLabel('Port in the lease').fill('70000');
  await page.getByText('A number from 1 to 65535.').waitFor();
  await page.getByLabel('Port in the lease').fill('6006');
  assert.equal(await page.getByLabel('Command that forwards the port').innerText(), `fallow port-forward ${lease} 6006`);
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('the meter is drawn as it comes, and whole when the lease has ended; what waits says for what', async () => {
  const [{ id: second }] = market.run('alice', 'run', '--detach', '--name', 'next in line', '--', 'true');
  const waits = await browser.open('alice', { path: `/jobs/${second}` });
  await waits.getByText('a node: nothing that matches is free').waitFor({ timeout: 15_000 });
  await waits.context().close();

  const page = await open_terminal();
  await page.getByText('What its meter says').click();
  await page.getByText(/^\d+ records, by the node's clock/).waitFor({ timeout: 30_000 });
  await page.getByRole('img', { name: /^Proven running time: \d+ records/ }).waitFor();
  assert.deepEqual(await findings(page), []);
  market.run('alice', 'stop', order);
  await page.getByText('The way into the lease was lost').waitFor({ timeout: 60_000 });
  await page.getByText(/has ended/).first().waitFor();
  await page.getByRole('heading', { name: 'The bill' }).waitFor({ timeout: 60_000 });
  // There is no other one to be had.
  await until('the button going', async () => (await page.getByRole('button', { name: 'Open a new terminal' }).count()) === 0);
  const words = await page.getByText(/^\d+ records, by the node's clock/).innerText();
  // All of it, from the receipt: more than came while the page looked on.
  const records = Number(/^\d+/.exec(words)[0]);
  assert.ok(records > 20, words);
  await page.evaluate(() => window.scrollTo(0, 0));
  await picture(page, 'meter', desktop);
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('a lost way is said in words, and nothing begins anew by itself', async () => {
  await rent(); // the one before has ended
  const page = await open_terminal();
  await enter(page, 'echo here-before');
  await shows(page, /^here-before/m);
  await market.end('server', 'SIGKILL');
  await page.getByText('The way into the lease was lost').waitFor({ timeout: 30_000 });
  await page.getByText('The connection to the market was cut.').waitFor();
  assert.match(await screen_of(page), /here-before/);
  // Trying while the market is away says that, too.
  await page.getByRole('button', { name: 'Open a new terminal' }).click();
  await page.getByText('It could not be opened').waitFor();
  await page.getByText(/The market cannot be reached/).waitFor();
  await market.start_server();
  await page.getByText('Live', { exact: true }).waitFor({ timeout: 20_000 });
  assert.equal(await page.getByText(/^Connected, /).count(), 0);
  await until('a new one', async () => {
    await page.getByRole('button', { name: 'Open a new terminal' }).click();
    await page.getByText(/^Connected, |It could not be opened/).first().waitFor();
    return (await page.getByText(/^Connected, /).count()) === 1;
  }, 60);
  await enter(page, 'echo here-after');
  await shows(page, /^here-after/m);
  await page.context().close();
});

test('no page threw, and the policy refused nothing', () => {
  assert.deepEqual(browser.troubles.filter((trouble) => trouble.startsWith(market.url)), []);
});
