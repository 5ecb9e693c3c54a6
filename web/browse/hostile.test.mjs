// What hostile people would do with the console: markup in every name, addresses that would lead away,
// pages of another origin. Debian's Chromium, a real market, a real agent.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { Browser } from './browser.mjs';
import { Market, until } from './market.mjs';

// Would say so on the page if it ever were more than text.
const markup = (what) => `<img src=x onerror="document.title='HIT'">${what}</script><b>`;

let browser;
let market;
let job;

before(async () => {
  market = new Market();
  market.name = markup('market');
  await market.start_server();
  market.open_account('alice', 'renter', '50.00', markup('alice'));
  market.open_account('dora', 'provider', undefined, markup('dora'));
  market.open_account('carol', 'renter', '5.00');
  await market.join_agent('barn', 'eu', 'model=RTX_4090,memory_gb=24', '0.40');
  // A node is whatever its agent says it is.
  const names = { name: markup('node'), region: markup('region').slice(0, 60), lan: markup('lan').slice(0, 60) };
  await market.join_node({ ...names, cpu_thousandths: 8000, memory_mb: 32000, disk_mb: 100000, isolation: 'BUBBLEWRAP', agent_version: markup('version').slice(0, 60), devices: [{ index: 0, uuid: 'u', model: markup('model').slice(0, 60), kind: 'GPU', memory_mb: 24564, driver: markup('driver').slice(0, 60) }] }, '0.50');
  market.run('alice', 'keys', 'create', '--label', markup('key'));
  browser = await Browser.launched(market);
  const script = [`echo '${markup('output').replaceAll("'", `'"'"'`)}'`, `echo '<script>document.title="HIT"</script>' >&2`, `printf '<script>document.title="HIT"</script>' > "$FALLOW_OUT/<b>page.html"`].join('\n');
  market.run('alice', 'wallet', 'budget', '20', '--project', markup('project'));
  const [order] = market.run('alice', 'run', '--detach', '--name', markup('job'), '--project', markup('project'), '--out', market.folder, '--env', `NOTE=${markup('variable')}`, 'gpu_name=rtx_4090', '--', 'sh', '-c', script);
  job = order.id;
  await until('the job ending', () => market.run('alice', 'jobs', job)[0].state === 'ORDER_DONE', 60);
});
after(async () => {
  await browser?.close();
  await market?.end_all();
});

async function check_unhurt(page, where) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await until('the page settling', async () => (await page.getByText(/^Loading /).count()) === 0);
  await page.waitForTimeout(200);
  assert.doesNotMatch(await page.title(), /^HIT/, where);
  const grown = await page.evaluate(() => [...document.querySelectorAll('img, b, script, iframe, object, embed, base, form[action]')].map((one) => one.outerHTML).filter((html) => /onerror|HIT|src="?x|^<b><\/b>/.test(html)));
  assert.deepEqual(grown, [], where);
}

test('markup in names, queries and output is shown as text', async () => {
  const page = await browser.open('alice');
  const lease = market.run('alice', 'leases', '--job', job)[0].id;
  const shown = [
    ['/market', 'node'], ['/market?query=region%3D%3Cimg', null], [`/market?query=${encodeURIComponent(markup('query'))}`, 'query'], ['/new', null], ['/jobs', 'job'], [`/jobs/${job}`, 'job'],
    [`/jobs/${job}?tab=output`, 'output'], [`/jobs/${job}?tab=leases`, null], ['/leases', null], [`/leases/${lease}`, null], ['/wallet', null], ['/wallet?tab=budgets', null], ['/wallet?tab=invoices', null], ['/account', 'key'], ['/teams', 'alice'],
    [`/jobs/${encodeURIComponent(markup('id'))}`, null], [`/jobs/${job}?tab=${encodeURIComponent(markup('tab'))}`, null],
  ];
  for (const [path, what] of shown) {
    await page.goto(market.url + path);
    await check_unhurt(page, path);
    if (what === 'query') assert.match(await page.getByRole('combobox', { name: 'Which offers will do' }).inputValue(), /onerror/);
    else if (what) await page.getByText(`>${what}</script>`).filter({ visible: true }).first().waitFor();
  }
  const provider = await browser.open('dora');
  const node = market.run('dora', 'nodes').find((one) => one.facts.name.includes('>node<')).id;
  for (const [path, what] of [['/provide', 'node'], [`/provide/${node}`, 'node'], ['/leases', null], ['/wallet', null]]) {
    await provider.goto(market.url + path);
    await check_unhurt(provider, path);
    if (what) await provider.getByText(`>${what}</script>`).filter({ visible: true }).first().waitFor();
  }
  const operator = await browser.open('operator');
  for (const [path, what] of [['/operator', null], ['/operator?tab=accounts', 'alice'], ['/operator?tab=payouts', null], ['/jobs', 'job'], ['/provide', 'node']]) {
    await operator.goto(market.url + path);
    await check_unhurt(operator, path);
    if (what) await operator.getByText(`>${what}</script>`).filter({ visible: true }).first().waitFor();
  }
  for (const one of [page, provider, operator]) await one.context().close();
});

test('a page among the results is a file to save, never a page of the console', async () => {
  const page = await browser.open('alice', { path: `/jobs/${job}` });
  const link = page.getByRole('link', { name: '<b>page.html' });
  const address = await link.getAttribute('href');
  const saving = page.waitForEvent('download');
  await link.click();
  assert.match((await saving).suggestedFilename(), /page\.html$/);
  const direct = page.waitForEvent('download');
  await page.goto(market.url + address).catch(() => {}); // Chromium calls a download an aborted page
  await direct;
  const headers = await page.evaluate(async (one) => Object.fromEntries((await fetch(one)).headers), address);
  assert.equal(headers['content-type'], 'application/octet-stream');
  assert.equal(headers['content-disposition'], 'attachment');
  assert.equal(headers['content-security-policy'], "default-src 'none'; sandbox");
  await page.context().close();
});

test('no address leads away, before or after the sign-in', async () => {
  for (const path of ['/sign-in?return=https://evil.example/', '/sign-in?next=//evil.example', '/sign-in?redirect=javascript:alert(1)', '/market#//evil.example', '/jobs/%2f%2fevil.example', '/market/..%2f%2fevil.example', '/?url=https:evil.example']) {
    const page = await browser.open('alice', { path });
    await check_unhurt(page, path);
    assert.equal(new URL(page.url()).origin, market.url, path);
    await page.context().close();
  }
  for (const path of ['//evil.example/', '/%5cevil.example', '/%2f%2fevil.example']) {
    const answer = await fetch(market.url + path, { redirect: 'manual' });
    assert.ok(answer.status === 200 || answer.status === 404, `${path}: ${answer.status}`);
    assert.equal(answer.headers.get('location'), null, path);
  }
  assert.deepEqual(browser.strangers, [], 'a page asked another host for something');
});

test("another origin's page can do nothing with the session", async () => {
  // Another port of the same host: the same site, so that SameSite alone would let it through.
  const evil = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<title>evil</title><div id=place></div>'));
  await new Promise((done) => evil.listen(0, '127.0.0.1', done));
  try {
    const page = await browser.open('carol');
    const keys = () => market.run('carol', 'keys').length;
    const before = keys();
    const attacker = await page.context().newPage();
    await attacker.goto(`http://127.0.0.1:${evil.address().port}/`);
    const tried = await attacker.evaluate(async (url) => {
      const outcomes = [];
      const ask = async (path, options) => {
        try {
          const answer = await fetch(url + path, { credentials: 'include', ...options });
          outcomes.push(`${answer.type} ${answer.status} ${(await answer.text()).length}`);
        } catch (error) {
          outcomes.push(String(error.name));
        }
      };
      await ask('/v1/keys', { method: 'POST', mode: 'no-cors', body: '{}' });
      await ask('/v1/keys', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
      await ask('/v1/wallet', {});
      await ask('/v1/wallet', { mode: 'no-cors' });
      return outcomes;
    }, market.url);
    assert.deepEqual(tried, ['opaque 0 0', 'TypeError', 'TypeError', 'opaque 0 0']);
    // A form, which needs no script and no CORS.
    await attacker.evaluate((url) => {
      document.body.innerHTML = `<form method="post" enctype="text/plain" action="${url}/v1/keys"><input name='{"label":"x","a":"' value='"}'></form>`;
      document.querySelector('form').submit();
    }, market.url);
    await attacker.waitForURL(`${market.url}/v1/keys`);
    assert.match(await attacker.content(), /type_unsupported|cross_site/);
    assert.equal(keys(), before);
    await attacker.goto(`http://127.0.0.1:${evil.address().port}/`);
    const framed = await attacker.evaluate(async (url) => {
      const frame = document.createElement('iframe');
      const loaded = new Promise((done) => (frame.onload = done));
      frame.src = `${url}/wallet`;
      document.body.append(frame);
      await loaded;
      return frame.contentDocument === null;
    }, market.url);
    assert.equal(framed, true);
    const inside = attacker.frames().find((one) => one !== attacker.mainFrame());
    assert.equal(await inside.getByRole('heading', { name: 'Wallet' }).count(), 0, 'the console lets itself be framed');
    await page.context().close();
  } finally {
    evil.closeAllConnections?.();
    evil.close();
  }
});

test('no page threw, and the policy refused nothing that it should not', () => {
  // What the attacker's pages were refused is theirs.
  assert.deepEqual(browser.troubles.filter((trouble) => trouble.startsWith(market.url)), []);
});
