// The operator's side: health, rules, accounts, payouts, what happened.
import { useQuery } from '@tanstack/react-query';
import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState } from 'react';
import { useSearchParams } from 'wouter';

import { useAccounts, useChange, useMarket, usePayouts } from '../api/asks';
import { ApiError, call, client, unreachable, type Known, type Payout, type Schemas, type Session, type Wallet } from '../api/client';
import { useMay } from '../api/may';
import { parse_metrics, sum_metric } from '../lib/metrics';
import { parse_money } from '../lib/money';
import { is_crowded, queues_of } from '../lib/queues';
import { show_moment } from '../lib/time';
import { AskButton, Badge, Card, Facts, Field, Money, Page, Tabs } from '../parts/basics';
import { Audit } from '../parts/audit';
import { KeyList } from '../parts/keys';
import { NewKeys, type NewKey } from '../parts/new_keys';
import { Regions } from '../parts/regions';
import { Rules } from '../parts/rules';
import { Empty, View } from '../parts/states';
import { Table } from '../parts/table';

export default function OperatorPage({ session }: { session: Session }) {
  const [address, set_address] = useSearchParams();
  return (
    <Page title="Operator">
      <Card>
        <Tabs
          label="Parts of the market"
          selected={address.get('tab') ?? 'health'}
          select={(tab) => set_address({ tab }, { replace: true })}
          tabs={[
            { id: 'health', name: 'Health', body: () => <Health /> },
            { id: 'regions', name: 'Nodes', body: () => <Regions /> },
            { id: 'rules', name: 'Rules', body: () => <Rules /> },
            { id: 'accounts', name: 'Accounts', body: () => <Accounts session={session} /> },
            { id: 'payouts', name: 'Payouts', body: () => <Payouts /> },
            { id: 'log', name: 'Log', body: () => <Audit /> },
          ]}
        />
      </Card>
    </Page>
  );
}

async function fetch_text(path: string): Promise<string> {
  const response = await fetch(path, { credentials: 'same-origin' }).catch(() => {
    throw unreachable();
  });
  const text = await response.text();
  if (!response.ok) throw new ApiError({ code: 'unavailable', status: response.status, detail: text.trim() || `the server answered ${response.status}` });
  return text;
}

