// What pages ask the server for: one hook a question, under the keys that api/live.tsx knows.
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';

import { attempts_of } from '../lib/attempts';
import type { AuditForm } from '../lib/audit';
import { first_day } from '../lib/earnings';
import { evidence_of } from '../lib/evidence';
import { hour_of } from '../lib/forecast';
import { adds_up, invoice_of } from '../lib/invoice';
import { pages_in_sight, RowsOfPages, Sight } from '../lib/sight';
import { acting_for } from './acting';
import { call, client, own, type Earnings, type Forecast, type Known, type Lease, type Offer, type Schemas, type Statement } from './client';

export const useMarket = () => useQuery({ queryKey: ['market'], queryFn: () => call(client.GET('/v1/market')), refetchInterval: 10_000 });

export const useSession = () => useQuery({ queryKey: ['session'], queryFn: () => call(client.GET('/v1/session')), retry: false, staleTime: 60_000 });

// The signed-in account's own, for whomever the page acts.
export const useOwnSession = () => useQuery({ queryKey: acting_for ? ['session', 'own'] : ['session'], queryFn: () => call(own.GET('/v1/session')), retry: false, staleTime: 60_000 });

export const useClasses = () => useQuery({ queryKey: ['classes'], queryFn: () => call(client.GET('/v1/classes')), refetchInterval: 30_000, staleTime: 10_000 });

export const usePrices = (model: string, region: string) =>
  useQuery({
    queryKey: ['prices', model, region],
    queryFn: () => call(client.GET('/v1/prices', { params: { query: { model, region, page_size: 288 } } })),
    enabled: model !== '',
    refetchInterval: 30_000,
  });

const week_hours = 168;
const hour_ms = 3_600_000;
const forecast_lag_ms = 5_000; // clocks differ

// Of one class, the present hour first; none while too little is known of it. A page may be empty and go on.
export const useForecast = (model: string, region: string) =>
  useQuery({
    queryKey: ['forecast', model, region],
    queryFn: async ({ signal }) => {
      const rows: Forecast[] = [];
      for (let page_token = ''; ; ) {
        const page = await call(client.GET('/v1/forecast', { params: { query: { model, region, hours: week_hours, page_size: sum_page_size, page_token } }, signal }));
        rows.push(...page.hours.filter((row) => row.region === region));
        page_token = page.next_page_token;
        if (!page_token) return { hours: rows.map(hour_of), days_known: rows[0]?.days_known ?? 0 };
      }
    },
    staleTime: 60_000,
    refetchInterval: () => Math.min(300_000, forecast_lag_ms + hour_ms - (Date.now() % hour_ms)), // it moves with the hour
  });

// Pages of a list as one list. `rows` of the pages so far, and how to get more of them.
interface ListPage {
  next_page_token: string;
}
function usePages<Page extends ListPage, Row>(key: unknown[], fetch: (page_token: string) => Promise<Page>, rows_of: (page: Page) => Row[], options: { enabled?: boolean; refetchInterval?: number } = {}) {
  const query = useInfiniteQuery({
    queryKey: key,
    initialPageParam: '',
    queryFn: ({ pageParam }) => fetch(pageParam),
    getNextPageParam: (last) => last.next_page_token || undefined,
    placeholderData: keepPreviousData,
    ...options,
  });
  // The same array as long as the answers are the same: what is made of it is not made anew.
  const rows = useMemo(() => query.data?.pages.flatMap(rows_of), [query.data]);
  return { ...query, rows, more: { fetch: () => void query.fetchNextPage(), has: query.hasNextPage, busy: query.isFetchingNextPage, failed: query.isError } };
}

const page_size = 200;

// A first load brings one page of them.
const offers_page_size = 100;

export function useOffers(query: string, order: string) {
  const [sight] = useState(() => new Sight());
  const [merged] = useState(() => new RowsOfPages<Known<Schemas['ListOffersResponse']>, Offer>((page) => page.offers, (offer) => offer.id));
  const asked = useInfiniteQuery({
    queryKey: ['offers', query, order],
    ...pages_in_sight(sight, (page_token, signal) => call(client.GET('/v1/offers', { params: { query: { query, order, page_size: offers_page_size, page_token } }, signal }))),
    placeholderData: keepPreviousData,
    refetchInterval: 10_000,
  });
  const pages = asked.data?.pages;
  const list = useMemo(() => pages && merged.of(pages), [merged, pages]);
  const { refetch } = asked;
  // The table shows these rows now.
  const look = useCallback(
    (first: number, last: number) => {
      if (pages && list && sight.look(pages, list.starts, first, last)) void refetch({ cancelRefetch: false });
    },
    [sight, pages, list, refetch],
  );
  return { ...asked, rows: list?.rows, look, more: { fetch: () => void asked.fetchNextPage(), has: asked.hasNextPage, busy: asked.isFetchingNextPage, failed: asked.isError } };
}

