// Job files, read as `fallow validate` reads them: the same sentences at the same places. Fields and
// their kinds are of docs/job.schema.json, which the command line makes; test/job_file_test.ts holds both
// readers to the same wrong files.
import { Document, isAlias, isMap, isScalar, isSeq, Pair, parseAllDocuments, Scalar, visit, YAMLMap, type Node } from 'yaml';

import schema from '../../../docs/job.schema.json';

// What a file says, as text: amounts and numbers as they are written.
export interface JobFile {
  values: Record<string, string>; // by field; those of `resources` too, whose names differ from the others
  words: string[]; // of a `run` that is a list
  environment: { name: string; value: string }[];
  secrets: { name: string; value: string }[]; // where each is read from
  beyond: Record<string, unknown>; // by field: what only the command line knows how to do
}

export class WrongFile extends Error {
  constructor(
    readonly line: number,
    readonly column: number, // in bytes of UTF-8, as the command line counts
    readonly what: string,
    readonly at = 0, // in the text, for who goes there
  ) {
    super(`${line}:${column}: ${what}`);
  }
}

const count_max = schema.properties.tasks.maximum;
const file_chars_max = 1 << 20;
const null_words = ['', '~', 'null', 'Null', 'NULL'];

interface Rule {
  type?: string | string[];
  enum?: string[];
  pattern?: string;
  description?: string;
}
const sections: Record<string, Record<string, Rule>> = { '': schema.properties, resources: schema.properties.resources.properties };
// Kept as they stand, for `fallow run -f`, which checks them.
const beyond_fields = ['matrix', 'inputs', 'ports', 'any_of'];
type Kind = 'text' | 'money' | 'number' | 'count' | 'flag' | 'word' | 'words' | 'names';
function kind_of(rule: Rule): Kind {
  if (rule.enum) return 'word';
  const types = [rule.type ?? []].flat().join(' ');
  const kinds: Record<string, Kind> = { 'string number': 'money', number: 'number', integer: 'count', boolean: 'flag', 'string array': 'words', object: 'names' };
  return kinds[types] ?? 'text';
}

function edits_between(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= b.length; j += 1) {
      const above = row[j]!;
      row[j] = Math.min(above + 1, row[j - 1]! + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1));
      diagonal = above;
    }
  }
  return row[b.length]!;
}

function advice(word: string, known: string[]): string {
  const nearest = known.reduce((best, one) => (edits_between(word, one) < edits_between(word, best) ? one : best));
  return edits_between(word, nearest) <= 2 ? `did you mean '${nearest}'?` : `known are ${known.join(', ')}`;
}

const is_source = (text: string) => /^(env|file):./s.test(text);
const is_money = (text: string) => /^\d+(\.\d{1,6})?$/.test(text) && /[1-9]/.test(text);

const bytes_of = new TextEncoder();

// Where `at` of `text` is, and what is wrong there.
function wrong_at(text: string, at: number, what: string): WrongFile {
  const before = text.slice(0, at);
  const line_start = before.lastIndexOf('\n') + 1;
  const line = before.split('\n').length;
  return new WrongFile(line, bytes_of.encode(before.slice(line_start)).length + 1, what, at);
}

class Reader {
  readonly file: JobFile = { values: {}, words: [], environment: [], secrets: [], beyond: {} };
  setup_at: Node | null = null;

  constructor(
    private readonly document: Document,
    private readonly text: string,
  ) {}

  check_aliases() {
    visit(this.document, {
      Alias: (_, node) => {
        if (!node.resolve(this.document)) this.fail(node, 'this is no YAML: the referenced anchor is not defined');
      },
    });
  }

  // Behind an alias stands what it names.
  private resolved(node: unknown): Node | null {
    return (isAlias(node) ? node.resolve(this.document) : node) as Node | null;
  }
  fail(at: unknown, what: string): never {
    throw wrong_at(this.text, (at as Node | null)?.range?.[0] ?? 0, what);
  }
  private text_in(node: Node | null): string | null {
    return isScalar(node) && !this.is_null(node) ? String(node.value) : null;
  }
  private is_null(node: Node | null): boolean {
    return node === null || (isScalar(node) && !node.tag && (node.value === null || (node.type === 'PLAIN' && null_words.includes(String(node.value)))));
  }

