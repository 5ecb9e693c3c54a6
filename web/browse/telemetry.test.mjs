// What devices and workloads do, in Debian's Chromium: a real market, a real agent, and NVIDIA's library as the test would have it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Browser, desktop, findings, phone } from './browser.mjs';
import { Market, sleep, until } from './market.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const images = join(root, 'docs/images');

// tests/fake_nvml.c for the processes that a market starts.
class Devices {
  constructor(market) {
    this.folder = join(market.folder, 'devices');
    mkdirSync(this.folder);
    const made = spawnSync('cc', ['-w', '-shared', '-fPIC', '-o', join(this.folder, 'libnvidia-ml.so.1'), join(root, 'tests/fake_nvml.c')], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    Object.assign(market.environment, { LD_LIBRARY_PATH: this.folder, FAKE_NVML_STATE: join(this.folder, 'state') });
  }

  // Of every device in order; at once, since it may be read meanwhile.
  say(...devices) {
    const lines = devices.flatMap((figures, device) => [`${device}.uuid RTX_4090-${device}`, ...Object.entries(figures).map(([name, value]) => `${device}.${name} ${value}`)]);
    writeFileSync(join(this.folder, 'state.new'), `${lines.join('\n')}\n`);
    renameSync(join(this.folder, 'state.new'), join(this.folder, 'state'));
  }
}

const busy = { percent: 97, memory_used: 3 * 2 ** 30, milliwatts: 312_000, celsius: 71, core_mhz: 2520, memory_mhz: 10501, throttle: 0x20, ecc_corrected: 3, ecc_uncorrected: 0 };
const idle = { percent: 1, memory_used: 2 ** 28, milliwatts: 21_000, celsius: 38, core_mhz: 210, memory_mhz: 405, throttle: 0 };

let browser;
let devices;
let lease;
let market;
let order;

before(async () => {
  market = new Market();
  devices = new Devices(market);
  devices.say(busy, idle);
  await market.start_server();
  market.open_account('alice', 'renter', '50.00');
  market.open_account('bob', 'renter', '5.00');
  market.open_account('dora', 'provider');
  await market.join_agent('barn', 'eu', 'model=RTX_4090,memory_gb=24,count=2', '0.40');
  const work = 'x=1; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; sleep 0.2; done';
  [{ id: order }] = market.run('alice', 'run', '--detach', '--name', 'a training', '--', 'sh', '-c', work);
  lease = (await until('the lease running', () => market.run('alice', 'leases', '--job', order).find((one) => one.state === 'RUNNING'), 60)).id;
  browser = await Browser.launched(market);
});
after(async () => {
  await browser?.close();
  await market?.end_all();
});

const chart = (page, words) => page.getByRole('img', { name: words });
const about = (page, name) => chart(page, new RegExp(`^${name}, `)).getAttribute('aria-label');
const streams_open = async () => Number(/^fallow_streams_open (\d+)$/m.exec(await (await fetch(`${market.url}/metrics`)).text())[1]);
async function picture(page, name, viewport) {
  if (!process.env.SHOTS) return;
  const path = join(images, `console-${name}-${viewport.width}.png`);
  await page.screenshot({ path, fullPage: viewport === phone });
  const made = spawnSync('pngquant', ['--force', '--ext', '.png', '--speed', '4', '--quality', '50-90', path]);
  assert.equal(made.status, 0, String(made.stderr));
}
const nothing_too_wide = async (page) => assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0, 'nothing is wider than the screen');

