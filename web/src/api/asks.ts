// What pages ask the server for: one hook a question, under the keys that api/live.tsx knows.
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';

import { call, client, type Schemas } from './client';

export const useMarket = () => useQuery({ queryKey: ['market'], queryFn: () => call(client.GET('/v1/market')), refetchInterval: 10_000 });

export const useSession = () => useQuery({ queryKey: ['session'], queryFn: () => call(client.GET('/v1/session')), retry: false, staleTime: 60_000 });

export const useClasses = () => useQuery({ queryKey: ['classes'], queryFn: () => call(client.GET('/v1/classes')), refetchInterval: 30_000, staleTime: 10_000 });

export const usePrices = (model: string, region: string) =>
  useQuery({
    queryKey: ['prices', model, region],
    queryFn: () => call(client.GET('/v1/prices', { params: { query: { model, region, page_size: 288 } } })),
    enabled: model !== '',
    refetchInterval: 30_000,
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
  return { ...query, rows, more: { fetch: () => void query.fetchNextPage(), has: query.hasNextPage, busy: query.isFetchingNextPage } };
}

const page_size = 200;

// A first load brings one page of them.
const offers_page_size = 100;

export const useOffers = (query: string, order: string) =>
  usePages(
    ['offers', query, order],
    (page_token) => call(client.GET('/v1/offers', { params: { query: { query, order, page_size: offers_page_size, page_token } } })),
    (page) => page.offers,
    { refetchInterval: 10_000 },
  );

export const useOrders = (open_only: boolean) =>
  usePages(
    ['orders', 'list', open_only],
    (page_token) => call(client.GET('/v1/orders', { params: { query: { open_only, page_size, page_token } } })),
    (page) => page.orders,
  );

export const useOrder = (order: string) => useQuery({ queryKey: ['orders', 'one', order], queryFn: () => call(client.GET('/v1/orders/{order}', { params: { path: { order } } })), refetchInterval: 15_000 });

export const useLeases = (of: { order?: string; node?: string; open_only?: boolean }, enabled = true, size = page_size) =>
  usePages(
    ['leases', 'list', of, size],
    (page_token) => call(client.GET('/v1/leases', { params: { query: { ...of, page_size: size, page_token } } })),
    (page) => page.leases,
    { enabled },
  );

export const useLease = (lease: string) => useQuery({ queryKey: ['leases', 'one', lease], queryFn: () => call(client.GET('/v1/leases/{lease}', { params: { path: { lease } } })), refetchInterval: 15_000 });

export const useWallet = () => useQuery({ queryKey: ['wallet'], queryFn: () => call(client.GET('/v1/wallet')) });

export const useTransfers = (size = page_size) =>
  usePages(
    ['transfers', size],
    (page_token) => call(client.GET('/v1/wallet/transfers', { params: { query: { page_size: size, page_token } } })),
    (page) => page.transfers,
  );

export const useNodes = () =>
  usePages(
    ['nodes', 'list'],
    (page_token) => call(client.GET('/v1/nodes', { params: { query: { page_size, page_token } } })),
    (page) => page.nodes,
    { refetchInterval: 15_000 },
  );

export const useNode = (node: string) => useQuery({ queryKey: ['nodes', 'one', node], queryFn: () => call(client.GET('/v1/nodes/{node}', { params: { path: { node } } })), refetchInterval: 15_000 });

export const useAccounts = () =>
  usePages(
    ['accounts'],
    (page_token) => call(client.GET('/v1/accounts', { params: { query: { page_size, page_token } } })),
    (page) => page.accounts,
  );

export const usePayouts = () =>
  usePages(
    ['payouts'],
    (page_token) => call(client.GET('/v1/payouts', { params: { query: { page_size, page_token } } })),
    (page) => page.payouts,
  );

export const useKeys = () => useQuery({ queryKey: ['keys'], queryFn: () => call(client.GET('/v1/keys')) });

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