  section(at: unknown, section: '' | 'resources') {
    const rules = sections[section]!;
    const known = Object.keys(rules);
    const map = this.resolved(at);
    if (!isMap(map)) this.fail(map, `${section ? "'resources'" : 'a job file'} names fields and their values; known are ${known.join(', ')}`);
    const seen = new Set<string>();
    for (const { key, value } of map.items) {
      const name = this.text_in(this.resolved(key)) ?? this.fail(key, "a field's name is a word");
      if (seen.has(name)) this.fail(key, `'${name}' stands here twice`);
      seen.add(name);
      if (section === '' && name === 'resources') {
        this.section(value ?? key, 'resources');
        continue;
      }
      const rule = known.includes(name) ? rules[name]! : this.fail(key, `there is no field '${name}'${section ? ' of resources' : ''}; ${advice(name, known)}`);
      const node = this.resolved(value);
      if (this.is_null(node)) this.fail(key, `'${name}' has no value: ${rule.description}`);
      if (beyond_fields.includes(name)) this.file.beyond[name] = node!.toJS(this.document);
      else this.field(name, rule, node);
    }
  }

  private scalar(name: string, rule: Rule, node: Node | null): string {
    return this.text_in(node) ?? this.fail(node, `'${name}' is one value: ${rule.description}`);
  }

  private field(name: string, rule: Rule, node: Node | null) {
    const kind = kind_of(rule);
    if (kind === 'words') return this.run(name, rule, node);
    if (kind === 'names') return this.names(name, node);
    const text = this.scalar(name, rule, node);
    const number = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
    if (kind === 'count' && !(/^\d+$/.test(text) && number > 0 && number <= count_max)) this.fail(node, `'${name}' is a whole number from 1 to ${count_max}, not '${text}'`);
    if (kind === 'number' && !(number > 0 && Number.isFinite(number))) this.fail(node, `'${name}' is a number above 0, not '${text}'`);
    if (name === 'share' && number > 1) this.fail(node, "'share' is at most 1");
    if (kind === 'flag' && text !== 'true' && text !== 'false') this.fail(node, `'${name}' is true or false, not '${text}'`);
    if (kind === 'money' && !is_money(text)) this.fail(node, `'${name}' is an amount above 0 like 0.40, with at most 6 decimals, not '${text}'`);
    if (kind === 'word' && !rule.enum!.includes(text)) this.fail(node, `'${name}' cannot be '${text}'; ${advice(text, rule.enum!)}`);
    if (kind === 'text' && rule.pattern) this.source(name, node, text);
    if (name === 'setup') this.setup_at = node;
    this.file.values[name] = text;
  }

  // What stands there instead may be the secret itself: it is not repeated.
  private source(name: string, at: unknown, text: string) {
    if (!is_source(text)) this.fail(at, `${name} is env:VARIABLE or file:PATH: where it is read from, never the value itself`);
  }

  private run(name: string, rule: Rule, node: Node | null) {
    const text = this.text_in(node);
    if (text !== null) this.file.values.run = text;
    else if (isSeq(node)) this.file.words = node.items.map((item) => this.scalar(name, rule, this.resolved(item)));
    if (text === null && this.file.words.length === 0) this.fail(node, `'${name}': ${rule.description}`);
  }

  private names(name: string, node: Node | null) {
    if (!isMap(node)) this.fail(node, `'${name}' is a list of NAME: value`);
    for (const item of node.items) {
      const variable = this.text_in(this.resolved(item.key)) ?? '';
      const value = this.text_in(this.resolved(item.value)) ?? this.fail(item.value ?? item.key, `the value of ${variable} is one text`);
      if (variable === '' || variable.includes('=')) this.fail(item.key, `'${variable}' is no name of an environment variable`);
      this.file[name === 'secrets' ? 'secrets' : 'environment'].push({ name: variable, value });
    }
    if (name !== 'secrets') return;
    for (const item of node.items) this.source(this.text_in(this.resolved(item.key)) ?? '', item.value, this.text_in(this.resolved(item.value)) ?? '');
  }
}

