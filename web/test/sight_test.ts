import { InfiniteQueryObserver, QueryClient } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';

import { pages_in_sight, RowsOfPages, Sight, type ReadPage } from '../src/lib/sight';

interface Page {
  rows: string[];
  next_page_token: string;
}

// A market of 50 rows, ten a page: a token is the row behind which a page begins.
function list_of() {
  const all = Array.from({ length: 50 }, (_, at) => `row ${at}`);
  const asked: string[] = [];
  const sight = new Sight();
  const client = new QueryClient();
  const observer = new InfiniteQueryObserver(client, {
    queryKey: ['rows'] as unknown[],
    ...pages_in_sight<Page>(sight, async (token) => {
      asked.push(token);
      const from = token === '' ? 0 : all.indexOf(token) + 1;
      const rows = all.slice(from, from + 10);
      return { rows, next_page_token: from + 10 < all.length ? rows[rows.length - 1]! : '' };
    }),
  });
  const end = observer.subscribe(() => undefined);
  const merged = new RowsOfPages<Page, string>((page) => page.rows, (row) => row);
  const rows = () => merged.of(observer.getCurrentResult().data!.pages);
  const look = (first: number, last: number, now?: number) => sight.look(observer.getCurrentResult().data!.pages, rows().starts, first, last, now);
  return { all, asked, observer, rows, look, end };
}

const fresh = () => new RowsOfPages<string[], string>((one) => one, (row) => row);

describe('a list in sight', () => {
  it('is read again where one looks, and nowhere else', async () => {
    const { all, asked, observer, rows, look, end } = list_of();
    await observer.refetch();
    for (let page = 1; page < 5; page += 1) await observer.fetchNextPage();
    expect(rows()).toEqual({ rows: all, starts: [0, 10, 20, 30, 40] });
    expect(observer.getCurrentResult().hasNextPage).toBe(false);

    look(22, 35);
    asked.length = 0;
    all.splice(25, 1, 'new');
    await observer.refetch();
    expect(asked).toEqual(['row 19', 'row 29']);
    expect(rows().rows).toEqual(all);
    end();
  });
  it('shows nothing twice when rows have moved, and is right where one comes to', async () => {
    const { all, asked, observer, rows, look, end } = list_of();
    await observer.refetch();
    for (let page = 1; page < 5; page += 1) await observer.fetchNextPage();
    look(0, 5);
    all.splice(3, 0, 'new'); // the last of the first page is now on the second, too
    asked.length = 0;
    await observer.refetch();
    expect(asked).toEqual(['']);
    expect(new Set(rows().rows).size).toBe(rows().rows.length);
    expect(rows().rows.slice(0, 10)).toEqual(all.slice(0, 10));

    expect(look(12, 18, Date.now() + 60_000), 'what was read long ago is read when it is looked at').toBe(true);
    await observer.refetch();
    expect(rows().rows.slice(10, 20)).toEqual(all.slice(10, 20));
    expect(look(13, 19, Date.now() + 60_000), 'the same page').toBe(false);
    end();
  });
  it('has a row that stands on two pages where it was read last', () => {
    const page = (rows: string[], read_at: number): ReadPage<string[]> => ({ page: rows, read_at });
    const rows = (pages: ReadPage<string[]>[]) => fresh().of(pages);
    expect(rows([page(['a', 'b'], 1), page(['b', 'c'], 2)])).toEqual({ rows: ['a', 'b', 'c'], starts: [0, 1] });
    expect(rows([page(['a', 'b'], 2), page(['b', 'c'], 1)])).toEqual({ rows: ['a', 'b', 'c'], starts: [0, 2] });
    expect(rows([])).toEqual({ rows: [], starts: [] });
  });
  it('is the same list, whatever was read before', () => {
    let seed = 7;
    const below = (count: number) => (seed = (seed * 48_271) % 2_147_483_647) % count;
    const page = (): ReadPage<string[]> => ({ page: [...new Set(Array.from({ length: 4 }, () => `row ${below(12)}`))], read_at: below(5) });
    const merged = fresh();
    let pages: ReadPage<string[]>[] = [];
    for (let turn = 0; turn < 2_000; turn += 1) {
      pages = turn % 50 === 49 ? [] : pages.length < 5 ? [...pages, page()] : pages.map((one) => (below(3) === 0 ? page() : one)).slice(0, 2 + below(4));
      expect(merged.of(pages)).toEqual(fresh().of(pages));
    }
  });
});
