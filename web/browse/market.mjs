// A real market for the journeys: a server with the built console, and agents with declared devices.
// Every process that is started here is ended here.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const fallow = resolve(root, process.env.FALLOW_BUILD ?? 'build/release', 'src/fallow');
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(what, check, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const answer = await check();
    if (answer) return answer;
  }
  throw new Error(`${what} did not happen within ${seconds} s`);
}

export class Market {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'fallow-browse-'));
    this.environment = { ...process.env, HOME: this.folder, XDG_CONFIG_HOME: join(this.folder, 'config') };
    for (const name of Object.keys(this.environment)) if (name.startsWith('FALLOW_')) delete this.environment[name];
    this.processes = new Map();
    this.listen = '127.0.0.1:0';
    this.name = 'Hillside';
    this.keys = {};
    this.accounts = {};
  }

  log_of = (name) => readFileSync(join(this.folder, `${name}.log`), 'utf8');

  start(name, ...words) {
    const log = openSync(join(this.folder, `${name}.log`), 'a');
    const child = spawn(fallow, words, { env: this.environment, stdio: ['ignore', log, log] });
    this.processes.set(name, child);
    return child;
  }

  async end(name, signal = 'SIGTERM') {
    const child = this.processes.get(name);
    this.processes.delete(name);
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await ended;
  }

  // Starts, or starts again on the same port.
  async start_server() {
    this.starts = (this.starts ?? 0) + 1;
    const before = this.starts > 1 ? this.log_of('server').length : 0;
    this.start('server', 'server', '--json', '--plain-http', '--data', join(this.folder, 'data'), '--listen', this.listen, '--name', this.name, '--console', join(root, 'web/dist'),
      '--price-interval', '2', '--meter-interval', '0.5', '--suspend-after', '3', '--close-after', '8');
    const line = await until('the server starting', () => this.log_of('server').slice(before).split('\n').find((one) => one.startsWith('{"url"')));
    this.url = JSON.parse(line).url;
    this.listen = new URL(this.url).host;
    this.environment.FALLOW_URL = this.url;
    this.keys.operator = readFileSync(join(this.folder, 'data/operator.key'), 'utf8').trim();
  }

  // What `fallow WORDS` did: status, stdout, stderr.
  spawn(who, ...words) {
    return spawnSync(fallow, words, { env: { ...this.environment, FALLOW_API_KEY: this.keys[who] }, encoding: 'utf8', timeout: 120_000 });
  }

  // The JSON lines that `fallow --json WORDS` prints.
  run(who, ...words) {
    const done = this.spawn(who, '--json', ...words);
    if (done.status !== 0) throw new Error(`fallow ${words.join(' ')}: ${done.stderr || done.stdout}`);
    return done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  // `shown`: the account's name where it is not the one that the tests know it by.
  open_account(name, scope, deposit, shown = name) {
    const [made] = this.run('operator', 'account', 'create', shown, '--scope', scope);
    this.keys[name] = made.api_key;
    this.accounts[name] = made.account.id;
    if (deposit) this.run('operator', 'wallet', 'deposit', made.account.id, deposit, '--reference', `first of ${name}`);
  }

  async join_agent(name, region, device, price) {
    const [{ token }] = this.run('dora', 'nodes', 'token');
    this.agent_words ??= {};
    this.agent_words[name] = ['--name', name, '--region', region, '--device', device, '--checkpoint-every', '1'];
    this.start(name, 'agent', '--data', join(this.folder, name), ...this.agent_words[name], '--join', token, '--price', price);
    await until(`${name} joining`, () => this.run('alice', 'offers').some((offer) => offer.node_name === name && offer.available));
  }

  // After its end.
  start_agent = (name) => this.start(name, 'agent', '--data', join(this.folder, name), ...this.agent_words[name]);

  // While no server runs: the history of a class of two devices that was there for 14 days. By night none is leased,
  // in the hours of work more and more.
  remember(model, region) {
    const hour_ms = 3_600_000; // a device counts as 1,000
    const now = Math.floor(Date.now() / hour_ms);
    const rows = Array.from({ length: 14 * 24 }, (_, back) => {
      const hour = now - 1 - back;
      const leased = Math.round(Math.max(0, Math.sin(((hour % 24) - 7) * (Math.PI / 14))) * 2_000 * hour_ms * (0.7 + 0.3 * ((back * 7) % 5) / 4));
      return `insert into hours values(cast('${model}' as blob), cast('${region}' as blob), ${hour}, ${hour_ms}, ${2_000 * hour_ms}, ${leased}, 0, 420000);`;
    });
    const done = spawnSync('python3', ['-c', 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())', join(this.folder, 'data/history.db')], { input: `begin;${rows.join('\n')}commit;`, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`the history: ${done.stderr}`);
  }

  // A node without an agent: what REST alone says of it. It never connects, so nothing is leased there.
  // `from`: the address to ask from; the server lets so many a second of each ask without a key.
  async join_node(facts, price, token = this.run('dora', 'nodes', 'token')[0].token, from = '127.0.0.1') {
    const secret = Buffer.from(token.slice('fj1.'.length), 'base64url').subarray(33, 65).toString('hex');
    const body = JSON.stringify({ secret, public_key: randomBytes(32).toString('hex'), facts, price_per_hour: price });
    return (await this.ask('POST', '/v1/nodes', body, { from })).id;
  }

  // The JSON that the API answers; an error when it is a problem.
  ask(method, path, body, { who, from } = {}) {
    this.agents ??= new Map();
    if (!this.agents.has(from)) this.agents.set(from, new Agent({ keepAlive: true, maxSockets: 16, localAddress: from }));
    const headers = { 'Content-Type': 'application/json', ...(who ? { Authorization: `Bearer ${this.keys[who]}` } : {}) };
    return new Promise((done, failed) => {
      const asked = request(this.url + path, { method, headers, agent: this.agents.get(from) }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece) => (text += piece));
        answer.on('end', () => (answer.statusCode < 300 ? done(JSON.parse(text)) : failed(new Error(text))));
      });
      asked.on('error', failed).end(body);
    });
  }

  static async furnished() {
    const market = new Market();
    await market.start_server();
    market.open_account('alice', 'renter', '250.00');
    market.open_account('bob', 'renter', '50.00');
    market.open_account('dora', 'provider');
    await market.join_agent('barn', 'eu', 'model=RTX_4090,memory_gb=24,count=2', '0.42');
    await market.join_agent('attic', 'eu', 'model=RTX_3090,memory_gb=24', '0.24');
    await market.join_agent('cellar', 'us-west', 'model=A100,memory_gb=80', '1.10');
    return market;
  }

  async end_all() {
    for (const agent of this.agents?.values() ?? []) agent.destroy();
    await Promise.all([...this.processes.keys()].map((name) => this.end(name)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