export const useOrders = (open_only: boolean) =>
  usePages(
    ['orders', 'list', open_only],
    (page_token) => call(client.GET('/v1/orders', { params: { query: { open_only, page_size, page_token } } })),
    (page) => page.orders,
  );

export const useOrder = (order: string) => useQuery({ queryKey: ['orders', 'one', order], queryFn: () => call(client.GET('/v1/orders/{order}', { params: { path: { order } } })), refetchInterval: 15_000 });

// What so many hours more of it would cost; nothing is asked before there are some.
export const useExtension = (order: string, hours: string) =>
  useQuery({
    queryKey: ['extension', order, hours],
    queryFn: () => call(client.GET('/v1/orders/{order}/extension', { params: { path: { order }, query: { hours: Number(hours) } } })),
    enabled: hours !== '',
    retry: false,
  });

// A page of an order's tasks that its view does not list. Another page's are not shown in its place.
export const useTasks = (order: string, first: number, page_size: number, enabled: boolean) =>
  useQuery({
    queryKey: ['orders', 'tasks', order, first],
    queryFn: () => call(client.GET('/v1/orders/{order}/tasks', { params: { path: { order }, query: { first, page_size } } })),
    enabled,
  });

export const useLeases = (of: { order?: string; node?: string; open_only?: boolean }) =>
  usePages(
    ['leases', 'list', of],
    (page_token) => call(client.GET('/v1/leases', { params: { query: { ...of, page_size, page_token } } })),
    (page) => page.leases,
  );

export const useLease = (lease: string) => useQuery({ queryKey: ['leases', 'one', lease], queryFn: () => call(client.GET('/v1/leases/{lease}', { params: { path: { lease } } })), refetchInterval: 15_000 });

export const useWallet = () => useQuery({ queryKey: ['wallet'], queryFn: () => call(client.GET('/v1/wallet')) });

export const useTransfers = () =>
  usePages(
    ['transfers'],
    (page_token) => call(client.GET('/v1/wallet/transfers', { params: { query: { page_size, page_token } } })),
    (page) => page.transfers,
  );

// What is summed over thousands of entries stands under keys of its own: the events of a running job come
// many a second, and each would have all of it read anew.
const sums_refetch_ms = 30_000;
const sum_page_size = 1000;

async function earnings_pages(by: 'EARNINGS_BY_DAY' | 'EARNINGS_BY_DEVICE', signal: AbortSignal): Promise<Earnings[]> {
  const since = first_day(new Date());
  const rows: Earnings[] = [];
  for (let page_token = ''; ; ) {
    const page = await call(client.GET('/v1/wallet/earnings', { params: { query: { by, since, page_size: sum_page_size, page_token } }, signal }));
    rows.push(...page.earnings);
    page_token = page.next_page_token;
    if (!page_token) return rows;
  }
}

// Of the days that the page shows, all of them.
export const useEarningDays = () => useQuery({ queryKey: ['earnings', 'days'], queryFn: ({ signal }) => earnings_pages('EARNINGS_BY_DAY', signal), refetchInterval: sums_refetch_ms });
export const useEarningDevices = () => useQuery({ queryKey: ['earnings', 'devices'], queryFn: ({ signal }) => earnings_pages('EARNINGS_BY_DEVICE', signal), refetchInterval: sums_refetch_ms });

async function statement_pages(month: string, signal: AbortSignal): Promise<Statement[]> {
  const pages: Statement[] = [];
  for (let page_token = ''; ; ) {
    const page = await call(client.GET('/v1/wallet/statement', { params: { query: { month, page_size: sum_page_size, page_token } }, signal }));
    pages.push(page);
    page_token = page.next_page_token;
    if (!page_token) return pages;
  }
}

// A month's bill, whole or not at all; read again where entries came between its pages. What was read after the
// log had passed the month does not change.
export const useInvoice = (month: string) =>
  useQuery({
    queryKey: ['invoice', month],
    queryFn: async ({ signal }) => {
      for (let tries = 1; ; tries++) {
        const invoice = invoice_of(await statement_pages(month, signal));
        if (adds_up(invoice) || tries === 5) return invoice;
      }
    },
    staleTime: (query) => (query.state.data?.statement.complete ? Infinity : sums_refetch_ms),
  });

// The operator's latest trial of rules; asked again as long as it runs.
const trial_refetch_ms = 1_000;
export const useTrial = () =>
  useQuery({
    queryKey: ['trial'],
    queryFn: () => call(client.GET('/v1/policy/trial')),
    refetchInterval: (query) => (query.state.data?.state === 'TRIAL_RUNNING' ? trial_refetch_ms : false),
  });

