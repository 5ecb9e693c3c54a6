// Job files, gangs, budgets, bills and evidence in the console, each beside what the command line says of the
// same thing.
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Browser } from './browser.mjs';
import { Market, until } from './market.mjs';

let browser;
let market;

before(async () => {
  market = await Market.furnished();
  browser = await Browser.launched(market);
});
after(async () => {
  await browser?.close();
  await market?.end_all();
});

const ended = (job) => until(`job ${job} ending`, () => market.run('alice', 'jobs', job)[0].state !== 'OPEN' && market.run('alice', 'jobs', job)[0], 90);
// Protobuf's wire format, enough to change one number of a body: the last of a field counts.
const varint = (value) => {
  const bytes = [];
  for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
};
const with_number = (body, field, value) => Buffer.concat([body, varint(BigInt(field) << 3n), varint(value)]);
const number_in = (body, field) => {
  let last = 0n;
  for (let at = 0; at < body.length; ) {
    const read = () => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = body[at++];
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    const tag = read();
    const value = read();
    if ((tag & 7n) === 2n) at += Number(value);
    else if (tag >> 3n === BigInt(field)) last = value;
  }
  return last;
};

const job_at = (page) => /jobs\/(\d+)/.exec(page.url())[1];

test('a job file beside the form: checked as fallow validate checks it, quoted, run', async () => {
  const page = await browser.open('alice', { path: '/new?file=1' });
  const file = page.getByLabel('Job file (YAML)');
  await page.getByRole('button', { name: /Parameter sweep/ }).click();
  await until('the file following the form', async () => /tasks: 4/.test(await file.inputValue()));
  await page.getByLabel('Tasks', { exact: true }).fill('3');
  await until('the file following the form', async () => /tasks: 3/.test(await file.inputValue()));

  const path = join(market.folder, 'job.yaml');
  const said = (text) => {
    writeFileSync(path, text);
    return market.spawn('alice', 'validate', path).stderr.trim();
  };
  for (const text of ['run: x\nresources:\n  gpu: 2\n', 'run: x\nbudget: 1e3\n', 'run: x\ntasks: 0\n', 'tasks: 1\n']) {
    await file.fill(text);
    const shown = await page.locator('.file-card .wrong').textContent();
    assert.equal(`fallow: ${path}:${shown}`, said(text));
    await page.getByText('The job file is not right yet.').waitFor();
    assert.ok(await page.getByRole('button', { name: /^(Run|Say what)/ }).isDisabled());
  }
  await page.getByRole('button', { name: 'Go to line 1' }).click();
  const text = 'name: by file\nresources:\n  query: gpu_name=rtx_3090\n  hours: 0.05\ntasks: 2\nenv:\n  GREETING: "hello: world"\noutput: ./out\nsetup: cd /tmp\nrun: echo "$GREETING" > "$FALLOW_OUT/said.txt"\n';
  assert.equal(said(text), '');
  await file.fill(text);
  assert.equal(await page.getByLabel('Name').inputValue(), 'by file');
  assert.equal(await page.getByLabel('Hours at most').inputValue(), '0.05');
  await page.waitForFunction(() => document.querySelector('.total')?.textContent.includes('2 tasks'));
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  assert.equal(readFileSync(await (await saving).path(), 'utf8'), text);
  await page.getByRole('button', { name: /^Run for at most/ }).click();
  await page.waitForURL(/\/jobs\/\d+/);
  const order = await ended(job_at(page));
  assert.equal(order.state, 'ORDER_DONE', JSON.stringify(order));
  assert.deepEqual(order.workload.environment, [{ name: 'GREETING', value: 'hello: world' }]);
  await page.getByRole('button', { name: /^Task 0:/ }).click();
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: 'said.txt' }).click();
  assert.equal(readFileSync(await (await saved).path(), 'utf8'), 'hello: world\n');
  await page.context().close();
});

