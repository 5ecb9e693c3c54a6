// From a template to a firm quote to a running job: by the form, by a job file beside it, or both. The
// quote follows by itself.
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useCallback, useMemo, useState, type ReactNode } from 'react';
import templates from 'virtual:job_templates';
import { Link, useSearchParams } from 'wouter';

import { ask_quote, useClasses, useOrder, useWallet } from '../api/asks';
import { ApiError, type Order, type Schemas } from '../api/client';
import { cannot_again, failed_by_blame, form_again } from '../lib/again';
import { asked_of, cannot_run, empty_form, numbers, with_requirement, wrong, type JobForm, type NumberField } from '../lib/job_form';
import { with_template, type Template } from '../lib/templates';
import { plural } from '../lib/words';
import { Card, Field, Page } from '../parts/basics';
import { Boundary } from '../parts/boundary';
import { InputFolder } from '../parts/input_folder';
import { QueryInput } from '../parts/query_input';
import { NoQuote, QuoteBox, Unanswered, usePlacer } from '../parts/quote_box';
import { Empty, Loading, useDebounced, View } from '../parts/states';

const JobFileEditor = lazy(() => import('../parts/job_file_editor'));

type Set = <Key extends keyof JobForm>(key: Key, value: JobForm[Key]) => void;
// What the market says of a field of what it was asked.
type Said = { field?: string; detail?: string } | null;

export default function NewPage() {
  const [address] = useSearchParams();
  const [again, blame] = [address.get('again'), address.get('blame')];
  if (again && blame) return <Again key={`${again} ${blame}`} order={again} blame={blame} />;
  return <NewJob begins={{ ...empty_form, query: address.get('query') ?? '' }} />;
}

// Tasks of a former job that failed by the fault of `blame`.
function Again({ order: id, blame }: { order: string; blame: string }) {
  const order = useOrder(id);
  return (
    <View of={order} what="the job">
      {(data) => <NewAgain order={data} blame={blame} />}
    </View>
  );
}

function NewAgain({ order: now, blame }: { order: Order; blame: string }) {
  const [order] = useState(now); // what fails meanwhile is not in the form
  const tasks = failed_by_blame(order.tasks).find((group) => group.blame === blame)?.tasks ?? [];
  const cannot = tasks.length === 0 ? 'None of its tasks has failed so.' : cannot_again(order, tasks);
  if (cannot) {
    return (
      <Page title="New job">
        <Empty title={`Job ${order.id} cannot be run again here`}>{cannot}</Empty>
      </Page>
    );
  }
  return (
    <NewJob
      begins={form_again(order, tasks)}
      about={
        <>
          {plural(tasks.length, 'failed task')} of <Link href={`/jobs/${order.id}`}>job {order.id}</Link> again, from the beginning, as a job of {tasks.length === 1 ? 'its' : 'their'} own
          {tasks.length < order.tasks_total && <>: the first lines of the command give each its former <code>$FALLOW_TASK</code></>}.
        </>
      }
    />
  );
}

