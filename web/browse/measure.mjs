// How the market page fares in a browser: what a first load weighs, and whether frames are kept. Used by many.test.mjs
// and offers_bench.mjs.
import { desktop } from './browser.mjs';
import { sleep, until } from './market.mjs';

const models = [['RTX_3090', 24], ['RTX_4090', 24], ['A100', 80], ['H100', 80], ['L40S', 48]];
const regions = ['eu', 'us-west', 'us-east', 'asia'];
const uses_max = 10_000; // of a join token

// Joins so many nodes of one device each, which never connect; their ids. dora is their provider.
export async function fill(market, offers) {
  const nodes = new Array(offers);
  const tokens = Array.from({ length: Math.ceil(offers / uses_max) }, () => market.run('dora', 'nodes', 'token', '--uses', String(Math.min(offers, uses_max)))[0].token);
  let next = 0;
  // From many addresses of the loopback: one alone may join 100 nodes a second.
  await Promise.all(Array.from({ length: 64 }, async (_, lane) => {
    while (next < offers) {
      const n = next++;
      const [model, memory_gb] = models[n % models.length];
      const facts = { name: `node-${n}`, region: regions[n % regions.length], cpu_thousandths: 16_000, memory_mb: 64_000, disk_mb: 500_000, isolation: 'BUBBLEWRAP', devices: [{ index: 0, uuid: `u${n}`, model, kind: 'GPU', memory_mb: memory_gb * 1000 }] };
      nodes[n] = await market.join_node(facts, (0.2 + (n % 997) / 1000).toFixed(3), tokens[Math.floor(n / uses_max)], `127.0.1.${lane + 1}`);
    }
  }));
  return nodes;
}

// In the page, before all else: notes when the first row of the table stands there, and every task that held the page up.
const watch = () => {
  globalThis.held = [];
  new PerformanceObserver((list) => list.getEntries().forEach((one) => globalThis.held.push([one.startTime, one.duration]))).observe({ type: 'longtask', buffered: true });
  const seen = new MutationObserver(() => {
    if (!document.querySelector('.table-inside .table-row')) return;
    seen.disconnect();
    requestAnimationFrame(() => (globalThis.shown_ms = performance.now()));
  });
  seen.observe(document, { childList: true, subtree: true });
};

// /market in five fresh profiles of who has these cookies: bytes over the wire, when the first offer stood there, when the
// page could be used, and the longest task; of each.
export async function first_loads(browser, cookies) {
  const figures = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const context = await browser.chromium.newContext({ viewport: desktop }); // nothing of the console is known here yet
    await context.addCookies(cookies);
    await context.addInitScript(watch);
    const fresh = await context.newPage();
    const devtools = await context.newCDPSession(fresh);
    await devtools.send('Network.enable');
    let bytes = 0;
    devtools.on('Network.loadingFinished', (event) => (bytes += event.encodedDataLength));
    await fresh.goto(`${browser.market.url}/market`);
    await until('the first row', () => fresh.evaluate(() => globalThis.shown_ms));
    await sleep(1_500);
    const { shown_ms, held } = await fresh.evaluate(() => ({ shown_ms: globalThis.shown_ms, held: globalThis.held }));
    const tasks = held.map(([start, duration]) => start + duration);
    figures.push({ bytes, shown_ms, interactive_ms: Math.max(shown_ms, ...tasks.filter((end) => end < shown_ms + 1_000)), longest_ms: Math.max(0, ...held.map(([, duration]) => duration)) });
    await context.close();
  }
  return figures;
}
export const middle_of = (figures, of) => Math.round(figures.map(of).sort((a, b) => a - b)[figures.length >> 1]);

// What gaps between frames come to, which `seconds` of them are.
export function frames_of(gaps, seconds) {
  const sorted = [...gaps].sort((a, b) => a - b);
  return { a_second: sorted.length / seconds, p95_ms: sorted[Math.floor(sorted.length * 0.95)], worst_ms: sorted[sorted.length - 1], late: sorted.filter((gap) => gap > 50).length };
}

// Frames of `seconds` while the list is scrolled by `step` pixels a frame, up and down within `span` pixels of where it stands;
// with Infinity on downwards, where more of it comes.
export async function frames(page, seconds, { step = 22, span = 6_000 } = {}) {
  const gaps = await page.evaluate(
    async ([ms, by, within, turns]) => {
      const body = document.querySelector('.table-body');
      const from = body.scrollTop;
      const gaps = [];
      const start = performance.now();
      let down = by;
      for (let last = start; last < start + ms; ) {
        const now = await new Promise(requestAnimationFrame);
        gaps.push(now - last);
        last = now;
        const at = body.scrollTop + down;
        if (turns && (Math.abs(at - from) > within || at < 0 || at > body.scrollHeight - body.clientHeight)) down = -down;
        body.scrollTop += down;
      }
      return gaps;
    },
    [seconds * 1000, step, span, Number.isFinite(span)],
  );
  return frames_of(gaps, seconds);
}

// Changes prices so many times a second, one node after the other, until end() is called, which answers with the rate and
// the number of them.
export function changing_prices(market, nodes, a_second) {
  let changes = 0;
  let going = true;
  const start = Date.now();
  const all = (async () => {
    while (going) {
      const due = Math.floor(((Date.now() - start) * a_second) / 1000);
      const asked = [];
      for (; changes < due; changes += 1) asked.push(market.ask('PUT', `/v1/nodes/${nodes[changes % nodes.length]}/offer`, JSON.stringify({ price_per_hour: (0.2 + (changes % 991) / 1000).toFixed(3) }), { who: 'dora' }));
      await Promise.all(asked);
      await sleep(5);
    }
  })();
  return {
    end: async () => {
      going = false;
      await all;
      return { changes, rate: (changes * 1000) / (Date.now() - start) };
    },
  };
}
