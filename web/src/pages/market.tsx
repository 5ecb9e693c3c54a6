// What is offered, at what price; and what a class went for.
import { useQuery } from '@tanstack/react-query';
import type { ColumnDef } from '@tanstack/react-table';
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';

import { ask_quote, useClasses, useMarket, useOffers, usePrices } from '../api/asks';
import { ApiError, type Offer, type Price, type Session } from '../api/client';
import { useMay } from '../api/may';
import { compared_max, counts_of, type Counts } from '../lib/facets';
import { approximate } from '../lib/money';
import { change_for, condition_value, with_condition } from '../lib/query';
import { show_moment } from '../lib/time';
import { class_name, device_name, plural } from '../lib/words';
import { Badge, Card, Money, Page } from '../parts/basics';
import { Boundary } from '../parts/boundary';
import { Chart } from '../parts/chart';
import { Forecast } from '../parts/forecast';
import { QueryInput } from '../parts/query_input';
import { Relaxations } from '../parts/relaxations';
import { Empty, Loading, sentence, useDebounced, useThrottled, View } from '../parts/states';
import { Table } from '../parts/table';

const Compare = lazy(() => import('../parts/compare'));

const id_of = (offer: Offer) => offer.id;
const rent_words = (offer: Offer) => `Rent ${device_name(offer.gpu_name)} on ${offer.node_name}`;

const share = (value: number) => `${(value * 100).toFixed(value >= 0.9995 || value === 0 ? 0 : 1)} %`;