// `begins`: what the form has at first.
function NewJob({ begins, about }: { begins: JobForm; about?: ReactNode }) {
  const [address, set_address] = useSearchParams();
  const [form, set_form] = useState<JobForm>(begins);
  const [wrong_file, set_wrong_file] = useState<string | null>(null);
  const set = useCallback<Set>((key, value) => set_form((before) => ({ ...before, [key]: value })), []);
  const chosen = templates.find((one) => one.id === form.template);
  const take = (template: Template) => set_form((before) => with_template(template, before, empty_form, chosen));
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
  const with_file = address.get('file') === '1';
  const cannot = wrong_file ?? cannot_run(form);
  const placer = usePlacer();

  return (
    <Page
      title="New job"
      lead="Choose what to run and where. The price is firm: the bill is never above it."
      actions={
        <label className="check">
          <input type="checkbox" checked={with_file} onChange={(event) => set_address((before) => with_param(before, 'file', event.target.checked ? '1' : ''), { replace: true })} /> job file beside it
        </label>
      }
    >
      {about && <p className="hint">{about}</p>}
      <section aria-label="Templates" className="templates">
        {templates.map((template) => (
          <button key={template.id} type="button" className={`template${form.template === template.id ? ' chosen' : ''}`} aria-pressed={form.template === template.id} onClick={() => take(template)}>
            <strong>{template.name}</strong>
            <span>{template.about}</span>
            {template.input && <small>needs {template.input}</small>}
          </button>
        ))}
      </section>
      {chosen && (chosen.more || chosen.input) && (
        <p className="hint" role="status">
          {chosen.input && (
            <>
              It needs the folder <code>{chosen.input}</code> of your machine.{' '}
            </>
          )}
          {chosen.more}
        </p>
      )}
      <div className={with_file ? 'side-by-side with-file' : 'side-by-side'}>
        <div className="stack">
          <What form={form} set={set} set_form={set_form} />
          <Where form={form} set={set} said={problem} />
        </div>
        {with_file && (
          <Card title="As a file" className="file-card">
            <Boundary what="The editor">
              <Suspense fallback={<Loading what="the editor" />}>
                <JobFileEditor form={form} set_form={set_form} set_wrong={set_wrong_file} />
              </Suspense>
            </Boundary>
          </Card>
        )}
        <aside className="stack sticky" aria-label="Price">
          <Card title="The price">
            {placer.unanswered ? (
              <Unanswered placer={placer} body={placer.unanswered} />
            ) : settled === null ? (
              <p className="hint">Something in the form is not right yet.</p>
            ) : quote.error ? (
              <NoQuote
                error={quote.error}
                query={form.query}
                set_query={(value) => set('query', value)}
                set_requirement={(field, value) => set_form((before) => with_requirement(before, field, value))}
                retry={() => void quote.refetch()}
              />
            ) : quote.data ? (
              <QuoteBox quote={quote.data} form={form} wrong={cannot} fresh={!quote.isPlaceholderData && settled === asked} refresh={() => void quote.refetch()} placer={placer} />
            ) : (
              <Loading what="a price" />
            )}
          </Card>
        </aside>
      </div>
    </Page>
  );
}

function with_param(before: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams(before);
  if (value) next.set(name, value);
  else next.delete(name);
  return next;
}

