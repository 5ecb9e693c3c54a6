// From a template to a firm quote to a running job. The quote follows the form by itself.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';

import { ask_quote, useClasses, useMarket, useWallet, type QuoteAsked } from '../api/asks';
import { ApiError, call, client, new_key, type Known, type Quote, type Schemas } from '../api/client';
import { micros_of, parse_money } from '../lib/money';
import { change_for } from '../lib/query';
import { templates, type Template } from '../lib/templates';
import { show_seconds } from '../lib/time';
import { plural, tiers } from '../lib/words';
import { Card, Facts, Field, Money, Page } from '../parts/basics';
import { QueryInput } from '../parts/query_input';
import { Relaxations } from '../parts/relaxations';
import { ErrorBox, Loading, sentence, useNow } from '../parts/states';
import { device_name, useDebounced } from './market';

interface Form {
  template: string;
  name: string;
  command: string;
  environment: string;
  query: string;
  gpus: string;
  device_share: string;
  hours: string;
  tasks: string;
  tier: Schemas['Tier'];
  objective: Schemas['Objective'];
  workload_class: Schemas['WorkloadClass'];
  max_price_per_hour: string;
  memory_gb: string;
  cpu_cores: string;
  disk_gb: string;
  network: boolean;
  isolation_min: string;
  budget: string;
  output: boolean;
}

const first: Form = {
  template: '', name: '', command: '', environment: '', query: '', gpus: '1', device_share: '1', hours: '1', tasks: '1', tier: 'ON_DEMAND', objective: 'CHEAPEST', workload_class: 'GENERAL',
  max_price_per_hour: '', memory_gb: '', cpu_cores: '', disk_gb: '', network: false, isolation_min: '', budget: '', output: true,
};

const numbers: Partial<Record<keyof Form, { label: string; pattern: RegExp; say: string }>> = {
  gpus: { label: 'Devices a task', pattern: /^[1-9]\d{0,2}$/, say: 'A whole number from 1 on.' },
  device_share: { label: 'Share of each device', pattern: /^(0\.\d{1,3}|1(\.0*)?)$/, say: 'More than 0, at most 1.' },
  hours: { label: 'Hours at most', pattern: /^(\d{1,4}(\.\d+)?|\.\d+)$/, say: 'A number of hours.' },
  tasks: { label: 'Tasks', pattern: /^[1-9]\d{0,5}$/, say: 'A whole number from 1 on.' },
  memory_gb: { label: 'Memory (GB)', pattern: /^(\d{1,5}(\.\d{1,3})?)?$/, say: 'A number of GB.' },
  cpu_cores: { label: 'Processor cores', pattern: /^(\d{1,4}(\.\d{1,3})?)?$/, say: 'A number of cores.' },
  disk_gb: { label: 'Disk (GB)', pattern: /^(\d{1,5}(\.\d{1,3})?)?$/, say: 'A number of GB.' },
};

function wrong(form: Form, field: keyof Form): string | null {
  const rule = numbers[field];
  const value = form[field];
  if (rule && typeof value === 'string' && !rule.pattern.test(value.trim())) return rule.say;
  if ((field === 'max_price_per_hour' || field === 'budget') && form[field] !== '' && parse_money(form[field]) === null) return 'An amount such as 0.40.';
  if (field === 'environment' && form.environment.split('\n').some((line) => line.trim() && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(line.trim()))) return 'One NAME=value a line.';
  return null;
}

// What the form asks a price for; null while something in it is wrong.
function asked_of(form: Form): QuoteAsked | null {
  const checked: (keyof Form)[] = [...(Object.keys(numbers) as (keyof Form)[]), 'max_price_per_hour'];
  if (checked.some((field) => wrong(form, field))) return null;
  const asked: QuoteAsked = { query: form.query, gpus: Number(form.gpus), tasks: Number(form.tasks), hours: Number(form.hours), tier: form.tier, objective: form.objective, workload_class: form.workload_class };
  if (Number(form.device_share) !== 1) asked.device_share = Number(form.device_share);
  if (form.max_price_per_hour) asked.max_price_per_hour = form.max_price_per_hour.trim();
  if (form.memory_gb) asked.memory_gb = Number(form.memory_gb);
  if (form.cpu_cores) asked.cpu_cores = Number(form.cpu_cores);
  if (form.disk_gb) asked.disk_gb = Number(form.disk_gb);
  if (form.network) asked.network = true;
  if (form.isolation_min) asked.isolation_min = form.isolation_min as Schemas['Isolation'];
  return asked;
}