test('a renter sees the own device and workload live; what is not told is left out; faults are told in words', async () => {
  devices.say(busy, idle);
  const page = await browser.open('alice', { path: `/leases/${lease}` });
  for (const words of [
    /^Utilisation, Device #0, the last 5 minutes: 97 % at last, between \d+ and 97 %$/,
    /^Memory in use, Device #0, .*: 3\.00 GB at last/,
    /^Power, Device #0, .*: 312 W at last/,
    /^Temperature, Device #0, .*: 71 °C at last/,
    /^Clocks, Device #0, .*: Cores 2520 MHz at last.*; Memory 10501 MHz at last/,
    new RegExp(`^Processor, Workload of lease ${lease}, .*: \\d+\\.\\d+ cores at last`),
    new RegExp(`^Main memory, Workload of lease ${lease}, `),
    /^Processor, The whole machine, .*: \d+\.\d+ cores at last/,
    /^Main memory, The whole machine, .*: \d+\.\d+ GB at last/,
  ]) {
    await chart(page, words).waitFor({ timeout: 30_000 });
  }
  assert.equal(await chart(page, /Device #1/).count(), 0, 'the other device is not this lease’s');
  assert.equal(await chart(page, /^Network, Workload/).count(), 0, 'it has no network');
  const faults = page.getByRole('list', { name: 'Faults of devices' });
  await faults.getByText(/^Device #0: by heat: now, in \d+ of \d+ samples?$/).waitFor();
  await faults.getByText('Device #0: 3 corrected errors of its memory since its driver was loaded', { exact: true }).waitFor();

  // Unknown is not 0. A program's own complaint is no fault of the device.
  devices.say({ percent: 5, celsius: 40, ecc_corrected: 4, xid: 31, xids: 1 }, idle);
  await chart(page, /^Utilisation, .*: 5 % at last, between 5 and 97 %$/).waitFor();
  await chart(page, /^Power, .*: not told at last, between 312 and 312 W$/).waitFor();
  await faults.getByText(/^Device #0: a complaint of its driver, of a kind that a program can bring about; at /).waitFor();
  await faults.getByText('Device #0: 4 corrected errors of its memory since its driver was loaded, 1 of them in the time shown', { exact: true }).waitFor();
  await faults.getByText(/^Device #0: by heat: in \d+ of \d+ samples, last at /).waitFor();
  assert.deepEqual(await findings(page), []);

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('paused', { exact: true }).waitFor();
  const before = await about(page, 'Utilisation');
  devices.say(busy, idle);
  await sleep(2_500);
  assert.equal(await about(page, 'Utilisation'), before);
  await page.getByRole('button', { name: 'Go on' }).click();
  await chart(page, /^Utilisation, .*: 97 % at last/).waitFor();
  await page.context().close();
});

test('nobody else sees it', async () => {
  const page = await browser.open('bob');
  for (const path of [`/v1/leases/${lease}/telemetry`, `/v1/leases/${lease}/telemetry/minutes`]) {
    assert.equal(await page.evaluate(async (one) => (await fetch(one)).status, path), 404, path);
  }
  await page.context().close();
});

test('the stream is closed while the page is out of sight, and when it is left', async () => {
  const page = await browser.open('alice', { path: `/leases/${lease}` });
  await chart(page, /^Utilisation/).waitFor({ timeout: 30_000 });
  const all = 3; // events, output, this one
  await until('those of other tests having ended', async () => (await streams_open()) === all);
  const show = (hidden) =>
    page.evaluate((is_hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => is_hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await show(true);
  await until('all of them ending', async () => (await streams_open()) === 0);
  await show(false);
  await until('all being back', async () => (await streams_open()) === all);
  devices.say({ ...busy, percent: 64 }, idle);
  await chart(page, /^Utilisation, .*: 64 % at last/).waitFor();
  await page.getByRole('radio', { name: 'by the minute, an hour' }).check();
  await until('its end while minutes are shown', async () => (await streams_open()) === all - 1);
  await page.getByRole('radio', { name: 'live' }).check();
  await until('it being back', async () => (await streams_open()) === all);
  await page.getByRole('link', { name: 'Wallet' }).click();
  await until('output and telemetry ending', async () => (await streams_open()) === all - 2);
  await page.context().close();
});

test('a server that restarts is found again', async () => {
  devices.say(busy, idle);
  const page = await browser.open('alice', { path: `/leases/${lease}` });
  await chart(page, /^Utilisation, .*: 97 % at last/).waitFor({ timeout: 30_000 });
  await market.end('server', 'SIGKILL');
  await page.getByRole('status').filter({ hasText: 'connection lost, resuming…' }).first().waitFor({ timeout: 20_000 });
  devices.say({ ...busy, percent: 42 }, idle);
  await market.start_server();
  await chart(page, /^Utilisation, .*: 42 % at last, between 42 and 97 %$/).waitFor({ timeout: 60_000 });
  await page.getByText('a sample every second', { exact: true }).waitFor();
  await page.context().close();
});

// In the page, before all else: the stream brings many samples a frame, and each canvas notes when it is drawn.
const flood = (samples) => {
  const ask = globalThis.fetch;
  globalThis.fetch = (what, how) => {
    if (!/\/telemetry$/.test(String(what?.url ?? what))) return ask(what, how);
    const bytes = new TextEncoder();
    const begun = Date.now();
    const body = new ReadableStream({
      async start(stream) {
        await new Promise((done) => setTimeout(done, 500));
        for (let n = 0; n < samples; n += 1) {
          const view = { at: new Date(begun + n * 100).toISOString(), now: { devices: [{ device: 0, percent: n % 101, xid: 0 }], workloads: [] } };
          stream.enqueue(bytes.encode(`data: ${JSON.stringify(view)}\n\n`));
          const { port1, port2 } = new MessageChannel(); // a task of its own, sooner than any timer
          await new Promise((done) => {
            port1.onmessage = done;
            port2.postMessage(0);
          });
        }
        globalThis.flooded = true;
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }));
  };
  globalThis.drawn = [];
  let frame = 0;
  const count = () => {
    frame += 1;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...words) {
    globalThis.drawn.push(frame);
    return clear.apply(this, words);
  };
};

test('however many samples come, a picture is drawn once a frame', async () => {
  const page = await browser.open('alice');
  const samples = 600;
  await page.addInitScript(flood, samples);
  await page.goto(`${market.url}/leases/${lease}`);
  await chart(page, /^Utilisation/).waitFor({ timeout: 30_000 });
  await until('all of them', () => page.evaluate(() => globalThis.flooded), 90);
  await chart(page, new RegExp(`: ${(samples - 1) % 101} % at last`)).waitFor();
  const drawn = await page.evaluate(() => globalThis.drawn);
  const frames = new Set(drawn).size;
  // Its first drawing may fall into the frame of the first change.
  assert.ok(drawn.length <= frames + 1, `${drawn.length} drawings in ${frames} frames`);
  assert.ok(frames < samples, `${samples} samples came in ${frames} frames: too slowly to tell`);
  await page.context().close();
});

test('who asks for less motion sees a step every few seconds', async () => {
  const page = await browser.open('alice');
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto(`${market.url}/leases/${lease}`);
  const use = chart(page, /^Utilisation/);
  await use.waitFor({ timeout: 30_000 });
  await use.evaluate((one) => {
    globalThis.steps = 0;
    new MutationObserver(() => (globalThis.steps += 1)).observe(one, { attributes: true, attributeFilter: ['aria-label'] });
  });
  for (let n = 0; n < 12; n += 1) {
    devices.say({ ...busy, percent: 20 + n }, idle);
    await sleep(1_000);
  }
  const steps = await page.evaluate(() => globalThis.steps);
  assert.ok(steps >= 1 && steps <= 3, `${steps} steps in 12 seconds`);
  await page.context().close();
});

test('a provider sees the whole node, a device at a time', async () => {
  const [{ node }] = market.run('alice', 'leases', '--job', order);
  devices.say(busy, { ...idle, throttle: 0x80 });
  const page = await browser.open('dora', { path: `/provide/${node}` });
  await chart(page, /^Utilisation, #0 RTX 4090, the last 5 minutes: 97 % at last/).waitFor({ timeout: 30_000 });
  await chart(page, new RegExp(`^Processor, Workload of lease ${lease}, `)).waitFor();
  // Of a device that is not drawn, too.
  await page.getByText(/^#1 RTX 4090: by the machine's power supply: now, /).waitFor();
  await page.getByLabel('Device', { exact: true }).selectOption({ label: '#1 RTX 4090' });
  await chart(page, /^Utilisation, #1 RTX 4090, the last 5 minutes: 1 % at last/).waitFor();
  await chart(page, /^Power, #1 RTX 4090, .*: 21 W at last/).waitFor();
  assert.deepEqual(await findings(page), []);
  await page.setViewportSize(phone);
  await nothing_too_wide(page);
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('a phone, dark; the lease ends, and what was is there by the minute', async () => {
  const page = await browser.open('alice', { path: `/leases/${lease}`, viewport: phone, colorScheme: 'dark' });
  await chart(page, /^Utilisation/).waitFor({ timeout: 30_000 });
  // Something to look at.
  for (let n = 0; n < (process.env.SHOTS ? 100 : 3); n += 1) {
    const load = 0.5 + 0.5 * Math.sin(n / 7);
    devices.say({ ...busy, percent: Math.round(60 + 38 * load), milliwatts: Math.round(180_000 + 140_000 * load), celsius: Math.round(58 + 14 * load), core_mhz: Math.round(2_200 + 320 * load), memory_used: Math.round((3 + 5 * load) * 2 ** 30), throttle: n % 30 > 24 ? 0x20 : 0 }, idle);
    await sleep(1_000);
  }
  await nothing_too_wide(page);
  assert.deepEqual(await findings(page), []);
  await picture(page, 'telemetry', phone);
  await page.setViewportSize(desktop);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByRole('heading', { name: 'What its devices and its workload do' }).evaluate((one) => one.scrollIntoView());
  await page.mouse.wheel(0, -80); // from below the page's head
  await sleep(1_500);
  assert.deepEqual(await findings(page), []);
  await picture(page, 'telemetry', desktop);

  market.run('alice', 'stop', order);
  await chart(page, /^Utilisation, Device #0, the last hour before its end: \d+ % at last, between \d+ and \d+ %$/).waitFor({ timeout: 60_000 });
  assert.equal(await page.getByRole('radio', { name: 'live' }).count(), 0);
  // As the command line has it.
  await until('the last minute being there, too', async () => {
    const minutes = market.run('alice', 'leases', 'watch', lease, '--minutes');
    const figures = (of) => minutes.map((minute) => minute[of].devices[0].percent);
    return (await about(page, 'Utilisation')).endsWith(`: ${figures('mean').pop()} % at last, between ${Math.min(...figures('mean'))} and ${Math.max(...figures('max'))} %`);
  });
  await page.getByText(/^Device #0: by heat: in \d+ of \d+ minutes?, last in the minute to /).waitFor();
  await page.getByRole('radio', { name: 'a day' }).check();
  await chart(page, /^Utilisation, Device #0, the last day before its end: /).waitFor();
  await page.setViewportSize(phone);
  await nothing_too_wide(page);
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test('no page threw, and the policy refused nothing', () => {
  assert.deepEqual(browser.troubles.filter((trouble) => trouble.startsWith(market.url)), []);
});
