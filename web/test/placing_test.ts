import { describe, expect, it } from 'vitest';

import { ApiError, unreachable } from 'fallow';
import { Placing } from '../src/lib/placing';

// A market that carries an order out once a key, and whose answers get lost.
function market_of(answers: (ApiError | null)[]) {
  const orders = new Map<string, string>(); // body, by key
  let keys = 0;
  const placing = new Placing<string, string>(
    async (body, key) => {
      const failure = answers.shift();
      if (!failure || failure.status === 0) orders.set(key, orders.get(key) ?? body);
      if (failure) throw failure;
      return orders.get(key)!;
    },
    () => String((keys += 1)),
  );
  const place = (body: string) => placing.place(body).catch((error: ApiError) => error.code);
  return { placing, orders, place };
}
const problem = (status: number, code: string) => new ApiError({ status, code });

describe('placing an order', () => {
  it('asks again for what was not answered, with whatever quote the page has by then', async () => {
    const { placing, orders, place } = market_of([unreachable(), problem(503, 'busy'), problem(401, 'session_unknown'), problem(429, 'rate_limited')]);
    expect(await place('quote 1')).toBe('unreachable');
    for (const code of ['busy', 'session_unknown', 'rate_limited']) {
      expect(placing.unanswered).toBe('quote 1');
      expect(await place('quote 2')).toBe(code);
    }
    expect(await place('quote 3')).toBe('quote 1');
    expect([...orders.values()]).toEqual(['quote 1']);
    expect(placing.unanswered).toBeNull();
    expect(await place('quote 3')).toBe('quote 3');
    expect(orders.size).toBe(2);
  });
  it('goes on with another after a refusal', async () => {
    const { placing, orders, place } = market_of([problem(409, 'quote_gone'), problem(403, 'scope_missing'), problem(429, 'limit_reached'), unreachable(), problem(429, 'limit_reached')]);
    for (const code of ['quote_gone', 'scope_missing', 'limit_reached']) {
      expect(await place('quote 1')).toBe(code);
      expect(placing.unanswered).toBeNull();
    }
    expect(await place('quote 2')).toBe('unreachable');
    expect(await place('quote 3')).toBe('limit_reached');
    expect(placing.unanswered).toBeNull();
    expect(await place('quote 4')).toBe('quote 4');
    expect([...orders.values()]).toEqual(['quote 2', 'quote 4']);
  });
});