function workload_of(form: Form): Schemas['Workload'] {
  const environment = form.environment.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => {
    const equals = line.indexOf('=');
    return { name: line.slice(0, equals), value: line.slice(equals + 1) };
  });
  return { command: ['sh', '-c', form.command], environment, collect_output: form.output };
}

export default function NewPage() {
  const [address] = useSearchParams();
  const [form, set_form] = useState<Form>({ ...first, query: address.get('query') ?? '' });
  const set = <Key extends keyof Form>(key: Key, value: Form[Key]) => set_form((before) => ({ ...before, [key]: value }));
  const take = (template: Template) =>
    set_form((before) => ({ ...before, template: template.id, name: template.name_of_job, command: template.command, tasks: String(template.tasks ?? 1), hours: template.hours ?? before.hours }));
  const asked = useMemo(() => asked_of(form), [form]);
  const settled = useDebounced(asked, 300);
  const quote = useQuery({
    queryKey: ['quote', settled],
    queryFn: () => ask_quote(settled!),
    enabled: settled !== null,
    retry: false,
    placeholderData: (before) => before,
    // A quote stands for its time only; a fresh one before that is over.
    refetchInterval: (query) => (query.state.data?.expires_at ? Math.max(5_000, Date.parse(query.state.data.expires_at) - Date.now() - 5_000) : false),
  });
  const problem = quote.error instanceof ApiError ? quote.error.problem : null;
  const query_wrong = problem?.code === 'query_invalid';
  const classes = useClasses();
  const known = useMemo(() => {
    const list = classes.data?.classes ?? [];
    const of = (pick: (index: number) => string) => [...new Set(list.map((_, index) => pick(index)))].filter(Boolean).sort();
    return { gpu_name: of((at) => list[at]!.model), region: of((at) => list[at]!.region) };
  }, [classes.data]);

  const text = (field: 'gpus' | 'device_share' | 'hours' | 'tasks' | 'memory_gb' | 'cpu_cores' | 'disk_gb', hint?: string) => (
    <Field label={numbers[field]!.label} hint={hint} error={wrong(form, field) ?? (problem?.field?.replace('requirements.', '') === field && !query_wrong ? problem.detail : null)}>
      {(props) => <input {...props} inputMode="decimal" value={form[field]} onChange={(event) => set(field, event.target.value)} />}
    </Field>
  );

  return (
    <Page title="New job" lead="Choose what to run and where. The price is firm: the bill is never above it.">
      <section aria-label="Templates" className="templates">
        {templates.map((template) => (
          <button key={template.id} type="button" className={`template${form.template === template.id ? ' chosen' : ''}`} aria-pressed={form.template === template.id} onClick={() => take(template)}>
            <strong>{template.name}</strong>
            <span>{template.about}</span>
          </button>
        ))}
      </section>
      <div className="side-by-side">
        <div className="stack">
          <Card title="What to run">
            <Field label="Name" hint="For you to find it again.">
              {(props) => <input {...props} value={form.name} maxLength={200} onChange={(event) => set('name', event.target.value)} />}
            </Field>
            <Field label="Command" hint={<>A shell script. <code>$FALLOW_TASK</code> is the task's number from 0 on; what it writes to <code>$FALLOW_OUT</code> comes back.</>}>
              {(props) => <textarea {...props} rows={7} spellCheck={false} value={form.command} onChange={(event) => set('command', event.target.value)} />}
            </Field>
            <details>
              <summary>Environment and output</summary>
              <Field label="Environment" hint="One NAME=value a line. It is part of the order: no place for lasting secrets." error={wrong(form, 'environment')}>
                {(props) => <textarea {...props} rows={3} spellCheck={false} value={form.environment} onChange={(event) => set('environment', event.target.value)} />}
              </Field>
              <label className="check">
                <input type="checkbox" checked={form.output} onChange={(event) => set('output', event.target.checked)} /> Keep what it writes to $FALLOW_OUT
              </label>
            </details>
          </Card>
          <Card title="Where">
            <QueryInput label="Which offers will do" value={form.query} set={(value) => set('query', value)} known={known} error={query_wrong ? { column: problem!.column, message: problem!.detail ?? '' } : null} />
            <div className="fields">
              {text('tasks')}
              {text('hours', 'A task is stopped after them.')}
              {text('gpus')}
              <Field label="Tier">
                {(props) => (
                  <select {...props} value={form.tier} onChange={(event) => set('tier', event.target.value as Schemas['Tier'])}>
                    <option value="ON_DEMAND">on demand: until it ends</option>
                    <option value="RESERVED">reserved: a term, discounted</option>
                    <option value="SPOT">spot: a bid, may be preempted</option>
                  </select>
                )}
              </Field>
              <Field
                label={form.tier === 'SPOT' ? 'Bid (task, per hour)' : 'Price at most (task, per hour)'}
                hint={form.tier === 'SPOT' ? 'You pay the clearing price, never more than this.' : 'Empty: whatever is cheapest.'}
                error={wrong(form, 'max_price_per_hour') ?? (form.tier === 'SPOT' && !form.max_price_per_hour ? 'A spot lease needs a bid.' : null)}
              >
                {(props) => <input {...props} inputMode="decimal" value={form.max_price_per_hour} onChange={(event) => set('max_price_per_hour', event.target.value)} />}
              </Field>
              <Field label="Take">
                {(props) => (
                  <select {...props} value={form.objective} onChange={(event) => set('objective', event.target.value as Schemas['Objective'])}>
                    <option value="CHEAPEST">the cheapest</option>
                    <option value="FASTEST">the fastest</option>
                    <option value="COST_TO_COMPLETE">the cheapest for its speed</option>
                  </select>
                )}
              </Field>
              {form.objective !== 'CHEAPEST' && (
                <Field label="Most of the time goes into">
                  {(props) => (
                    <select {...props} value={form.workload_class} onChange={(event) => set('workload_class', event.target.value as Schemas['WorkloadClass'])}>
                      <option value="GENERAL">a bit of all</option>
                      <option value="FP32">arithmetic of 32 bits: rendering, simulation</option>
                      <option value="FP16">matrices of 16 bits: training</option>
                      <option value="BANDWIDTH">moving memory: generating text</option>
                    </select>
                  )}
                </Field>
              )}
            </div>
            <details>
              <summary>Memory, processor, disk, network, sandbox, budget</summary>
              <div className="fields">
                {text('device_share', 'Below 1: others may use the rest.')}
                {text('memory_gb', "Empty: the market's default.")}
                {text('cpu_cores')}
                {text('disk_gb')}
                <Field label="Sandbox at least">
                  {(props) => (
                    <select {...props} value={form.isolation_min} onChange={(event) => set('isolation_min', event.target.value)}>
                      <option value="">any</option>
                      {['BUBBLEWRAP', 'RUNC', 'GVISOR', 'MICROVM'].map((one) => (
                        <option key={one} value={one}>
                          {one.toLowerCase()}
                        </option>
                      ))}
                    </select>
                  )}
                </Field>
                <Field label="Budget" hint="Set aside at most this; empty: the quote's total." error={wrong(form, 'budget')}>
                  {(props) => <input {...props} inputMode="decimal" value={form.budget} onChange={(event) => set('budget', event.target.value)} />}
                </Field>
              </div>
              <label className="check">
                <input type="checkbox" checked={form.network} onChange={(event) => set('network', event.target.checked)} /> It needs the network
              </label>
            </details>
          </Card>
        </div>
        <aside className="stack sticky" aria-label="Price">
          <Card title="The price">
            {settled === null ? (
              <p className="hint">Something in the form is not right yet.</p>
            ) : quote.error ? (
              <NoQuote
                error={quote.error}
                query={form.query}
                set_query={(value) => set('query', value)}
                set_requirement={(field, value) => field in first && set(field as 'gpus', value)}
                retry={() => void quote.refetch()}
              />
            ) : quote.data ? (
              <QuoteBox quote={quote.data} form={form} fresh={!quote.isPlaceholderData && settled === asked} refresh={() => void quote.refetch()} />
            ) : (
              <Loading what="a price" />
            )}
          </Card>
        </aside>
      </div>
    </Page>
  );
}

function NoQuote({ error, query, set_query, set_requirement, retry }: { error: unknown; query: string; set_query: (query: string) => void; set_requirement: (field: string, value: string) => void; retry: () => void }) {
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

function QuoteBox({ quote, form, fresh, refresh }: { quote: Quote; form: Form; fresh: boolean; refresh: () => void }) {
  const market = useMarket();
  const wallet = useWallet();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const now = useNow();
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  // One key an attempt at one order: pressing twice, or again after a lost answer, runs it once.
  const attempt = useRef({ body: '', key: '' });
  const currency = market.data?.currency ?? '';
  const left = quote.expires_at ? (Date.parse(quote.expires_at) - now) / 1000 : 0;
  const gone = error instanceof ApiError && error.code === 'quote_gone' ? (error.problem.next_quote as Known<Schemas['QuoteView']> | undefined) : undefined;
  const poor = wallet.data && micros_of(wallet.data.available) < micros_of(quote.total);
  useEffect(() => set_error(null), [quote.id]);

  const run = async (id: string) => {
    set_busy(true);
    set_error(null);
    const body = { quote: id, name: form.name, workload: workload_of(form), budget: form.budget || undefined };
    const text = JSON.stringify(body);
    if (attempt.current.body !== text) attempt.current = { body: text, key: new_key() };
    try {
      const order = await call(client.POST('/v1/orders', { body, headers: { 'Idempotency-Key': attempt.current.key } }));
      void queries.invalidateQueries({ queryKey: ['orders'] });
      void queries.invalidateQueries({ queryKey: ['wallet'] });
      go(`/jobs/${order.id}`);
    } catch (failure) {
      set_error(failure);
    } finally {
      set_busy(false);
    }
  };

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
                <Money of={part.price_per_hour} />
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
          ['Tier', tiers[quote.requirements?.tier ?? 'ON_DEMAND']],
          quote.offers[0] && ['Best offer', `${device_name(quote.offers[0].gpu_name)} on ${quote.offers[0].node_name}`],
          ['Stands for', left > 0 ? show_seconds(Math.floor(left)) : 'it has run out'],
          wallet.data && ['In your wallet', <Money key="wallet" of={wallet.data.available} currency={currency} />],
        ]}
      />
      {poor && <p className="hint wrong">Your wallet does not cover it. The market's operator books deposits.</p>}
      {gone ? (
        <div className="state error" role="alert">
          <strong>The price has changed</strong>
          <div>
            The same order now costs <Money of={gone.total} currency={currency} />.
          </div>
          <button type="button" disabled={busy} onClick={() => void run(gone.id)}>
            Run it for that
          </button>
        </div>
      ) : (
        error !== null && <ErrorBox error={error} />
      )}
      {left <= 0 ? (
        <button type="button" className="plain" onClick={refresh}>
          Ask again
        </button>
      ) : (
        <button type="button" className="big" disabled={busy || !fresh || form.command.trim() === ''} onClick={() => void run(quote.id)}>
          {busy ? 'One moment…' : form.command.trim() === '' ? 'Say what to run' : `Run for at most ${quote.total}`}
        </button>
      )}
    </div>
  );
}
