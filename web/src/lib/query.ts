// The query language, as far as an input field needs it: where the caret stands, what may come
// there, and how a relaxation changes the text. docs/query.md is the reference; the server decides.

export interface Field {
  name: string;
  kind: 'word' | 'number' | 'ordered_word';
  about: string;
  values?: string[];
}

export const fields: Field[] = [
  { name: 'gpu_name', kind: 'word', about: "the device's model" },
  { name: 'num_gpus', kind: 'number', about: 'devices of the offer', values: ['1', '2', '4', '8'] },
  { name: 'gpu_ram', kind: 'number', about: 'GB of each device', values: ['8', '12', '16', '24', '48', '80'] },
  { name: 'price', kind: 'number', about: 'of a device per hour', values: ['0.20', '0.40', '1.00', '2.00'] },
  { name: 'reliability', kind: 'number', about: 'share of leases kept, 0 to 1', values: ['0.90', '0.95', '0.99'] },
  { name: 'region', kind: 'word', about: 'where the node stands' },
  { name: 'cpu_cores', kind: 'number', about: 'of the node', values: ['4', '8', '16', '32'] },
  { name: 'cpu_ram', kind: 'number', about: 'GB of the node', values: ['16', '32', '64', '128'] },
  { name: 'disk_space', kind: 'number', about: 'GB of the node', values: ['50', '100', '500'] },
  { name: 'inet_down', kind: 'number', about: 'Mbit/s', values: ['100', '500', '1000'] },
  { name: 'inet_up', kind: 'number', about: 'Mbit/s', values: ['100', '500', '1000'] },
  { name: 'images', kind: 'word', about: 'whether it runs OCI images', values: ['true', 'false'] },
  { name: 'isolation', kind: 'ordered_word', about: 'the strongest sandbox', values: ['bubblewrap', 'runc', 'gvisor', 'microvm'] },
  { name: 'device_kind', kind: 'word', about: 'gpu or cpu', values: ['gpu', 'cpu'] },
  { name: 'verified', kind: 'word', about: 'whether the device has passed its last proof', values: ['true', 'false'] },
  { name: 'lan', kind: 'word', about: 'LAN that the node stands in' },
  { name: 'rack', kind: 'word', about: 'rack that the node stands in' },
  { name: 'egress_price', kind: 'number', about: 'of a GB that workloads send', values: ['0', '0.01', '0.05'] },
  { name: 'node', kind: 'number', about: 'id' },
  { name: 'provider', kind: 'number', about: 'id' },
];
const field_of = (name: string) => fields.find((field) => field.name === name.toLowerCase());

export interface Token {
  kind: 'word' | 'operator' | 'open' | 'close' | 'comma';
  text: string;
  start: number;
  end: number;
}

const pattern = /\s+|(<=|>=|==|!=|=|<|>)|(\[)|(\])|(,)|('[^']*'?|"[^"]*"?|[^\s<>=!,[\]'"]+)|./gy;

export function tokens_of(text: string): Token[] {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const kinds = [, 'operator', 'open', 'close', 'comma', 'word'] as const;
    const group = [1, 2, 3, 4, 5].find((n) => match[n] !== undefined);
    if (group) tokens.push({ kind: kinds[group]!, text: match[0], start: match.index, end: pattern.lastIndex });
  }
  return tokens;
}

const is_word = (token: Token | undefined, ...texts: string[]) =>
  token?.kind === 'word' && texts.includes(token.text.toLowerCase());

export interface Condition {
  field: string;
  operator: string; // "=", "<=", "in", "notin" ...
  values: string[]; // as written
  start: number;
  end: number;
}