function Health() {
  const market = useMarket();
  const metrics = useQuery({ queryKey: ['metrics'], queryFn: () => fetch_text('/metrics'), refetchInterval: 5_000, retry: false });
  const ready = useQuery({ queryKey: ['ready'], queryFn: () => fetch_text('/readyz'), refetchInterval: 5_000, retry: false });
  return (
    <div className="stack">
      <View of={metrics} what="metrics">
        {(text) => {
          const value = parse_metrics(text);
          const at = (name: string) => value.get(`fallow_${name}`) ?? 0;
          const failures = sum_metric(text, 'fallow_http_requests_total', (labels) => labels.includes('status="5xx"'));
          const share = at('quotes_honoured_share');
          const queues = queues_of(value);
          const crowded = queues.filter(is_crowded);
          const lights: [string, boolean, string][] = [
            ['Takes commands', !ready.isError, ready.error instanceof Error ? ready.error.message : 'the log is replayed and its disk takes entries'],
            ['Storage', at('storage_errors') === 0, at('storage_errors') === 0 ? 'no error since the start' : `${at('storage_errors')} errors: free or repair the log's disk`],
            ['Queues', crowded.length === 0, crowded.length === 0 ? 'none is near its end' : `nearly full: ${crowded.map(({ name }) => name).join(', ')}`],
            ['Turned away', at('turned_away') === 0, `${at('turned_away')} callers were told to come back`],
            ['Server failures', failures === 0, `${failures} answers of 500 and above`],
            ['Quotes honoured', share >= 0.999 || at('quotes_honoured') + at('quotes_gone') === 0, `${(share * 100).toFixed(2)} % of those taken in time`],
          ];
          return (
            <>
              <ul className="checks two">
                {lights.map(([name, ok, about]) => (
                  <li key={name} className={ok ? 'ok' : 'wrong'}>
                    <span className="mark-of" role="img" aria-label={ok ? 'well' : 'look at this'}>
                      {ok ? '✓' : '!'}
                    </span>
                    <span>
                      <strong>{name}</strong>
                      <small>{about}</small>
                    </span>
                  </li>
                ))}
              </ul>
              <Facts
                of={[
                  ['Agents connected', `${at('agents_connected')} of ${at('nodes')} nodes`],
                  ['Devices', String(at('devices'))],
                  ['Open leases', String(at('leases_open'))],
                  ['Open orders', `${at('orders_open')}, ${at('orders_waiting')} of them with tasks that wait`],
                  ['Accounts', String(at('accounts'))],
                  ['Requests in flight', `${at('requests_in_flight')}, ${at('streams_open')} streams, ${at('connections')} connections`],
                  ['Artifacts', `${(at('artifact_bytes') / 1e9).toFixed(3)} GB`],
                ]}
              />
              <table className="parts lines">
                <caption>Queues</caption>
                <thead>
                  <tr>
                    <th scope="col">What waits</th>
                    <th scope="col" className="wide-only">for what</th>
                    <th scope="col" className="right">Now</th>
                    <th scope="col" className="right">at most</th>
                  </tr>
                </thead>
                <tbody>
                  {queues.map((queue) => (
                    <tr key={queue.name}>
                      <th scope="row">{queue.name}</th>
                      <td className="wide-only">{queue.about}</td>
                      <td className="right">{is_crowded(queue) ? <Badge tone="warn">{queue.waiting}</Badge> : queue.waiting}</td>
                      <td className="right">{queue.most ?? '–'}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </>
          );
        }}
      </View>
      <View of={market} what="the market">
        {(data) => (
          <Facts
            of={[
              ['Log', `command ${data.last_index}`],
              ["Log's head", <code key="h" className="long">{data.log_head}</code>],
              ['Digest of the state', <code key="d" className="long">{data.digest || 'too large to take here: `fallow audit` computes it'}</code>],
              ["Market's key", <code key="k" className="long">{data.public_key}</code>],
              ["Server's clock", show_moment(data.now)],
            ]}
          />
        )}
      </View>
    </div>
  );
}

type AccountRow = Known<Schemas['AccountView']>;

function Accounts({ session }: { session: Session }) {
  const accounts = useAccounts();
  const market = useMarket();
  const [made, set_made] = useState<NewKey[]>([]);
  const [chosen, set_chosen] = useState<AccountRow | null>(null);
  const may = useMay();
  const may_pay = may('pay');
  const currency = market.data?.currency ?? '';
  const columns = useMemo<ColumnDef<AccountRow>[]>(
    () => [
      {
        id: 'name',
        header: 'Account',
        cell: ({ row }) => (
          <span className="two-lines">
            <strong>{row.original.name || 'without a name'}</strong>
            <small>{row.original.id}</small>
          </span>
        ),
        meta: { width: 'minmax(8rem, 1.5fr)' },
      },
      { id: 'scopes', header: 'May act as', cell: ({ row }) => row.original.scopes.map((scope) => <Badge key={scope} tone="calm">{scope.toLowerCase()}</Badge>), meta: { width: 'minmax(8rem, 1.2fr)', wide_only: true } },
      { id: 'created', header: 'Opened', cell: ({ row }) => show_moment(row.original.created_at), meta: { width: 'minmax(11rem, 1.2fr)', wide_only: true } },
      ...(may_pay ? [{ id: 'deposit', header: '', cell: ({ row }: { row: { original: AccountRow } }) => <Deposit account={row.original} currency={currency} />, meta: { width: '8rem', right: true } }] : []),
    ],
    [currency, may_pay],
  );
  return (
    <div className="stack">
      {(may('manage') || may_pay) && (
        <div className="row">
          {may('manage') && <NewAccount made={(key) => set_made((before) => [...before, key])} />}
          {may_pay && <Reversal />}
        </div>
      )}
      <NewKeys of={made} hint="It is an owner's: it does everything for the account, and makes keys that may less." />
      <View of={accounts} what="accounts">
        {() => <Table label="Accounts" rows={accounts.rows ?? []} columns={columns} row_id={(account) => account.id} open={set_chosen} open_label={(account) => `Keys of ${account.name || account.id}`} more={accounts.more} empty={<Empty title="No account" />} />}
      </View>
      {chosen && (
        <section className="stack" aria-label="Keys of an account">
          <h3>
            Keys of {chosen.name || 'account'} {chosen.id}
          </h3>
          <KeyList session={session} account={chosen.id} />
        </section>
      )}
    </div>
  );
}

function NewAccount({ made }: { made: (key: NewKey) => void }) {
  const [name, set_name] = useState('');
  const [scopes, set_scopes] = useState<Schemas['Scope'][]>(['RENTER']);
  const create = useChange(async () => {
    const answer = await call(client.POST('/v1/accounts', { body: { name, scopes } }));
    const id = answer.account?.id ?? '';
    made({ id, key: answer.api_key, name: `account ${id}`, about: `The first key of ${name || 'an account without a name'}, account ${id}` });
    set_name('');
  }, ['accounts']);
  return (
    <AskButton label="Open an account" title="Open an account" action="Open it" act={() => create.mutateAsync(undefined)}>
      <Field label="Name">{(props) => <input {...props} value={name} maxLength={200} onChange={(event) => set_name(event.target.value)} />}</Field>
      <fieldset className="choice">
        <legend>May act as</legend>
        {(['RENTER', 'PROVIDER', 'OPERATOR'] as const).map((scope) => (
          <label key={scope} className="check">
            <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => set_scopes((before) => (event.target.checked ? [...before, scope] : before.filter((one) => one !== scope)))} /> {scope.toLowerCase()}
          </label>
        ))}
      </fieldset>
    </AskButton>
  );
}

function Deposit({ account, currency }: { account: AccountRow; currency: string }) {
  const [amount, set_amount] = useState('');
  const [reference, set_reference] = useState('');
  const book = useChange((body: { account: string; amount: string; reference: string }) => call(client.POST('/v1/deposits', { body })), ['wallet', 'transfers']);
  return (
    <AskButton label="Deposit" about={`Deposit: ${account.name || 'without a name'}, account ${account.id}`} title={`Book a deposit for ${account.name || `account ${account.id}`}`} action="Book it" act={() => book.mutateAsync({ account: account.id, amount: amount.trim(), reference: reference.trim() })}>
      <Field label={`Amount, in ${currency}`} error={amount && (parse_money(amount) ?? 0n) <= 0n ? 'An amount such as 25.00.' : null}>
        {(props) => <input {...props} inputMode="decimal" value={amount} onChange={(event) => set_amount(event.target.value)} />}
      </Field>
      <Field label="Reference" hint="The rail's own id. The same one is never booked twice.">
        {(props) => <input {...props} value={reference} onChange={(event) => set_reference(event.target.value)} />}
      </Field>
    </AskButton>
  );
}

// What a deposit was booked under names it, and its account.
function Reversal() {
  const [reference, set_reference] = useState('');
  const [wallet, set_wallet] = useState<Wallet | null>(null);
  const book = useChange((body: { reference: string }) => call(client.POST('/v1/deposits/reverse', { body })), ['wallet', 'transfers']);
  const reverse = async () => {
    set_wallet(null);
    set_wallet(await book.mutateAsync({ reference: reference.trim() }));
    set_reference('');
  };
  return (
    <>
      <AskButton label="Reverse a deposit" title="Has the rail taken a deposit back?" action="Book it" danger disabled={reference.trim() === ''} act={reverse}>
        <p>A chargeback, a direct debit that was returned: the account owes the amount at once. Its wallet and earnings pay what they have; if that is not enough, its open orders are stopped.</p>
        <Field label="Reference" hint="That the deposit was booked under.">
          {(props) => <input {...props} value={reference} onChange={(event) => set_reference(event.target.value)} />}
        </Field>
      </AskButton>
      {wallet && (
        <p className="hint" role="status">
          Booked: account {wallet.account} has <Money of={wallet.available} currency={wallet.currency} /> left
          {wallet.owed ? (
            <>
              {' '}
              and owes <Money of={wallet.owed} currency={wallet.currency} />
            </>
          ) : (
            ', and owes nothing'
          )}
          .
        </p>
      )}
    </>
  );
}

const payout_words = ({ id, amount, account }: Payout) => `${amount} of account ${account}, payout ${id}`;

function Payouts() {
  const payouts = usePayouts();
  const market = useMarket();
  const settle = useChange(({ payout, paid, reference }: { payout: string; paid: boolean; reference: string }) => call(client.POST('/v1/payouts/{payout}/settle', { params: { path: { payout } }, body: { paid, reference } as Schemas['SettlePayoutRequest'] })), ['payouts', 'wallet', 'transfers']);
  const [reference, set_reference] = useState('');
  const may_pay = useMay()('pay');
  return (
    <View of={payouts} what="payouts">
      {() =>
        (payouts.rows ?? []).length === 0 ? (
          <Empty title="No payout waits">What people ask to have paid out stands here until it is settled.</Empty>
        ) : (
          <ul className="plain-list">
            {(payouts.rows ?? []).map((payout) => (
              <li key={payout.id}>
                <span>
                  <strong>
                    <Money of={payout.amount} currency={market.data?.currency} />
                  </strong>{' '}
                  to {payout.destination || 'nowhere named'}
                  <br />
                  <span className="muted">
                    account {payout.account}, asked for {show_moment(payout.requested_at)}
                  </span>
                </span>
                {may_pay && (
                  <span className="row">
                    <AskButton label="Paid" about={`Paid: ${payout_words(payout)}`} title="This has been paid?" action="It has been paid" act={() => settle.mutateAsync({ payout: payout.id, paid: true, reference })}>
                      <Field label="Reference" hint="The rail's own id.">{(props) => <input {...props} value={reference} onChange={(event) => set_reference(event.target.value)} />}</Field>
                    </AskButton>
                    <AskButton label="Return" about={`Return: ${payout_words(payout)}`} title="Return the money?" action="Return it" act={() => settle.mutateAsync({ payout: payout.id, paid: false, reference: '' })}>
                      <p>The rail refused it: the money goes back to where it came from.</p>
                    </AskButton>
                  </span>
                )}
              </li>
            ))}
          </ul>
        )
      }
    </View>
  );
}

