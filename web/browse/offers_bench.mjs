// The market page in front of OFFERS offers (100,000): first rows, frames while the list is scrolled and a query is typed,
// and memory, at the head of the list and with all of it read; beside what this browser keeps on a page that does nothing.
// `make bench-console`; JSON=1 prints one JSON object. Run it on a quiet machine: whatever else runs takes frames.
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

import { Browser, desktop } from './browser.mjs';
import { Market, sleep, until } from './market.mjs';
import { changing_prices, fill, first_loads, frames, frames_of, middle_of } from './measure.mjs';

const offers = Number(process.env.OFFERS ?? 100_000);
const seconds = Number(process.env.SECONDS ?? 10); // of each measuring of frames
const rows = []; // [what was measured, value, unit, what stands beside it]
const add = (name, value, unit, beside = '') => {
  rows.push([name, value, unit, beside]);
  if (!process.env.JSON) console.log(`${name.padEnd(70)} ${value.toFixed(1).padStart(12)} ${unit.padEnd(9)} ${beside}`);
};
const add_frames = (name, of, beside = '') => {
  add(`${name}: frames`, of.a_second, 'a second', beside);
  add(`${name}: between two, 95 %`, of.p95_ms, 'ms');
  add(`${name}: between two, worst`, of.worst_ms, 'ms');
  add(`${name}: later than 50 ms`, of.late, 'frames');
};

// What a browser on this machine keeps at all: a list of words, all of it in the document, that nothing changes.
async function still_page(browser) {
  const page = await browser.chromium.newPage({ viewport: desktop });
  await page.setContent(`<div class="table-body" style="height: 616px; overflow-y: auto">${Array.from({ length: 500 }, (_, at) => `<p style="height: 44px; margin: 0">row ${at}</p>`).join('')}</div>`);
  const kept = await frames(page, seconds);
  await page.close();
  return kept;
}

// Scrolls to the end of what was read until `wanted` rows were, or there are no more. Their number, and the time.
const read_on = (page, wanted) =>
  page.evaluate(async (count) => {
    const begun = performance.now();
    for (let before = 0, grew = begun; ; ) {
      const body = document.querySelector('.table-body');
      const read = Math.round(document.querySelector('.table-inside').offsetHeight / 44);
      const whole = body.closest('[role=table]').getAttribute('aria-rowcount') !== '-1';
      if (read >= count || whole) return { read, took_ms: performance.now() - begun };
      if (read > before) [before, grew] = [read, performance.now()];
      if (performance.now() - grew > 30_000) throw new Error(`nothing more came after ${read} rows`);
      body.scrollTop = body.scrollHeight;
      await new Promise(requestAnimationFrame);
    }
  }, wanted);

async function memory(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('HeapProfiler.collectGarbage');
  await devtools.send('Performance.enable');
  const { metrics } = await devtools.send('Performance.getMetrics');
  await devtools.detach();
  const of = (name) => metrics.find((one) => one.name === name).value;
  return { heap_mb: of('JSHeapUsedSize') / 1e6, nodes: of('Nodes') };
}

// Types the query a letter at a time. Frames meanwhile; the longest that a key's letter took to be drawn; and how long after
// the last one the list is the query's.
async function typing(page, query, shows) {
  const input = page.getByLabel('Which offers will do');
  await input.click();
  await page.evaluate(
    ([text, words]) => {
      globalThis.typed = { gaps: [], keys: [] };
      new PerformanceObserver((list) => list.getEntries().forEach((one) => /^key|input/.test(one.name) && globalThis.typed.keys.push(one.duration))).observe({ type: 'event', durationThreshold: 16 });
      let last_key = 0;
      document.addEventListener('keydown', () => (last_key = performance.now()));
      const field = document.activeElement;
      let last = performance.now();
      const frame = (now) => {
        globalThis.typed.gaps.push(now - last);
        last = now;
        const lines = [...document.querySelectorAll('.table-inside .table-row')];
        if (field.value === text && !document.querySelector('.dimmed') && lines.length > 0 && lines.every((line) => words.every((word) => line.textContent.includes(word)))) globalThis.typed.settled_ms = now - last_key;
        else requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    },
    [query, shows],
  );
  await page.keyboard.type(query, { delay: 80 });
  await until("the query's list", () => page.evaluate(() => globalThis.typed.settled_ms !== undefined), 60);
  await sleep(500); // the browser tells of slow keys a little later
  const { gaps, keys, settled_ms } = await page.evaluate(() => globalThis.typed);
  return { frames: frames_of(gaps, gaps.reduce((sum, gap) => sum + gap, 0) / 1000), key_ms: Math.max(0, ...keys), settled_ms };
}

const market = new Market();
let browser;
try {
  await market.start_server();
  market.open_account('alice', 'renter', '50.00');
  market.open_account('dora', 'provider');
  const begun = Date.now();
  const nodes = await fill(market, offers);
  add(`joining ${offers} nodes over REST`, (Date.now() - begun) / 1000, 's');
  browser = await Browser.launched(market);
  const still = await still_page(browser);
  add_frames('a page that does nothing, scrolled', still, 'what this browser keeps here');
  const beside = `target 60; ${still.a_second.toFixed(1)} on a page that does nothing`;

  const page = await browser.open('operator', { path: '/market' }); // the operator's stream tells of every offer
  const figures = await first_loads(browser, await page.context().cookies());
  add('first load, five fresh profiles: over the wire', middle_of(figures, (one) => one.bytes) / 1000, 'KB', 'target under 300');
  add('first load: time to the first row', middle_of(figures, (one) => one.shown_ms), 'ms');
  add('first load: interactive', middle_of(figures, (one) => one.interactive_ms), 'ms', 'target under 1,500');
  add('first load: longest task', middle_of(figures, (one) => one.longest_ms), 'ms');

  await page.getByRole('table', { name: 'Offers' }).getByRole('row').nth(5).waitFor();
  add_frames('on and on downwards, pages being read', await frames(page, seconds, { step: 60, span: Infinity }), beside);
  for (const depth of [10_000, offers]) {
    const { read, took_ms } = await read_on(page, depth);
    const held = await memory(page);
    add(`reading on to ${read} rows, a page of 100 after the other`, took_ms / 1000, 's');
    add(`with ${read} rows read: the page's memory`, held.heap_mb, 'MB');
    add(`with ${read} rows read: nodes of its document`, held.nodes, 'nodes');
    add_frames(`with ${read} rows read, up and down`, await frames(page, seconds), beside);
    const changing = changing_prices(market, nodes, 60);
    const busy = await frames(page, seconds);
    const { rate } = await changing.end();
    add_frames(`the same with ${rate.toFixed(0)} price changes a second`, busy, beside);
  }
  const typed = await typing(page, 'gpu_name=rtx_4090 region=eu', ['RTX 4090', 'eu']);
  add_frames('a query is typed', typed.frames, beside);
  add('a query is typed: the slowest key until it is drawn', typed.key_ms, 'ms', '0: none over 16');
  add('a query is typed: from its last key to its list', typed.settled_ms, 'ms');
  const server = market.processes.get('server').pid;
  add(`the server's memory with ${offers} nodes`, Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server}/status`, 'utf8'))[1]) / 1000, 'MB');
  add('load average at the end', loadavg()[0], '');
  if (browser.troubles.length > 0) throw new Error(browser.troubles.join('\n'));
  if (process.env.JSON) console.log(JSON.stringify(Object.fromEntries(rows.map(([name, value, unit, beside]) => [name, { value, unit, beside }]))));
} finally {
  await browser?.close();
  await market.end_all();
}