const leases_read_max = 5_000;

// The newest first, up to a number; `whole`: these are all.
async function all_leases(of: { node?: string; order?: string }, signal: AbortSignal): Promise<{ leases: Lease[]; whole: boolean }> {
  const leases: Lease[] = [];
  for (let page_token = ''; ; ) {
    const page = await call(client.GET('/v1/leases', { params: { query: { ...of, page_size: sum_page_size, page_token } }, signal }));
    leases.push(...page.leases);
    page_token = page.next_page_token;
    if (!page_token || leases.length >= leases_read_max) return { leases, whole: !page_token };
  }
}

// What a node's reliability is made of; `whole`: of all of its leases.
export const useEvidence = (node: string, weighed?: { provider: string }) =>
  useQuery({
    queryKey: ['evidence', node, weighed?.provider],
    queryFn: async ({ signal }) => {
      const { leases, whole } = await all_leases({ node }, signal);
      return { ...evidence_of(leases, weighed), whole };
    },
    staleTime: sums_refetch_ms,
    refetchInterval: sums_refetch_ms,
  });

// A task's leases, one an attempt. No event has it read anew, for others of a job with many tasks come all the time: who
// shows it asks again when the task's own do.
export const useAttempts = (order: string, task: number) =>
  useQuery({
    queryKey: ['attempts', order],
    queryFn: ({ signal }) => all_leases({ order }, signal),
    select: ({ leases }) => attempts_of(leases, task),
    refetchInterval: sums_refetch_ms,
  });

export const useNodes = () =>
  usePages(
    ['nodes', 'list'],
    (page_token) => call(client.GET('/v1/nodes', { params: { query: { page_size, page_token } } })),
    (page) => page.nodes,
    { refetchInterval: 15_000 },
  );

export const useOwnerNotes = (node: string) =>
  usePages(
    ['nodes', 'owner', node],
    (page_token) => call(client.GET('/v1/nodes/{node}/owner', { params: { path: { node }, query: { page_size, page_token } } })),
    (page) => page.notes,
    { refetchInterval: 15_000 },
  );

export const useRegions = () => useQuery({ queryKey: ['nodes', 'regions'], queryFn: () => call(client.GET('/v1/regions')), refetchInterval: 15_000 });

export const useNode = (node: string) => useQuery({ queryKey: ['nodes', 'one', node], queryFn: () => call(client.GET('/v1/nodes/{node}', { params: { path: { node } } })), refetchInterval: 15_000 });

export const useAccounts = () =>
  usePages(
    ['accounts'],
    (page_token) => call(client.GET('/v1/accounts', { params: { query: { page_size, page_token } } })),
    (page) => page.accounts,
  );

// The account's own, whatever became of them; usePayouts() has those of all that are open.
export const useWithdrawals = () =>
  usePages(
    ['payouts', 'own'],
    (page_token) => call(client.GET('/v1/withdrawals', { params: { query: { page_size, page_token } } })),
    (page) => page.payouts,
    { refetchInterval: sums_refetch_ms }, // that one was paid is an event of the operator's alone
  );

export const usePayouts = () =>
  usePages(
    ['payouts', 'open'],
    (page_token) => call(client.GET('/v1/payouts', { params: { query: { page_size, page_token } } })),
    (page) => page.payouts,
  );

// Where the signed-in account is a member, or invited. Who acts for a team hears its events alone, so they are asked for now and then.
const teams_refetch_ms = 60_000;
export const useTeams = () => useQuery({ queryKey: ['teams'], queryFn: () => call(own.GET('/v1/teams')), staleTime: 10_000, refetchInterval: teams_refetch_ms });

export const useMembers = () => useQuery({ queryKey: ['members'], queryFn: () => call(client.GET('/v1/members')) });

// As it was when the search was made: further pages go on from there.
export const useAudit = (asked: Partial<AuditForm>) =>
  usePages(
    ['audit', asked],
    (page_token) => call(client.GET('/v1/audit', { params: { query: { ...asked, page_size, page_token } } })),
    (page) => page.entries,
  );

// Empty: the signed-in account's own.
export const useKeys = (account: string) => useQuery({ queryKey: ['keys', account], queryFn: () => call(client.GET('/v1/keys', { params: { query: account ? { account } : {} } })) });

export type QuoteAsked = Schemas['CreateQuoteRequest'];
export const ask_quote = (body: QuoteAsked) => call(client.POST('/v1/quotes', { body }));

// A change; afterwards what it touches is looked at again.
export function useChange<Input, Output>(change: (input: Input) => Promise<Output>, touches: string[]) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () => {
      for (const key of touches) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
}