// WrongFile says where and what.
export function read_job_file(text: string): JobFile {
  if (text.length > file_chars_max) throw new WrongFile(1, 1, 'this file is larger than a job file can be');
  // The library passes over what the command line takes for indentation.
  const tab = /\n\t\s*$/.exec(text);
  if (tab) throw wrong_at(text, tab.index + 1, 'this is no YAML: illegal tab when looking for indentation');
  let document: Document | undefined;
  try {
    document = [parseAllDocuments(text, { schema: 'failsafe', uniqueKeys: false, prettyErrors: false })].flat()[0] as Document | undefined;
  } catch {
    throw new WrongFile(1, 1, 'this is no YAML: it is nested too deeply');
  }
  const broken = document?.errors[0];
  if (broken) throw wrong_at(text, broken.pos[0], `this is no YAML: ${broken.message}`);
  const reader = new Reader(document ?? new Document(null), text);
  reader.check_aliases();
  reader.section(document?.contents ?? null, '');
  const { values, words } = reader.file;
  if (values.run === undefined && words.length === 0) throw new WrongFile(1, 1, 'the job says nothing to run; write  run: nvidia-smi');
  if (reader.setup_at && words.length > 0) reader.fail(reader.setup_at, "'setup' goes with a 'run' that is text for the shell");
  if (values.tier === 'spot' && !values.max_price) throw new WrongFile(1, 1, 'the tier spot needs a bid; write  max_price: 0.40');
  if (values.deadline_hours && (values.tier ?? 'on_demand') !== 'on_demand') throw new WrongFile(1, 1, "with 'deadline_hours' the market chooses the tier; leave 'tier' out");
  return reader.file;
}

// Amounts and numbers stand as they were typed, without quotes where YAML has the same number.
function scalar_of(rule: Rule, text: string): Scalar {
  if (kind_of(rule) === 'flag') return new Scalar(text === 'true');
  const decimals = /^\d+(?:\.(\d+))?$/.exec(text)?.[1] ?? '';
  const number = new Scalar<number | string>(Number(text));
  number.minFractionDigits = decimals.length;
  const has_number = !['text', 'word', 'words', 'names'].includes(kind_of(rule));
  return has_number && new Document(number).toString().trim() === text ? number : new Scalar(text);
}

// The file as text, in the order in which people read the fields.
export function write_job_file(file: JobFile): string {
  const { values, words, environment, secrets, beyond } = file;
  const document = new Document({});
  const section = (name: string) => {
    const map = new YAMLMap();
    for (const [field, rule] of Object.entries(sections[name]!)) {
      const has = values[field] !== undefined && values[field] !== '';
      if (beyond[field] !== undefined) map.items.push(new Pair(new Scalar(field), document.createNode(beyond[field])));
      else if (has && !['words', 'names'].includes(kind_of(rule)) && field !== 'setup') map.items.push(new Pair(new Scalar(field), scalar_of(rule, values[field]!)));
    }
    return map;
  };
  const root = section('');
  document.contents = root as typeof document.contents;
  const add = (name: string, value: unknown) => root.items.push(new Pair(new Scalar(name), document.createNode(value)));
  const resources = section('resources');
  if (resources.items.length > 0) add('resources', resources);
  for (const [field, settings] of [['env', environment], ['secrets', secrets]] as const) {
    const names = new YAMLMap();
    names.items = settings.map(({ name, value }) => new Pair(new Scalar(name), new Scalar(value)));
    if (settings.length > 0) add(field, names);
  }
  if (values.setup) add('setup', values.setup);
  add('run', words.length > 0 ? words : (values.run ?? ''));
  return document.toString({ lineWidth: 0, blockQuote: 'literal' });
}
