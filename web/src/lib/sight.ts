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

// The pages as one list, and the row that each begins with. It knows the pages that it was asked of last and looks at the
// others alone: of a hundred thousand rows, a few hundred. What has moved since its page was read may stand on two: it
// counts once, where it was read last.
export class RowsOfPages<Page, Row> {
  private readonly rows_of: (page: Page) => Row[];
  private readonly id_of: (row: Row) => string;
  private pages: ReadPage<Page>[] = [];
  private readonly on = new Map<string, number>(); // the page of a row; of one that stands on several, any of them
  private readonly several = new Map<string, number[]>(); // the pages of such a row

  constructor(rows_of: (page: Page) => Row[], id_of: (row: Row) => string) {
    this.rows_of = rows_of;
    this.id_of = id_of;
  }

  of(pages: ReadPage<Page>[]): { rows: Row[]; starts: number[] } {
    this.pages.forEach((one, at) => one !== pages[at] && this.rows_of(one.page).forEach((row) => this.leave(this.id_of(row), at)));
    pages.forEach((one, at) => one !== this.pages[at] && this.rows_of(one.page).forEach((row) => this.enter(this.id_of(row), at)));
    this.pages = pages;
    const rows: Row[] = [];
    const starts: number[] = [];
    pages.forEach((one, at) => {
      starts.push(rows.length);
      for (const row of this.rows_of(one.page)) if (this.several.size === 0 || this.is_shown(this.id_of(row), at)) rows.push(row);
    });
    return { rows, starts };
  }

  private enter(id: string, at: number) {
    this.put(id, [...new Set([...this.pages_of(id), at])]);
  }

  private leave(id: string, at: number) {
    this.put(
      id,
      this.pages_of(id).filter((one) => one !== at),
    );
  }

  private pages_of(id: string): number[] {
    const one = this.on.get(id);
    return this.several.get(id) ?? (one === undefined ? [] : [one]);
  }

  private put(id: string, pages: number[]) {
    const [one] = pages;
    if (one === undefined) this.on.delete(id);
    else this.on.set(id, one);
    if (pages.length > 1) this.several.set(id, pages);
    else this.several.delete(id);
  }

  private is_shown(id: string, at: number): boolean {
    const read = (page: number) => this.pages[page]!.read_at;
    const rivals = this.several.get(id);
    return !rivals || rivals.every((other) => other === at || read(other) < read(at) || (read(other) === read(at) && other > at));
  }
}
