// What happened and who asked for it: a search of the log's events, and the same as a file.
import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState } from 'react';

import { useAudit } from '../api/asks';
import { call, client, type AuditEntry } from '../api/client';
import { audit_asked, audit_wrong, empty_audit, id_wrong, type AuditForm } from '../lib/audit';
import { show_moment } from '../lib/time';
import { Field } from './basics';
import { SaveButton } from './save_button';
import { Empty, View } from './states';
import { Table } from './table';

const about = (entry: AuditEntry) =>
  [entry.node !== '0' && `node ${entry.node}`, entry.order !== '0' && `job ${entry.order}`, entry.lease !== '0' && `lease ${entry.lease}`].filter(Boolean).join(', ') || '–';

const columns: ColumnDef<AuditEntry>[] = [
  { id: 'at', header: 'When', cell: ({ row }) => show_moment(row.original.at), meta: { width: 'minmax(10rem, 1.2fr)' } },
  {
    id: 'kind',
    header: 'What',
    cell: ({ row: { original: entry } }) => (
      <span className="two-lines">
        <strong>{entry.kind.replaceAll('_', ' ')}</strong>
        <small>by {entry.command.replaceAll('_', ' ')}</small>
      </span>
    ),
    meta: { width: 'minmax(9rem, 1.3fr)' },
  },
  { id: 'actor', header: 'Asked by', cell: ({ row }) => (row.original.actor === '0' ? 'the market' : `account ${row.original.actor}`), meta: { width: 'minmax(7rem, 0.8fr)', wide_only: true } },
  { id: 'accounts', header: 'Concerns', cell: ({ row }) => row.original.accounts.join(', ') || '–', meta: { width: 'minmax(6rem, 0.7fr)', wide_only: true } },
  { id: 'about', header: 'Of', cell: ({ row }) => about(row.original), meta: { width: 'minmax(10rem, 1.5fr)', wide_only: true } },
  { id: 'index', header: 'Command', cell: ({ row }) => row.original.index, meta: { width: '6rem', right: true, wide_only: true } },
];

export function Audit() {
  const [form, set_form] = useState<AuditForm>(empty_audit);
  const [asked, set_asked] = useState<AuditForm>(empty_audit);
  const [chosen, set_chosen] = useState<AuditEntry | null>(null);
  const query = useMemo(() => audit_asked(asked), [asked]);
  const found = useAudit(query);
  const set = (name: keyof AuditForm, value: string) => set_form((before) => ({ ...before, [name]: value }));
  const id = (name: 'account' | 'node' | 'order' | 'lease', label: string) => (
    <Field label={label} error={id_wrong(form[name])}>
      {(props) => <input {...props} inputMode="numeric" value={form[name]} onChange={(event) => set(name, event.target.value)} />}
    </Field>
  );
  const moment = (name: 'since' | 'until', label: string) => (
    <Field label={label}>{(props) => <input {...props} type="datetime-local" value={form[name]} onChange={(event) => set(name, event.target.value)} />}</Field>
  );
  return (
    <div className="stack">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          set_chosen(null);
          set_asked(form);
        }}
      >
        <div className="fields three">
          {id('account', 'Account')}
          <Field label="Kind" hint="Of an event or a command: lease_ended, set_policy.">
            {(props) => <input {...props} value={form.kind} onChange={(event) => set('kind', event.target.value)} />}
          </Field>
          {id('node', 'Node')}
          {id('order', 'Job')}
          {id('lease', 'Lease')}
          {moment('since', 'From')}
          {moment('until', 'Until')}
        </div>
        <div className="row">
          <button type="submit" disabled={audit_wrong(form)}>
            Search
          </button>
          <SaveButton label="Save as CSV" file="fallow-audit.csv" type="text/csv" ask={() => call(client.GET('/v1/audit.csv', { params: { query }, parseAs: 'blob' }))} />
          <SaveButton label="Save as JSON lines" file="fallow-audit.ndjson" type="application/x-ndjson" ask={() => call(client.GET('/v1/audit.ndjson', { params: { query }, parseAs: 'blob' }))} />
        </div>
      </form>
      <View of={found} what="what happened">
        {() => (
          <div className={found.isPlaceholderData ? 'stack dimmed' : 'stack'} aria-busy={found.isPlaceholderData}>
            <Table
              label="What happened"
              rows={found.rows ?? []}
              columns={columns}
              row_id={(entry) => `${entry.index}.${entry.ordinal}`}
              open={set_chosen}
              open_label={(entry) => `${entry.kind} of command ${entry.index}`}
              more={found.more}
              empty={found.more.has ? <Empty title="Nothing of the kind among the newest events" /> : <Empty title="Nothing of the kind happened">Events of the newest million commands are kept; older ones stand in the log.</Empty>}
            />
            {found.more.has && (
              <button type="button" className="plain" disabled={found.more.busy} onClick={found.more.fetch}>
                Further back
              </button>
            )}
          </div>
        )}
      </View>
      {chosen && (
        <section className="stack" aria-label={`Event of command ${chosen.index}`}>
          <h3>
            {chosen.kind} of command {chosen.index}
          </h3>
          <pre tabIndex={0}>{JSON.stringify(chosen.event, null, 2)}</pre>
        </section>
      )}
    </div>
  );
}
