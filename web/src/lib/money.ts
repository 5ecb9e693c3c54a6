// Money: decimal strings as the API has them, BigInt micros in between, never floating point.

export const micros_per_unit = 1_000_000n;

// "12.5" -> 12500000n. Null for anything that is not a decimal number with at most six decimals.
export function parse_money(text: string): bigint | null {
  const match = /^(-?)(\d{1,13})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!match) return null;
  const micros = BigInt(match[2]!) * micros_per_unit + BigInt((match[3] ?? '').padEnd(6, '0'));
  return match[1] ? -micros : micros;
}

// What the server sent is money; an empty string is nothing.
export function micros_of(text: string | undefined): bigint {
  if (!text) return 0n;
  const micros = parse_money(text);
  if (micros === null) throw new Error(`the server sent "${text}" where money belongs`);
  return micros;
}

// 12500000n -> "12.50": at least two decimals, at most six, as the server writes it.
export function format_money(micros: bigint): string {
  const negative = micros < 0n;
  const absolute = negative ? -micros : micros;
  const whole = absolute / micros_per_unit;
  let decimals = (absolute % micros_per_unit).toString().padStart(6, '0');
  while (decimals.length > 2 && decimals.endsWith('0')) decimals = decimals.slice(0, -1);
  return `${negative ? '−' : ''}${whole}.${decimals}`;
}

// With groups of thousands, for people.
export function show_money(micros: bigint): string {
  const [whole, decimals] = format_money(micros).split('.') as [string, string];
  return `${whole.replace(/\B(?=(\d{3})+$)/g, '\u202f')}.${decimals}`;
}

export function sum_money(texts: Iterable<string | undefined>): bigint {
  let sum = 0n;
  for (const text of texts) sum += micros_of(text);
  return sum;
}

// For the axis of a chart only: a picture may round.
export function approximate(text: string | undefined): number | null {
  return text ? Number(micros_of(text)) / 1e6 : null;
}