test('a part that cannot be fetched takes only itself away', async () => {
  const page = await browser.open('alice', { path: '/market' });
  await page.route(/job_file_editor/, (route) => route.abort());
  await page.goto(`${market.url}/new?file=1`);
  await page.getByText('The editor cannot be shown').waitFor();
  await page.getByLabel('Command').fill('true');
  await page.getByRole('button', { name: /^Run for at most/ }).waitFor();
  // What is marked wrong is not run.
  await page.getByText('Environment, setup, image, output').click();
  await page.getByLabel('Environment').fill('FOO');
  await page.getByText('Environment: One NAME=value a line.').waitFor();
  assert.ok(await page.getByRole('button', { name: /^Run for at most/ }).isDisabled());
  await page.context().close();
});

test('a gang in a project whose budget nests, and a deadline', async () => {
  const page = await browser.open('alice', { path: '/wallet?tab=budgets' });
  await page.getByRole('button', { name: 'New project' }).click();
  await page.getByLabel('Name').fill('thesis');
  await page.getByLabel(/^At most/).last().fill('5.00');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('thesis', { exact: true }).waitFor();

  await page.goto(`${market.url}/new?query=region%3Deu`);
  await page.getByRole('button', { name: /Shell box/ }).click();
  await page.getByLabel('Command').fill('sleep 4');
  await page.getByText('Gangs, deadline, budget').click();
  await page.getByLabel('Nodes that start together').fill('2');
  await page.getByText('A multiple of the 2 nodes of a gang.').waitFor();
  await page.getByLabel('Tasks', { exact: true }).fill('2');
  await page.getByLabel('Hours at most').fill('0.5');
  await page.getByLabel('Project').selectOption('thesis');
  await page.getByText('1 gang of 2 nodes').waitFor();
  await page.getByLabel('Done within hours').fill('3');
  await page.getByText('Not for gangs').waitFor();
  await page.getByLabel('Done within hours').fill('');
  await page.getByRole('button', { name: /^Run for at most/ }).click();
  await page.waitForURL(/\/jobs\/\d+/);
  await page.getByText('of 2 nodes that start together').waitFor();
  await page.getByText('project thesis').waitFor();
  const order = await ended(job_at(page));
  assert.equal(order.state, 'ORDER_DONE', JSON.stringify(order));
  assert.equal(order.project, 'thesis');
  assert.equal(order.requirements.nodes, 2);
  assert.notEqual(order.tasks[0].node, order.tasks[1].node);

  await page.goto(`${market.url}/new?file=1`);
  await page.getByLabel('Job file (YAML)').fill('run: sleep 2\nproject: thesis\ndeadline_hours: 3\nresources:\n  hours: 0.5\n');
  await page.getByText("the market's choice, done within 3 h").waitFor();
  await page.getByRole('button', { name: /^Run for at most/ }).click();
  await page.waitForURL(/\/jobs\/\d+/);
  await page.getByText("the market's choice").waitFor();
  assert.ok((await ended(job_at(page))).deadline);

  // What the project has no room for is refused, and says so.
  await page.goto(`${market.url}/wallet?tab=budgets`);
  await page.getByRole('listitem').filter({ hasText: /^thesis/ }).getByRole('button', { name: 'Change' }).click();
  await page.getByRole('dialog').getByLabel(/^At most/).fill('0.01');
  await page.getByRole('dialog').getByRole('button', { name: 'Set it' }).click();
  await page.getByRole('progressbar', { name: 'thesis: budget used' }).waitFor();
  assert.equal(market.run('alice', 'wallet')[0].projects[0].budget, '0.01');
  await page.goto(`${market.url}/new?file=1`);
  await page.getByLabel('Job file (YAML)').fill('project: thesis\nrun: "true"\nresources:\n  query: gpu_name=a100\n');
  await page.getByRole('button', { name: /^Run for at most/ }).click();
  await page.getByText('over_budget').waitFor();
  await page.context().close();
});

