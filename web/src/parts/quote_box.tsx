// A firm price with its parts, and the press that takes it.
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useLocation } from 'wouter';

import { useMarket, useWallet } from '../api/asks';
import { ApiError, call, client, new_key, type Known, type Order, type Quote, type Schemas } from '../api/client';
import { useMay } from '../api/may';
import { order_of, runs_nothing, type JobForm } from '../lib/job_form';
import { micros_of } from '../lib/money';
import { Placing } from '../lib/placing';
import { change_for } from '../lib/query';
import { show_seconds } from '../lib/time';
import { device_name, plural, tiers } from '../lib/words';
import { Facts, Money } from './basics';
import { Relaxations } from './relaxations';
import { ErrorBox, sentence, useNow } from './states';

export function NoQuote({ error, query, set_query, set_requirement, retry }: { error: unknown; query: string; set_query: (query: string) => void; set_requirement: (field: string, value: string) => void; retry: () => void }) {
  const problem = error instanceof ApiError ? error.problem : null;
  if (problem?.code !== 'no_match') return <ErrorBox error={error} retry={retry} />;
  return (
    <div className="state empty">
      <strong>Nothing matches now</strong>
      <p>{sentence(problem.detail ?? '')}</p>
      <Relaxations
        of={problem.relaxations ?? []}
        change={(relaxation) => {
          const change = change_for(query, relaxation);
          if (change.kind === 'query') return () => set_query(change.text);
          if (change.kind === 'requirement') return () => set_requirement(change.field, change.value);
          return undefined;
        }}
      />
    </div>
  );
}

export interface Placer {
  place: (body: Schemas['CreateOrderRequest']) => Promise<void>;
  busy: boolean;
  error: unknown;
  forget: () => void; // the error
  unanswered: Schemas['CreateOrderRequest'] | null;
}

// Places orders and goes to their pages. Held by the page: prices come and go meanwhile.
export function usePlacer(): Placer {
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  const [unanswered, set_unanswered] = useState<Placer['unanswered']>(null);
  const placing = useMemo(() => new Placing<Schemas['CreateOrderRequest'], Order>((body, key) => call(client.POST('/v1/orders', { body, headers: { 'Idempotency-Key': key } })), new_key), []);
  const place = async (body: Schemas['CreateOrderRequest']) => {
    set_busy(true);
    set_error(null);
    try {
      const order = await placing.place(body);
      void queries.invalidateQueries({ queryKey: ['orders'] });
      void queries.invalidateQueries({ queryKey: ['wallet'] });
      go(`/jobs/${order.id}`);
    } catch (failure) {
      set_error(failure);
    } finally {
      set_unanswered(placing.unanswered);
      set_busy(false);
    }
  };
  const forget = useCallback(() => set_error(null), []);
  return { place, busy, error, forget, unanswered };
}

// Instead of prices while an order is without answer: a second one beside it may run the job twice.
export function Unanswered({ placer: { place, busy, error }, body }: { placer: Placer; body: Schemas['CreateOrderRequest'] }) {
  return (
    <div className="stack">
      <div className="state error" role="alert">
        <strong>The market has not said whether it took the order</strong>
        <div>
          {error instanceof Error ? `${sentence(error.message)} ` : ''}Send it again to know: the very same{body.name ? ` ${body.name}` : ' order'} as before, at the price of then, and it runs once however often it is sent.
        </div>
      </div>
      <button type="button" className="big" disabled={busy} onClick={() => void place(body)}>
        {busy ? 'One moment…' : 'Send it again'}
      </button>
    </div>
  );
}

// `wrong`: why the job cannot be run though it has a price.
export function QuoteBox({ quote, form, fresh, wrong, refresh, placer: { place, busy, error, forget } }: { quote: Quote; form: JobForm; fresh: boolean; wrong: string | null; refresh: () => void; placer: Placer }) {
  const market = useMarket();
  const wallet = useWallet();
  const now = useNow();
  const may_run = useMay()('run');
  const currency = market.data?.currency ?? '';
  const left = quote.expires_at ? (Date.parse(quote.expires_at) - now) / 1000 : 0;
  const gone = error instanceof ApiError && error.code === 'quote_gone' ? (error.problem.next_quote as Known<Schemas['QuoteView']> | undefined) : undefined;
  const poor = wallet.data && micros_of(wallet.data.available) < micros_of(quote.total);
  // What was said of one quote does not stand beside the next.
  const shown = useRef(quote.id);
  useEffect(() => {
    if (shown.current !== quote.id) forget();
    shown.current = quote.id;
  }, [quote.id, forget]);
  const run = (id: string) => void place(order_of(form, id));

  return (
    <div className={fresh ? 'stack' : 'stack dimmed'}>
      <p className="total">
        <Money of={quote.total} currency={currency} />
        <small>firm and all-in, for {plural(quote.tasks, 'task')} of {show_seconds(Number(form.hours) * 3600)} at most</small>
      </p>
      <table className="parts">
        <caption className="sr">What it is made of</caption>
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col" className="right">
              a task and hour
            </th>
            <th scope="col" className="right">
              in all
            </th>
          </tr>
        </thead>
        <tbody>
          {quote.parts.map((part) => (
            <tr key={part.name}>
              <th scope="row">{part.name}</th>
              <td className="right">
                {part.price_per_hour && <Money of={part.price_per_hour} />}
              </td>
              <td className="right">
                <Money of={part.total} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Facts
        of={[
          ['Begins', quote.tasks_at_once >= quote.tasks ? (quote.tasks > 1 ? 'all tasks at once' : 'at once') : quote.tasks_at_once === 0 ? 'when a device is free' : `${quote.tasks_at_once} tasks at once, the others as room comes`],
          ['Tier', form.deadline_hours ? `the market's choice, done within ${show_seconds(Number(form.deadline_hours) * 3600)}` : tiers[quote.requirements?.tier ?? 'ON_DEMAND']],
          Number(form.nodes) > 1 && ['Gangs', `${plural(quote.tasks / Number(form.nodes), 'gang')} of ${form.nodes} nodes`],
          form.project !== '' && ['Counts for', `project ${form.project}`],
          quote.offers[0] && ['Best offer', `${device_name(quote.offers[0].gpu_name)} on ${quote.offers[0].node_name}`],
          ['Stands for', left > 0 ? show_seconds(Math.floor(left)) : 'it has run out'],
          wallet.data && ['In your wallet', <Money key="wallet" of={wallet.data.available} currency={currency} />],
        ]}
      />
      {wrong && <p className="hint wrong">{wrong}</p>}
      {poor && <p className="hint wrong">Your wallet does not cover it. The market's operator books deposits.</p>}
      {gone ? (
        <div className="state error" role="alert">
          <strong>The price has changed</strong>
          <div>
            The same order now costs <Money of={gone.total} currency={currency} />.
          </div>
          <button type="button" disabled={busy} onClick={() => run(gone.id)}>
            Run it for that
          </button>
        </div>
      ) : (
        error !== null && <ErrorBox error={error} />
      )}
      {!may_run ? (
        <p className="hint">With your role you may see prices here, and run nothing: an owner or a member does.</p>
      ) : left <= 0 ? (
        <button type="button" className="plain" onClick={refresh}>
          Ask again
        </button>
      ) : (
        <button type="button" className="big" disabled={busy || !fresh || runs_nothing(form) || wrong !== null} onClick={() => run(quote.id)}>
          {busy ? 'One moment…' : runs_nothing(form) ? 'Say what to run' : `Run for at most ${quote.total}`}
        </button>
      )}
    </div>
  );
}
