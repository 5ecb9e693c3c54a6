// A long list of which only the pages in sight are read again: a reader who has come far down would else have
// everything above read anew each time that something changes.
import type { InfiniteData, QueryFunctionContext } from '@tanstack/react-query';

export interface PageParam {
  at: number; // its place among the pages
  token: string;
}
export interface ReadPage<Page> {
  page: Page;
  read_at: number;
}

const fresh_ms = 2_000;

export class Sight {
  private from = 0;
  private to = 0;

  has = (at: number) => at >= this.from && at <= this.to;

  // Rows `first` to `last` are in sight now. True when a page among theirs should be read again.
  look<Page>(pages: ReadPage<Page>[], starts: number[], first: number, last: number, now = Date.now()): boolean {
    const page_of = (row: number) => Math.max(0, starts.filter((start) => start <= row).length - 1);
    const [from, to] = [page_of(first), page_of(last)];
    const is_same = from === this.from && to === this.to;
    this.from = from;
    this.to = to;
    return !is_same && pages.slice(from, to + 1).some((page) => now - page.read_at > fresh_ms);
  }
}

// Of an infinite query: reads what is in sight or was never read, and keeps the rest as it is. A page's token is of
// the page before it as that was read last.
export const pages_in_sight = <Page extends { next_page_token: string }>(sight: Sight, fetch: (token: string, signal: AbortSignal) => Promise<Page>) => ({
  initialPageParam: { at: 0, token: '' } as PageParam,
  queryFn: async ({ client, queryKey, pageParam, signal }: QueryFunctionContext<unknown[], PageParam>): Promise<ReadPage<Page>> => {
    const kept = client.getQueryData<InfiniteData<ReadPage<Page>>>(queryKey)?.pages[pageParam.at];
    if (kept && !sight.has(pageParam.at)) return kept;
    return { page: await fetch(pageParam.token, signal), read_at: Date.now() };
  },
  getNextPageParam: (last: ReadPage<Page>, pages: ReadPage<Page>[]): PageParam | undefined => (last.page.next_page_token ? { at: pages.length, token: last.page.next_page_token } : undefined),
});

// The pages as one list, and the row that each begins with. What has moved since its page was read may stand on two:
// it counts once, where it was read last.
export function rows_of_pages<Page, Row>(pages: ReadPage<Page>[], rows_of: (page: Page) => Row[], id_of: (row: Row) => string): { rows: Row[]; starts: number[] } {
  const place = new Map<string, number>();
  pages.forEach((one, at) => {
    for (const row of rows_of(one.page)) {
      const other = place.get(id_of(row));
      if (other === undefined || one.read_at > pages[other]!.read_at) place.set(id_of(row), at);
    }
  });
  const rows: Row[] = [];
  const starts: number[] = [];
  pages.forEach((one, at) => {
    starts.push(rows.length);
    for (const row of rows_of(one.page)) if (place.get(id_of(row)) === at) rows.push(row);
  });
  return { rows, starts };
}