test('a receipt dropped into the browser gets the verdict of the command line', async () => {
  const page = await browser.open('alice', { path: '/wallet?tab=receipts' });
  const lease = market.run('alice', 'leases')[0].id;
  const good = market.spawn('alice', 'receipt', lease).stdout;
  const changed = (change) => {
    const receipt = JSON.parse(good);
    change(receipt);
    return JSON.stringify(receipt);
  };
  const flip = (text, at) => {
    const bytes = Buffer.from(text, 'base64');
    bytes[at < 0 ? bytes.length + at : at] ^= 1;
    return bytes.toString('base64');
  };
  const body_bytes = Buffer.from(JSON.parse(good).body, 'base64').length;
  const files = { good, 'its own text again': changed(() => {}), signature: changed((one) => (one.signature = flip(one.signature, 10))), 'signature cut': changed((one) => (one.signature = one.signature.slice(0, 40))), key: changed((one) => (one.market_public_key = flip(one.market_public_key, 3))), 'no key': changed((one) => delete one.market_public_key), 'a field too many': changed((one) => (one.extra = 1)), empty: '', 'no receipt': '{"hello": 1}', list: '[]', html: '<script>' };
  for (const part of [0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.999]) files[`body at ${part}`] = changed((one) => (one.body = flip(one.body, Math.floor(part * body_bytes))));
  files['body cut'] = changed((one) => (one.body = Buffer.from(one.body, 'base64').subarray(0, body_bytes - 7).toString('base64')));
  let right = 0;
  const asked = [];
  page.on('request', (request) => request.method() !== 'GET' && asked.push(request.url()));
  for (const [name, text] of Object.entries(files)) {
    const path = join(market.folder, `${name}.json`);
    writeFileSync(path, text);
    const cli = market.spawn('alice', 'receipt', 'verify', path);
    await page.reload();
    await page.locator('input[type=file]').setInputFiles(path);
    const verdict = page.getByText(/^(This receipt is right|This receipt is not right|That is not a receipt)$/);
    const shown = await verdict.first().innerText();
    assert.equal(shown === 'This receipt is right', cli.status === 0, `${name}: the page says "${shown}", fallow says ${cli.status}: ${cli.stderr}`);
    right += cli.status === 0;
  }
  assert.equal(right, 2);
  assert.deepEqual(asked, [], 'something was sent');
  await page.context().close();
});

// Behind a signature that fits, every other check has to stand by itself. Numbers of a body by their field:
// see proto/fallow/v1/receipt.proto.
const numbers_of_receipt = [3, 9, 12, 13, 14, 15, 16, 17, 18, 22, 23, 26, 27, 28, 29, 30, 34, 35, 37, 38, 39, 40, 41, 42, 44, 45];
const pkcs8_of_ed25519 = Buffer.from('302e020100300506032b657004220420', 'hex'); // before the seed, RFC 8410
const found_always = [3, 26, 27, 28, 30]; // the lease, its proven time, charge, refund, what is paid