function What({ form, set, set_form }: { form: JobForm; set: Set; set_form: (change: (before: JobForm) => JobForm) => void }) {
  return (
    <Card title="What to run">
      <Field label="Name" hint="For you to find it again.">
        {(props) => <input {...props} value={form.name} maxLength={200} onChange={(event) => set('name', event.target.value)} />}
      </Field>
      {form.words.length > 0 ? (
        <Field label="Command" hint="A list of words, from the job file; it is changed there.">
          {(props) => <textarea {...props} rows={3} readOnly value={form.words.join('\n')} />}
        </Field>
      ) : (
        <Field label="Command" hint={<>A shell script. <code>$FALLOW_TASK</code> is the task's number from 0 on; what it writes to <code>$FALLOW_OUT</code> comes back.</>}>
          {(props) => <textarea {...props} rows={7} spellCheck={false} value={form.command} onChange={(event) => set('command', event.target.value)} />}
        </Field>
      )}
      <InputFolder form={form} set_form={set_form} />
      <details>
        <summary>Environment, setup, image, output</summary>
        {form.settings.length > 0 ? (
          <Field label="Environment" hint="From the job file; it is changed there.">
            {(props) => <textarea {...props} rows={3} readOnly value={form.settings.map(({ name, value }) => `${name}=${value}`).join('\n')} />}
          </Field>
        ) : (
          <Field label="Environment" hint="One NAME=value a line. It is part of the order: no place for lasting secrets." error={wrong(form, 'environment')}>
            {(props) => <textarea {...props} rows={3} spellCheck={false} value={form.environment} onChange={(event) => set('environment', event.target.value)} />}
          </Field>
        )}
        {form.words.length === 0 && (
          <Field label="Setup" hint="Runs before the command, in the same shell; the task fails when a line of it does.">
            {(props) => <textarea {...props} rows={2} spellCheck={false} value={form.setup} onChange={(event) => set('setup', event.target.value)} />}
          </Field>
        )}
        <Field label="Image" hint="OCI image; empty: the node's own /usr.">
          {(props) => <input {...props} value={form.image} spellCheck={false} onChange={(event) => set('image', event.target.value)} />}
        </Field>
        <label className="check">
          <input type="checkbox" checked={form.output} onChange={(event) => set('output', event.target.checked)} /> Keep what it writes to $FALLOW_OUT
        </label>
      </details>
    </Card>
  );
}

function Where({ form, set, said }: { form: JobForm; set: Set; said: Said & { code?: string; column?: number } | null }) {
  const classes = useClasses();
  const wallet = useWallet();
  const query_wrong = said?.code === 'query_invalid';
  const known = useMemo(() => {
    const list = classes.data?.classes ?? [];
    const of = (pick: (index: number) => string) => [...new Set(list.map((_, index) => pick(index)))].filter(Boolean).sort();
    return { gpu_name: of((at) => list[at]!.model), region: of((at) => list[at]!.region) };
  }, [classes.data]);
  const projects = wallet.data?.projects ?? [];
  const text = (field: NumberField, hint?: ReactNode) => (
    <Field label={numbers[field].label} hint={hint} error={wrong(form, field) ?? (said?.field?.replace('requirements.', '') === field && !query_wrong ? (said.detail ?? null) : null)}>
      {(props) => <input {...props} inputMode="decimal" value={form[field]} onChange={(event) => set(field, event.target.value)} />}
    </Field>
  );
  return (
    <Card title="Where">
      <QueryInput label="Which offers will do" value={form.query} set={(value) => set('query', value)} known={known} error={query_wrong ? { column: said!.column, message: said!.detail ?? '' } : null} />
      <div className="fields">
        {text('tasks')}
        {text('hours', 'A task is stopped after them.')}
        {text('gpus')}
        <Field label="Tier" hint={form.deadline_hours ? 'With a deadline the market chooses it.' : undefined}>
          {(props) => (
            <select {...props} value={form.tier} disabled={form.deadline_hours !== ''} onChange={(event) => set('tier', event.target.value as Schemas['Tier'])}>
              <option value="ON_DEMAND">on demand: until it ends</option>
              <option value="RESERVED">reserved: a term, discounted</option>
              <option value="SPOT">spot: a bid, may be preempted</option>
            </select>
          )}
        </Field>
        <Field label={form.tier === 'SPOT' ? 'Bid (task, per hour)' : 'Price at most (task, per hour)'} hint={form.tier === 'SPOT' ? 'You pay the clearing price, never more than this.' : 'Empty: whatever is cheapest.'} error={wrong(form, 'max_price_per_hour')}>
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
        <summary>Gangs, deadline, budget</summary>
        <div className="fields">
          {text('nodes', 'Above 1: a gang, each task on a node of its own, near to each other.')}
          <Field label={numbers.deadline_hours.label} hint="Empty: no deadline. Else the market runs it on spot while that is safe." error={wrong(form, 'deadline_hours')}>
            {(props) => (
              <input
                {...props}
                inputMode="decimal"
                value={form.deadline_hours}
                onChange={(event) => {
                  set('deadline_hours', event.target.value);
                  if (event.target.value) set('tier', 'ON_DEMAND');
                }}
              />
            )}
          </Field>
          {form.deadline_hours !== '' && text('restart_minutes', 'Until new work is done; empty: 5.')}
          <Field label="Project" hint={projects.length > 0 ? 'Whose budget it counts for, too.' : 'None yet: the wallet makes them.'}>
            {(props) => (
              <select {...props} value={form.project} onChange={(event) => set('project', event.target.value)}>
                <option value="">none</option>
                {form.project && !projects.some((one) => one.name === form.project) && <option value={form.project}>{form.project} (unknown)</option>}
                {projects.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.name}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Budget" hint="Set aside at most this; empty: the quote's total." error={wrong(form, 'budget')}>
            {(props) => <input {...props} inputMode="decimal" value={form.budget} onChange={(event) => set('budget', event.target.value)} />}
          </Field>
          {text('attempts_max', "Over all nodes; empty: the market's.")}
        </div>
        <label className="check">
          <input type="checkbox" checked={!form.restart} onChange={(event) => set('restart', !event.target.checked)} /> Do not place a task again that ran, whatever ended it
        </label>
        <label className="check">
          <input type="checkbox" checked={!form.wait} onChange={(event) => set('wait', !event.target.checked)} /> Refuse it when nothing can start now
        </label>
        {Number(form.nodes) > 1 && !wrong(form, 'tasks') && <p className="hint">{plural(Number(form.tasks) / Number(form.nodes), 'gang')} of {form.nodes} tasks.</p>}
      </details>
      <details>
        <summary>Memory, processor, disk, network, sandbox</summary>
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
        </div>
        <label className="check">
          <input type="checkbox" checked={form.network} onChange={(event) => set('network', event.target.checked)} /> Let it out to the internet
        </label>
        {form.network && <div className="fields">{text('egress_gb', 'What it sends is held for and paid by the GB. Empty: only where that costs nothing.')}</div>}
      </details>
    </Card>
  );
}
