// The console in front of 10,000 offers: what the first load weighs, how soon the market page can be used, and
// whether it keeps its frames while prices change 60 times a second. Figures are printed, not asserted
// (docs/measurements.md); that everything arrives and what is shown is right, is.
import assert from 'node:assert/strict';
import { loadavg } from 'node:os';
import { after, before, test } from 'node:test';

import { Browser } from './browser.mjs';
import { Market, sleep } from './market.mjs';
import { changing_prices, fill, first_loads, frames, middle_of } from './measure.mjs';

const offers = Number(process.env.OFFERS ?? 10_000);

let browser;
let market;
let nodes;

before(async () => {
  market = new Market();
  await market.start_server();
  market.open_account('alice', 'renter', '50.00');
  market.open_account('dora', 'provider');
  nodes = await fill(market, offers);
  browser = await Browser.launched(market);
}, { timeout: 300_000 });
after(async () => {
  await browser?.close();
  await market?.end_all();
});

test(`the first load with ${offers} offers`, async () => {
  const page = await browser.open('alice', { path: '/jobs' });
  const cookies = await page.context().cookies();
  await page.context().close();
  const figures = await first_loads(browser, cookies);
  const middle = (of) => middle_of(figures, of);
  console.log(`first load of /market with ${offers} offers, five fresh profiles, middle of five: ${Math.round(middle((one) => one.bytes) / 1000)} KB over the wire; first offers after ${middle((one) => one.shown_ms)} ms, interactive after ${middle((one) => one.interactive_ms)} ms, longest task ${middle((one) => one.longest_ms)} ms; load average ${loadavg()[0].toFixed(1)}`);
  assert.ok(figures.every((one) => one.bytes < 300_000), JSON.stringify(figures));
});

test('prices that change 60 times a second', async () => {
  const page = await browser.open('operator', { path: '/market' }); // the operator's stream tells of every offer
  const table = page.getByRole('table', { name: 'Offers' });
  await table.getByRole('row').nth(5).waitFor();
  // Far down the list: many pages are held and looked at again.
  for (let pages = 0; pages < 4; pages += 1) {
    await page.locator('.table-body').evaluate((body) => (body.scrollTop = body.scrollHeight));
    await sleep(400);
  }
  const calm = await frames(page, 5);
  const changing = changing_prices(market, nodes, 60);
  const busy = await frames(page, 10);
  // What changes while all of them change is seen.
  await page.locator('.table-body').evaluate((body) => (body.scrollTop = 0));
  await market.ask('PUT', `/v1/nodes/${nodes[4321]}/offer`, JSON.stringify({ price_per_hour: '0.0123' }), { who: 'dora' });
  const begun = Date.now();
  await table.getByText('0.0123').waitFor();
  const seen_ms = Date.now() - begun;
  const { changes, rate } = await changing.end();
  const say = (one) => `${one.a_second.toFixed(1)} frames a second, 95 % within ${one.p95_ms.toFixed(1)} ms, worst ${one.worst_ms.toFixed(0)} ms, ${one.late} later than 50 ms`;
  console.log(`market page, scrolled all the while, ${offers} offers: calm ${say(calm)}; with ${rate.toFixed(0)} price changes a second ${say(busy)}; a change was seen after ${seen_ms} ms; load average ${loadavg()[0].toFixed(1)}`);
  assert.ok(changes > 300, `${changes} changes`);
  await page.context().close();
});

test('no page threw, and the policy refused nothing', () => {
  assert.deepEqual(browser.troubles, []);
});