test('a bill in which the market itself lies is found out where the command line finds it', async () => {
  const page = await browser.open('alice', { path: '/wallet?tab=receipts' });
  const lease_of = async (script, ...words) => {
    const [order] = market.run('alice', 'run', '--detach', 'gpu_name=a100', ...words, '--', 'sh', '-c', script);
    return { order: order.id, lease: await until(`a lease for ${words}`, () => market.run('alice', 'leases', '--job', order.id).find((one) => one.state === 'RUNNING' || one.state === 'ENDED')) };
  };
  const over = (made) => until(`lease ${made.lease.id} ending`, () => market.run('alice', 'leases', '--job', made.order).find((one) => one.id === made.lease.id && one.state === 'ENDED'), 60);
  const { node } = market.run('alice', 'offers').find((offer) => offer.node_name === 'cellar');
  market.run('dora', 'nodes', 'offer', node, '1.10', '--discount', 'hour=500,day=1000,week=1500,month=2000', '--spot-floor', '0.12');
  const ended_of = {};
  for (const [name, ...words] of [['on demand'], ['reserved', '--tier', 'reserved', '--term', '2h'], ['spot', '--tier', 'spot', '--bid', '2.00']]) ended_of[name] = await over(await lease_of('sleep 2', ...words));
  // The provider takes the node away under a lease that was charged: all of it is given back.
  const lost = await lease_of('sleep 600');
  await until('a charge', () => Number(market.run('alice', 'leases', '--job', lost.order)[0].charged) > 0);
  market.run('dora', 'nodes', 'remove', node);
  ended_of.refunded = await over(lost);
  market.spawn('alice', 'stop', lost.order);
  assert.ok(Number(ended_of.refunded.refunded) > 0, JSON.stringify(ended_of.refunded));

  const seed = Buffer.from(readFileSync(join(market.folder, 'data/keys/market.key'), 'utf8').trim(), 'hex');
  const key = createPrivateKey({ key: Buffer.concat([pkcs8_of_ed25519, seed]), format: 'der', type: 'pkcs8' });
  const { market_public_key } = JSON.parse(market.spawn('alice', 'receipt', ended_of.spot.id).stdout);
  const signed = (body) => JSON.stringify({ body: body.toString('base64'), signature: sign(null, Buffer.concat([Buffer.from('fallow receipt v1'), body]), key).toString('base64'), market_public_key });
  const path = join(market.folder, 'lying.json');
  const verdict = page.getByText(/^(This receipt is right|This receipt is not right|That is not a receipt)$/);
  const is_right = async (name, body) => {
    writeFileSync(path, signed(body));
    const cli = market.spawn('alice', 'receipt', 'verify', path);
    await page.reload();
    await page.locator('input[type=file]').setInputFiles(path);
    const shown = await verdict.first().innerText();
    assert.equal(shown === 'This receipt is right', cli.status === 0, `${name}: the page says "${shown}", fallow says ${cli.status}: ${cli.stderr}`);
    return cli.status === 0;
  };
  for (const [name, lease] of Object.entries(ended_of)) {
    const body = Buffer.from(JSON.parse(market.spawn('alice', 'receipt', lease.id).stdout).body, 'base64');
    assert.ok(await is_right(`${name}, as it is`, body));
    for (const field of numbers_of_receipt) {
      const right = await is_right(`${name}, field ${field}`, with_number(body, field, number_in(body, field) + 1n));
      if (found_always.includes(field)) assert.equal(right, false, `${name}, field ${field}`);
    }
  }
  await page.context().close();
});

test("a month's bill adds up, as CSV and on paper", async () => {
  const page = await browser.open('alice', { path: '/wallet?tab=invoices' });
  await page.getByRole('heading', { name: /^Invoice of/ }).waitFor();
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as CSV' }).click();
  const text = readFileSync(await (await saving).path(), 'utf8');
  assert.equal(text, market.spawn('alice', 'wallet', 'statement', '--csv').stdout, 'the page and the command line differ');
  const [head, ...rows] = text.trim().split('\r\n').map((line) => line.split(','));
  const micros = (amount) => BigInt(Math.round(Number(amount) * 1e6));
  const column = (row, name) => row[head.indexOf(name)];
  const net = rows.filter((row) => column(row, 'kind') === 'spent').reduce((sum, row) => sum + micros(column(row, 'net')), 0n);
  const leases = market.run('alice', 'leases');
  const charged = leases.reduce((sum, lease) => sum + micros(lease.charged) - micros(lease.refunded), 0n);
  assert.ok(net > 0n);
  assert.equal(net, charged, 'the bill and the leases differ');
  assert.equal(rows.length - 4, leases.filter((lease) => micros(lease.charged) > 0n).length);
  const last = rows.pop();
  assert.equal(column(last, 'kind'), 'so far');
  assert.equal(rows.reduce((sum, row) => sum + micros(column(row, 'amount')), 0n), micros(column(last, 'amount')), 'the rows do not come to the balance');
  const wallet = market.run('alice', 'wallet')[0];
  assert.equal(micros(column(last, 'amount')), micros(wallet.available) + micros(wallet.held));
  const balance = page.getByRole('table', { name: /^Balance/ });
  assert.equal(await balance.getByRole('row', { name: /^Balance so far/ }).locator('.money').innerText(), `${column(last, 'amount')} TEST`);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.getByRole('navigation', { name: 'Pages' }).isVisible(), false);
  assert.equal(await page.getByRole('heading', { name: /^Invoice of/ }).isVisible(), true);
  const pdf = await page.pdf({ format: 'A4' });
  assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
  assert.ok(pdf.length > 5_000, `${pdf.length} bytes`);
  await page.emulateMedia({ media: 'screen' });
  // A month that is none is this one, and the console stands.
  await page.goto(`${market.url}/wallet?tab=invoices&month=2026-13`);
  await page.getByRole('heading', { name: /^Invoice of/ }).waitFor();
  await page.getByRole('tab', { name: 'Ledger' }).click();
  await page.getByText(/All entries together come to .*just what the balances above hold/).waitFor();
  await page.context().close();
});