// The conditions that are complete; what is half written is passed over.
export function conditions_of(text: string): Condition[] {
  const tokens = tokens_of(text);
  const conditions: Condition[] = [];
  for (let at = 0; at < tokens.length; ) {
    const name = tokens[at]!;
    const next = tokens[at + 1];
    if (name.kind !== 'word' || !next) {
      at += 1;
      continue;
    }
    if (next.kind === 'operator') {
      const value = tokens[at + 2];
      if (value?.kind === 'word') {
        conditions.push({ field: name.text.toLowerCase(), operator: next.text === '==' ? '=' : next.text, values: [value.text], start: name.start, end: value.end });
        at += 3;
      } else at += 2;
      continue;
    }
    const negated = is_word(next, 'not') && is_word(tokens[at + 2], 'in');
    if (!negated && !is_word(next, 'in', 'notin')) {
      at += 1;
      continue;
    }
    let inside = at + (negated ? 3 : 2);
    if (tokens[inside]?.kind !== 'open') {
      at = inside;
      continue;
    }
    const values: string[] = [];
    for (inside += 1; inside < tokens.length && tokens[inside]!.kind !== 'close'; inside += 1) {
      if (tokens[inside]!.kind === 'word') values.push(tokens[inside]!.text);
    }
    const close = tokens[inside];
    if (close) {
      conditions.push({ field: name.text.toLowerCase(), operator: negated || is_word(next, 'notin') ? 'notin' : 'in', values, start: name.start, end: close.end });
    }
    at = inside + 1;
  }
  return conditions;
}

export interface Completion {
  start: number; // of what is replaced
  end: number;
  options: { text: string; about: string }[];
}