// `compared`: ids of the offers that stand side by side.
function columns_of(currency: string, compared: string[], compare: (offer: Offer) => void): ColumnDef<Offer>[] {
  return [
    { id: 'gpu', header: 'Device', cell: ({ row: { original: offer } }) => <DeviceCell offer={offer} />, meta: { width: 'minmax(9rem, 2fr)', sort: 'gpu_name' } },
    { id: 'price', header: 'Price / h', cell: ({ row }) => <Money of={row.original.price_per_hour} />, meta: { width: 'minmax(5rem, 1fr)', right: true, sort: 'price' } },
    { id: 'ram', header: 'GPU memory', cell: ({ row }) => `${row.original.gpu_ram_gb.toFixed(0)} GB`, meta: { width: 'minmax(6rem, 1fr)', right: true, wide_only: true, sort: 'gpu_ram' } },
    { id: 'region', header: 'Region', cell: ({ row }) => row.original.region || '–', meta: { width: 'minmax(5rem, 1fr)', wide_only: true } },
    { id: 'reliability', header: 'Reliability', cell: ({ row }) => share(row.original.reliability), meta: { width: 'minmax(6rem, 1fr)', right: true, wide_only: true, sort: 'reliability' } },
    { id: 'host', header: 'Host', cell: ({ row }) => `${row.original.cpu_cores} cores, ${row.original.cpu_ram_gb.toFixed(0)} GB`, meta: { width: 'minmax(8rem, 1.3fr)', wide_only: true } },
    { id: 'spot', header: `Spot now`, cell: ({ row }) => (row.original.spot_price_per_hour ? <Money of={row.original.spot_price_per_hour} /> : '–'), meta: { width: 'minmax(5rem, 0.8fr)', right: true, wide_only: true } },
    { id: 'free', header: `Free (${currency})`.replace(/ \(.*/, ''), cell: ({ row }) => <FreeCell offer={row.original} />, meta: { width: 'minmax(5.5rem, 1fr)' } },
    {
      id: 'compare',
      header: 'Compare',
      cell: ({ row: { original: offer } }) => {
        const is_compared = compared.includes(offer.id);
        return <input type="checkbox" aria-label={`Compare ${device_name(offer.gpu_name)} on ${offer.node_name}`} checked={is_compared} disabled={!is_compared && compared.length >= compared_max} onChange={() => compare(offer)} />;
      },
      meta: { width: '5rem', wide_only: true },
    },
  ];
}

function DeviceCell({ offer }: { offer: Offer }) {
  return (
    <span className="two-lines">
      <strong>
        {offer.num_gpus > 1 ? `${offer.num_gpus} × ` : ''}
        {device_name(offer.gpu_name)}
      </strong>
      <small>
        {offer.node_name} · node {offer.node}
      </small>
    </span>
  );
}

function FreeCell({ offer }: { offer: Offer }) {
  if (offer.available) {
    const free = offer.free_thousandths / 1000;
    return <Badge tone="good">{free === offer.num_gpus ? 'free' : `${free} free`}</Badge>;
  }
  return <Badge tone={offer.free_thousandths === 0 ? 'busy' : 'calm'}>{offer.free_thousandths === 0 ? 'leased' : 'away'}</Badge>;
}

export default function MarketPage({ session }: { session: Session }) {
  const [address, set_address] = useSearchParams();
  const [query, set_query] = useState(address.get('query') ?? '');
  const [order, set_order] = useState(address.get('order') ?? '');
  const market = useMarket();
  const classes = useClasses();
  const asked = useDebounced(query, 150);
  const offers = useOffers(asked, order);
  const [, go] = useLocation();
  const currency = market.data?.currency ?? '';
  const [compared, set_compared] = useState<Offer[]>([]);
  const compare = useCallback((offer: Offer) => set_compared((before) => (before.some((one) => one.id === offer.id) ? before.filter((one) => one.id !== offer.id) : [...before, offer])), []);
  const columns = useMemo(() => columns_of(currency, compared.map((one) => one.id), compare), [currency, compared, compare]);
  const is_renter = session.scopes.includes('RENTER');
  const may_rent = useMay()('run') && is_renter;

  useEffect(() => {
    const next = new URLSearchParams();
    if (asked) next.set('query', asked);
    if (order) next.set('order', order);
    set_address(next, { replace: true });
  }, [asked, order, set_address]);

  // Half a query is wrong and has no rows; what the rows before it showed is still there to complete it.
  const [last_rows, set_last_rows] = useState(offers.rows);
  if (offers.rows && offers.rows !== last_rows && offers.rows.length > 0) set_last_rows(offers.rows);
  // Facets and completion go through all of them, so not for each page that comes.
  const seen = useDeferredValue(useThrottled(last_rows, 1_000));
  const known = useMemo(() => known_values(seen ?? [], classes.data?.classes ?? []), [seen, classes.data]);
  const problem = offers.error instanceof ApiError && offers.error.code === 'query_invalid' ? offers.error.problem : null;
  const rows = useMemo(() => offers.rows ?? [], [offers.rows]);
  // As they are now; what the query has left behind, as it was.
  const side_by_side = useMemo(() => compared.map((one) => rows.find((row) => row.id === one.id) ?? one), [compared, rows]);
  const rent = useCallback((offer: Offer) => go(`/new?query=${encodeURIComponent(`node=${offer.node}${offer.device_kind === 'CPU' ? ' device_kind=cpu' : ''}`)}`), [go]);
  const counts = useMemo(() => counts_of(seen ?? []), [seen]);

  return (
    <Page title="Market" lead={market.data && `${plural(market.data.devices_total, 'device')} on ${plural(market.data.nodes_connected, 'connected node')}, ${plural(market.data.leases_open, 'open lease')}`}>
      <Card>
        <QueryInput label="Which offers will do" value={query} set={set_query} known={known} error={problem && { column: problem.column, message: problem.detail ?? '' }} />
        <div className="facets">
          <Facet name="Model" field="gpu_name" values={known.gpu_name ?? []} counts={counts} more={offers.more.has} query={query} set={set_query} show={device_name} />
          <Facet name="Region" field="region" values={known.region ?? []} counts={counts} more={offers.more.has} query={query} set={set_query} />
          <Facet name="Memory" field="gpu_ram" values={known.gpu_ram ?? []} counts={counts} more={offers.more.has} query={query} set={set_query} show={(value) => `at least ${value} GB`} />
          <Facet name="Verified" field="verified" values={['true']} counts={counts} more={offers.more.has} query={query} set={set_query} show={() => 'by proof'} />
        </div>
        {problem && rows.length > 0 && <p className="hint">The list below is of the query before.</p>}
        {(!problem || rows.length > 0) && (
          <View of={problem ? { ...offers, error: null, isError: false } as typeof offers : offers} what="offers">
            {() => (
              <div className={offers.isPlaceholderData ? 'dimmed' : ''}>
                <Table
                  label="Offers"
                  rows={rows}
                  columns={columns}
                  row_id={id_of}
                  order={order}
                  set_order={set_order}
                  more={offers.more}
                  on_sight={offers.look}
                  open={may_rent ? rent : undefined}
                  open_label={rent_words}
                  empty={<NoOffers query={asked} set_query={set_query} is_renter={is_renter} />}
                />
                {rows.length > 0 && (
                  <p className="hint">
                    {rows.length}
                    {offers.more.has ? ' and more' : ''} {rows.length === 1 && !offers.more.has ? 'offer' : 'offers'}.{' '}
                    {may_rent && (
                      <>
                        Press one to rent it, or <Link href={`/new?query=${encodeURIComponent(asked)}`}>rent the best of them</Link>.
                      </>
                    )}
                  </p>
                )}
              </div>
            )}
          </View>
        )}
      </Card>
      {side_by_side.length > 0 && (
        <Boundary what="The comparison">
          <Suspense fallback={<Loading what="the comparison" />}>
            <Compare offers={side_by_side} currency={currency} remove={compare} clear={() => set_compared([])} rent={may_rent ? rent : undefined} />
          </Suspense>
        </Boundary>
      )}
      <Classes of={classes} currency={currency} query={query} />
    </Page>
  );
}

// The values that completion and facets offer: of the offers in sight and of the classes.
function known_values(offers: Offer[], classes: Price[]): Record<string, string[]> {
  const sorted = (values: Iterable<string>) => [...new Set(values)].filter(Boolean).sort();
  const kinds = sorted(offers.map((offer) => offer.device_kind.toLowerCase()));
  const rams = [...new Set(offers.map((offer) => Math.floor(offer.gpu_ram_gb)))].filter((gb) => gb > 0).sort((a, b) => a - b);
  return {
    gpu_name: sorted([...classes.map((one) => one.model), ...offers.map((offer) => offer.gpu_name.toLowerCase().replace(/ /g, '_'))]),
    region: sorted([...classes.map((one) => one.region), ...offers.map((offer) => offer.region)]),
    lan: sorted(offers.map((offer) => offer.lan)),
    rack: sorted(offers.map((offer) => offer.rack)),
    ...(rams.length > 0 ? { gpu_ram: rams.map(String) } : {}),
    device_kind: kinds.length > 1 ? kinds : ['gpu', 'cpu'],
  };
}

// With how many offers in the list have each value; `more`: the list goes on.
function Facet({ name, field, values, counts, more, query, set, show = (value: string) => value }: { name: string; field: string; values: string[]; counts: Counts; more: boolean; query: string; set: (query: string) => void; show?: (value: string) => string }) {
  const shown = (value: string) => {
    const count = counts[field]?.[value] ?? 0;
    return count > 0 ? `${show(value)} (${count}${more ? '+' : ''})` : show(value);
  };
  const chosen = field === 'gpu_ram' ? (/gpu_ram>=([\d.]+)/.exec(query)?.[1] ?? '') : condition_value(query, field);
  const choose = (value: string) => {
    const cleared = with_condition(query, field, '');
    set(field === 'gpu_ram' && value ? `${cleared} gpu_ram>=${value}`.trim() : with_condition(query, field, value));
  };
  return (
    <label className="facet">
      <span>{name}</span>
      <select value={chosen} onChange={(event) => choose(event.target.value)}>
        <option value="">any</option>
        {chosen && !values.includes(chosen) && <option value={chosen}>{shown(chosen)}</option>}
        {values.map((value) => (
          <option key={value} value={value}>
            {shown(value)}
          </option>
        ))}
      </select>
    </label>
  );
}

// Nothing matches: the market itself knows the smallest change that would.
function NoOffers({ query, set_query, is_renter }: { query: string; set_query: (query: string) => void; is_renter: boolean }) {
  const why = useQuery({ queryKey: ['relaxations', query], queryFn: () => ask_quote({ query }), retry: false, enabled: is_renter && query !== '' });
  if (query === '') {
    return (
      <Empty title="Nobody offers a GPU yet">
        Processors are never shown by accident: <button type="button" className="link" onClick={() => set_query('device_kind=any')}>show them, too</button>.
      </Empty>
    );
  }
  // Who rents nothing cannot ask for a price, so has no answer to what would help.
  const problem = why.error instanceof ApiError && why.error.code === 'no_match' ? why.error.problem : null;
  const relaxations = problem?.relaxations ?? [];
  return (
    <Empty title="Nothing matches">
      <p>{problem?.detail ? sentence(problem.detail) : 'No offer meets every condition.'}</p>
      <Relaxations
        of={relaxations}
        change={(relaxation) => {
          const change = change_for(query, relaxation);
          return change.kind === 'query' ? () => set_query(change.text) : undefined;
        }}
      />
      {!why.isFetching && relaxations.length === 0 && (
        <p>
          {problem && 'No single change is enough. '}
          <button type="button" className="link" onClick={() => set_query('')}>Begin anew</button>
        </p>
      )}
    </Empty>
  );
}

// One class, as it went and as it is likely to go.
function Classes({ of, currency, query }: { of: ReturnType<typeof useClasses>; currency: string; query: string }) {
  const [chosen, set_chosen] = useState('');
  const classes = useMemo(() => of.data?.classes ?? [], [of.data]);
  const wanted = condition_value(query, 'gpu_name').toLowerCase().replace(/ /g, '_');
  const region = condition_value(query, 'region').toLowerCase();
  const key = (one: Price) => `${one.model} ${one.region}`;
  const current = classes.find((one) => key(one) === chosen) ?? classes.find((one) => one.model === wanted && (!region || one.region === region)) ?? classes[0];
  return (
    <>
      <Card
        title="What it went for"
        actions={
          classes.length > 0 && (
            <label className="facet">
              <span>Class</span>
              <select value={current ? key(current) : ''} onChange={(event) => set_chosen(event.target.value)}>
                {classes.map((one) => (
                  <option key={key(one)} value={key(one)}>
                    {class_name(one.model, one.region)}
                  </option>
                ))}
              </select>
            </label>
          )
        }
      >
        <View of={of} what="prices">
          {() => (current ? <PriceChart of={current} currency={currency} /> : <Empty title="No prices yet">A class of device has a price index from its first interval on, a few minutes after it is first offered.</Empty>)}
        </View>
      </Card>
      {current && (
        <Card title={`The hours to come: ${class_name(current.model, current.region)}`}>
          <Forecast model={current.model} region={current.region} />
        </Card>
      )}
    </>
  );
}

export function PriceChart({ of, currency }: { of: Price; currency: string }) {
  const prices = usePrices(of.model, of.region);
  const picture = useMemo(() => {
    const rows = [...(prices.data?.prices ?? [])].reverse();
    return {
      rows,
      times: rows.map((row) => Date.parse(row.at ?? '') / 1000),
      series: [
        { name: 'Index', values: rows.map((row) => approximate(row.close)), colour: '--accent' as const },
        { name: 'Paid on average', values: rows.map((row) => approximate(row.mean)), colour: '--second' as const, dashed: true },
        { name: 'In use', values: rows.map((row) => row.use * 100), colour: '--muted' as const, scale: 'share' as const },
      ],
    };
  }, [prices.data]);
  return (
    <View of={prices} what="price history">
      {() => {
        const last = picture.rows[picture.rows.length - 1];
        if (!last) return <Empty title="No interval has ended yet" />;
        return (
          <>
            <p className="figures">
              <span>
                <small>Index now</small>
                <Money of={last.close} currency={`${currency} / h`} />
              </span>
              <span>
                <small>In use</small>
                <b>{share(last.use)}</b>
              </span>
              <span>
                <small>Offered</small>
                <b>{plural(last.devices_offered, 'device')}</b>
              </span>
            </p>
            <Chart times={picture.times} series={picture.series} about={`Price index of ${class_name(of.model, of.region)}: ${last.close} ${currency} an hour at ${show_moment(last.at)}, ${picture.rows.length} intervals shown`} />
          </>
        );
      }}
    </View>
  );
}