test("a provider's evidence and earnings are the leases' and the ledger's", async () => {
  const page = await browser.open('dora', { path: '/provide' });
  const devices = page.getByRole('table', { name: /^By device/ });
  await devices.waitFor();
  const wallet = market.run('dora', 'wallet')[0];
  const micros = (text) => BigInt(Math.round(Number(text) * 1e6));
  const shown = (await devices.getByRole('row').allInnerTexts()).slice(1).map((row) => micros(row.split('\t').pop().trim()));
  assert.equal(shown.reduce((sum, one) => sum + one, 0n), micros(wallet.pending) + micros(wallet.earned));
  await page.getByRole('table', { name: 'Nodes' }).getByRole('button', { name: /attic/ }).click();
  await page.getByText(/of leases here are kept to their end: \d+ of \d+ ended/).waitFor();
  await page.getByText(/\(19 \+ \d+\) \/ \(20 \+ \d+\) is 9\d\.\d\d %/).waitFor();
  await page.getByText(/Index of RTX 3090/).waitFor();
  await page.context().close();
});

test('an operator tries other rules on the last day, and nothing of the market changes', async () => {
  const page = await browser.open('operator', { path: '/operator?tab=rules' });
  const before = market.run('operator', 'market')[0];
  await page.getByLabel("Market's fee (%)").fill('9');
  await page.getByRole('button', { name: 'Try on the last day' }).click();
  await page.getByText(/Tried: Market's fee: 5 → 9 %\./).waitFor();
  const figures = page.getByRole('table', { name: /^Figures in fact/ });
  const row = async (name) => (await figures.getByRole('row', { name: new RegExp(`^${name}`) }).innerText()).split('\t').slice(1).map((cell) => cell.trim());
  const [fact, now, tried] = await row('Orders asked for');
  assert.ok(Number(fact) > 5, fact);
  assert.deepEqual([now, tried], [fact, fact]);
  const fees = (await row('Fee kept')).map(Number);
  assert.ok(fees[2] > 1.7 * fees[1] && fees[1] > 0, String(fees));
  await page.getByText(/People do what they did in fact/).waitFor();
  const after = market.run('operator', 'market')[0];
  assert.deepEqual(after.policy, before.policy);
  // A server that is asked by the command line tries in the same place, and says the same.
  const said = market.run('operator', 'market', 'policy', 'fee_basis_points=900', '--dry-run')[0];
  assert.equal(said.state, 'TRIAL_DONE');
  assert.equal(said.tried.orders, fact);
  await page.reload();
  await page.getByText(/Tried: Market's fee: 5 → 9 %\./).waitFor();
  await page.context().close();
});

test('no page threw, and the policy refused nothing', () => {
  assert.deepEqual(browser.troubles, []);
});