// What may stand at the caret. `known` are the values that the market has ("gpu_name": [...]).
export function complete(text: string, caret: number, known: Record<string, string[]>): Completion {
  const before = tokens_of(text.slice(0, caret));
  const last = before[before.length - 1];
  const touching = last !== undefined && last.end === caret;
  const typing = touching && last.kind === 'word' ? last : undefined;
  const left = typing ? before.slice(0, -1) : before;
  const start = typing ? typing.start : caret;
  const typed = (typing?.text ?? '').replace(/^['"]/, '').toLowerCase();
  // What begins with the letters first, then what has them anywhere.
  const pick = (options: { text: string; about: string }[]): Completion => {
    const place = (option: { text: string }) => option.text.toLowerCase().indexOf(typed);
    const fitting = options.filter((option) => place(option) >= 0 && option.text.toLowerCase() !== typed);
    return { start, end: caret, options: [...fitting.filter((one) => place(one) === 0), ...fitting.filter((one) => place(one) > 0)].slice(0, 12) };
  };

  const previous = left[left.length - 1];
  const values = (name: string) => {
    const field = field_of(name);
    if (!field) return [];
    return (known[field.name] ?? field.values ?? []).map((value) => ({ text: value, about: field.about }));
  };
  if (previous?.kind === 'operator') return pick(values(left[left.length - 2]?.text ?? ''));
  if (previous?.kind === 'open' || previous?.kind === 'comma') {
    let at = left.length - 1;
    while (at >= 0 && left[at]!.kind !== 'open') at -= 1;
    at -= 1; // in, notin
    const name = is_word(left[at - 1], 'not') ? left[at - 2] : left[at - 1];
    return pick(values(name?.text ?? ''));
  }
  const field = previous?.kind === 'word' ? field_of(previous.text) : undefined;
  const is_name = field && (left.length < 2 || left[left.length - 2]!.kind !== 'operator') && !in_list(left);
  if (is_name) {
    const operators = field.kind === 'word' ? ['=', '!=', 'in [', 'notin ['] : ['>=', '<=', '=', '!=', 'in ['];
    return pick(operators.map((text) => ({ text, about: field.about })));
  }
  return pick(fields.map((one) => ({ text: one.name, about: one.about })));
}

function in_list(tokens: Token[]): boolean {
  for (let at = tokens.length - 1; at >= 0; at -= 1) {
    if (tokens[at]!.kind === 'close') return false;
    if (tokens[at]!.kind === 'open') return true;
  }
  return false;
}

// The text with a completion taken, and where the caret then stands.
export function take(text: string, completion: Completion, option: string): { text: string; caret: number } {
  const is_operator = /^[<>=!]/.test(option) || option.endsWith('[');
  const is_field = field_of(option) !== undefined;
  const needs_blank = option.endsWith('[') && !/\s$/.test(text.slice(0, completion.start));
  const ends = is_operator || is_field ? '' : /^\s/.test(text.slice(completion.end)) ? '' : ' ';
  const inserted = (needs_blank ? ' ' : '') + quoted(option, is_operator) + (in_list(tokens_of(text.slice(0, completion.start))) ? '' : ends);
  return { text: text.slice(0, completion.start) + inserted + text.slice(completion.end), caret: completion.start + inserted.length };
}

// The server writes a missing word as a query does: "".
function quoted(word: string, is_operator: boolean): string {
  if (is_operator || word === '""' || !/[\s,[\]'"<>=!]/.test(word)) return word;
  return word.includes("'") ? `"${word}"` : `'${word}'`;
}

export interface Relaxation {
  field?: string;
  change?: string;
}

// Requirements beside the query that a relaxation may change, by numbers.
const requirement = /^(?:raise|lower) (max price|nodes|gpus|device_share|hours|memory_gb|cpu_cores|disk_gb) to ([\d.]+)$/;

export type Change =
  | { kind: 'query'; text: string }
  | { kind: 'requirement'; field: string; value: string } // the form's name of it; empty: without it
  | { kind: 'none' };

// What a press on "lower gpu_ram to 16.376" does. `query` is the text that found nothing.
export function change_for(query: string, relaxation: Relaxation): Change {
  const change = relaxation.change ?? '';
  const field = relaxation.field ?? '';
  const in_query = field_of(field) && conditions_of(query).some((condition) => condition.field === field);
  const asked = requirement.exec(change);
  if (asked && !(in_query && asked[1] === field)) {
    return { kind: 'requirement', field: asked[1] === 'max price' ? 'max_price_per_hour' : asked[1]!, value: asked[2]! };
  }
  if (field === 'isolation_min') {
    return { kind: 'requirement', field, value: change.replace(/^accept isolation /, '').toUpperCase() };
  }
  if (field === 'network') return { kind: 'requirement', field, value: '' };
  const match = /^(raise|lower|accept|allow) (\S+) (?:to )?(.*)$/.exec(change);
  if (!match || !in_query) return { kind: 'none' };
  const [, verb, name, value] = match as unknown as [string, string, string, string];
  const moved: Record<string, (c: Condition) => string | null> = {
    raise: (c) => (c.operator.startsWith('<') ? `${name}<=${value}` : null),
    lower: (c) => (c.operator.startsWith('>') ? `${name}>=${value}` : null),
    accept: (c) => (c.operator === '=' || c.operator === 'in' ? `${name} in [${[...c.values, quoted(value, false)].join(',')}]` : null),
    allow: (c) => {
      if (c.operator !== '!=' && c.operator !== 'notin') return null;
      const left = c.values.filter((one) => plain(one) !== plain(value));
      if (left.length === c.values.length) return null;
      return left.length === 0 ? '' : `${name} notin [${left.join(',')}]`;
    },
  };
  let text = query;
  for (const condition of conditions_of(query).reverse()) {
    if (condition.field !== name) continue;
    const written = moved[verb]!(condition);
    if (written !== null) text = text.slice(0, condition.start) + written + text.slice(condition.end);
  }
  return { kind: 'query', text: text.replace(/\s+/g, ' ').trim() };
}

const plain = (word: string) => word.replace(/^['"]|['"]$/g, '').toLowerCase().replace(/ /g, '_');

// The query with a facet's value as its only condition of that field; an empty value takes it away.
export function with_condition(query: string, field: string, value: string): string {
  let text = query;
  for (const condition of conditions_of(query).reverse()) {
    if (condition.field === field) text = text.slice(0, condition.start) + text.slice(condition.end);
  }
  text = text.replace(/\s+/g, ' ').trim();
  return value ? `${text} ${field}=${quoted(value, false)}`.trim() : text;
}

export function condition_value(query: string, field: string): string {
  const found = conditions_of(query).find((one) => one.field === field && one.operator === '=');
  return found ? found.values[0]!.replace(/^['"]|['"]$/g, '') : '';
}
