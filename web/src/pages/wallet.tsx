// Money: what there is, how it moved, what it may come to, and receipts checked here.
import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState } from 'react';
import { Link, useSearchParams } from 'wouter';

import { useChange, useMarket, useOrders, useTransfers, useWallet } from '../api/asks';
import { call, client, type Session, type Transfer, type Wallet } from '../api/client';
import { useMay } from '../api/may';
import { entries_of, type Entry } from '../lib/ledger';
import { micros_of, parse_money, sum_money } from '../lib/money';
import { show_moment } from '../lib/time';
import { ledger_kinds, transfer_reasons } from '../lib/words';
import { AskButton, Card, Field, Money, Page, Tabs } from '../parts/basics';
import { Budgets } from '../parts/budgets';
import { Invoices } from '../parts/invoices';
import { ReceiptView } from '../parts/receipt_view';
import { Empty, View } from '../parts/states';
import { Table } from '../parts/table';
import { Withdrawals } from '../parts/withdrawals';
import type { Verdict } from '../receipt/verify';

export default function WalletPage({ session }: { session: Session }) {
  const wallet = useWallet();
  const may_pay = useMay()('pay');
  const [address, set_address] = useSearchParams();
  const tabs = [
    { id: 'ledger', name: 'Ledger', body: () => <Ledger wallet={wallet.data} /> },
    ...(session.scopes.includes('RENTER')
      ? [
          { id: 'holds', name: 'Holds', body: () => <Holds /> },
          { id: 'budgets', name: 'Budgets', body: () => <View of={wallet} what="budgets">{(data) => <Budgets wallet={data} />}</View> },
        ]
      : []),
    ...(session.scopes.includes('RENTER') || session.scopes.includes('PROVIDER') ? [{ id: 'payouts', name: 'Payouts', body: () => <Withdrawals /> }] : []),
    { id: 'invoices', name: 'Invoices', body: () => <Invoices session={session} /> },
    { id: 'receipts', name: 'Check a receipt', body: () => <ReceiptDrop /> },
  ];
  return (
    <Page title="Wallet" actions={wallet.data && may_pay && (session.scopes.includes('RENTER') || session.scopes.includes('PROVIDER')) && <Withdraw wallet={wallet.data} />}>
      <View of={wallet} what="the wallet">
        {(data) => (
          <>
            <section className="tiles" aria-label="Balances">
              <Tile name="Available" of={data.available} currency={data.currency} about="for jobs" />
              <Tile name="Held" of={data.held} currency={data.currency} about="set aside for open jobs" />
              {session.scopes.includes('PROVIDER') && <Tile name="Pending" of={data.pending} currency={data.currency} about="earned, released later" />}
              {session.scopes.includes('PROVIDER') && <Tile name="Earned" of={data.earned} currency={data.currency} about="may be paid out" />}
              {data.owed && <Tile name="Owed" of={data.owed} currency={data.currency} about="a deposit was taken back: what comes in pays this first" />}
              <Tile name="Spent in 30 days" of={data.spent_30_days} currency={data.currency} about={data.fee_let_off > 0 ? `lets you off ${(data.fee_let_off * 100).toFixed(0)} % of the fee` : 'charges less refunds'} />
            </section>
          </>
        )}
      </View>
      <Card>
        <Tabs label="Parts of the wallet" tabs={tabs} selected={address.get('tab') ?? 'ledger'} select={(tab) => set_address({ tab }, { replace: true })} />
      </Card>
    </Page>
  );
}

function Tile({ name, of, currency, about }: { name: string; of: string; currency: string; about: string }) {
  return (
    <div className="tile">
      <span>{name}</span>
      <Money of={of || '0'} currency={currency} />
      <small>{about}</small>
    </div>
  );
}

function Withdraw({ wallet }: { wallet: Wallet }) {
  const [amount, set_amount] = useState('');
  const [destination, set_destination] = useState('');
  const change = useChange((body: { amount: string; destination: string }) => call(client.POST('/v1/withdrawals', { body })), ['wallet', 'transfers', 'payouts']);
  return (
      <AskButton label="Pay out" title="Pay out" action="Ask for it" act={() => change.mutateAsync({ amount: amount.trim(), destination: destination.trim() })}>
        <p>Asks the market's operator to pay money out; it leaves your wallet at once and comes back if the rail refuses it.</p>
        <Field label={`Amount, in ${wallet.currency}`} error={amount && (parse_money(amount) ?? 0n) <= 0n ? 'An amount such as 25.00.' : null}>
          {(props) => <input {...props} inputMode="decimal" value={amount} onChange={(event) => set_amount(event.target.value)} />}
        </Field>
        <Field label="Where to" hint="As your operator asks for it: an account number, an address.">
          {(props) => <input {...props} value={destination} onChange={(event) => set_destination(event.target.value)} />}
        </Field>
      </AskButton>
  );
}

function Side({ kind, own }: { kind: Entry['from']; own: boolean }) {
  return <span className={own ? 'side own' : 'side'}>{own ? ledger_kinds[kind] : kind === 'PENDING' ? 'provider' : kind === 'HELD' || kind === 'OWED' ? 'renter' : ledger_kinds[kind]}</span>;
}

// What an entry does to the account as a whole: nothing when both sides are its own.
const effect = (entry: Entry) => (entry.is_own.from === entry.is_own.to ? null : entry.is_own.to ? entry.amount : -entry.amount);

function Ledger({ wallet }: { wallet?: Wallet }) {
  const transfers = useTransfers();
  const market = useMarket();
  const entries = useMemo(() => entries_of(transfers.rows ?? []), [transfers.rows]);
  const columns = useMemo<ColumnDef<Entry>[]>(
    () => [
      {
        id: 'what',
        header: 'What',
        cell: ({ row: { original: entry } }) => (
          <span className="two-lines">
            <strong>{transfer_reasons[entry.reason]}</strong>
            <small>{entry.lease !== '0' && entry.lease !== '' ? <Link href={`/leases/${entry.lease}`}>lease {entry.lease}</Link> : show_moment(entry.at)}</small>
          </span>
        ),
        meta: { width: 'minmax(9rem, 1.6fr)' },
      },
      { id: 'from', header: 'From', cell: ({ row: { original: entry } }) => <Side kind={entry.from} own={entry.is_own.from} />, meta: { width: 'minmax(5.5rem, 1fr)', wide_only: true } },
      { id: 'to', header: 'To', cell: ({ row: { original: entry } }) => <Side kind={entry.to} own={entry.is_own.to} />, meta: { width: 'minmax(5.5rem, 1fr)', wide_only: true } },
      { id: 'amount', header: 'Amount', cell: ({ row }) => <Money of={row.original.amount} />, meta: { width: 'minmax(6rem, 1fr)', right: true } },
      {
        id: 'effect',
        header: 'Of yours',
        cell: ({ row }) => {
          const micros = effect(row.original);
          return micros === null ? <span className="muted">moved within</span> : <Money of={micros} signed />;
        },
        meta: { width: 'minmax(6rem, 1fr)', right: true, wide_only: true },
      },
      { id: 'at', header: 'When', cell: ({ row }) => show_moment(row.original.at), meta: { width: 'minmax(11rem, 1.2fr)', wide_only: true } },
    ],
    [],
  );
  return (
    <View of={transfers} what="the ledger">
      {() => (
        <>
          <Table label={`Ledger, in ${market.data?.currency ?? ''}`} rows={entries} columns={columns} row_id={(entry) => entry.id} more={transfers.more} empty={<Empty title="Nothing has moved yet">A deposit by the market's operator is usually the first entry.</Empty>} />
          {wallet && !transfers.more.has && entries.length > 0 && <Balanced wallet={wallet} transfers={transfers.rows ?? []} />}
        </>
      )}
    </View>
  );
}

// The proof of a double entry: what went into and out of the account's own sides is what stands there.
function Balanced({ wallet, transfers }: { wallet: Wallet; transfers: Transfer[] }) {
  const moved = sum_money(transfers.map((transfer) => transfer.amount));
  const stands = sum_money([wallet.available, wallet.held, wallet.pending, wallet.earned]) - micros_of(wallet.owed);
  if (moved !== stands) return null; // one of the two was read a moment before the other
  return (
    <p className="hint">
      All entries together come to <Money of={moved} currency={wallet.currency} />: just what the balances above hold.
    </p>
  );
}

function Holds() {
  const orders = useOrders(true);
  const market = useMarket();
  return (
    <View of={orders} what="holds">
      {() =>
        (orders.rows ?? []).length === 0 ? (
          <Empty title="Nothing is held">An open job holds its whole budget; what it does not use comes back when it ends.</Empty>
        ) : (
          <ul className="plain-list">
            {(orders.rows ?? []).map((order) => (
              <li key={order.id}>
                <Link href={`/jobs/${order.id}`}>{order.name || `Job ${order.id}`}</Link>
                <span>
                  <Money of={order.held} currency={market.data?.currency} /> held, <Money of={order.charged} /> charged of <Money of={order.budget} />
                </span>
              </li>
            ))}
            {orders.more.has && (
              <li>
                <button type="button" className="plain" onClick={orders.more.fetch} disabled={orders.more.busy}>
                  More
                </button>
              </li>
            )}
          </ul>
        )
      }
    </View>
  );
}

function ReceiptDrop() {
  const market = useMarket();
  const [verdict, set_verdict] = useState<Verdict | null>(null);
  const [trouble, set_trouble] = useState('');
  const [over, set_over] = useState(false);
  const check = async (file: File | undefined) => {
    if (!file) return;
    set_trouble('');
    set_verdict(null);
    try {
      if (file.size > 64 * 1024 * 1024) throw new Error('This file is far larger than a receipt can be.');
      const { verify_receipt } = await import('../receipt/verify');
      set_verdict(await verify_receipt(await file.text()));
    } catch (error) {
      set_trouble(error instanceof Error ? error.message : 'This file cannot be read.');
    }
  };
  return (
    <div className="stack">
      <label
        className={`drop${over ? ' over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          set_over(true);
        }}
        onDragLeave={() => set_over(false)}
        onDrop={(event) => {
          event.preventDefault();
          set_over(false);
          void check(event.dataTransfer.files[0]);
        }}
      >
        <strong>Drop a receipt here, or choose a file</strong>
        <span>It is checked in this browser and is not sent anywhere: signatures, meter records, Merkle root, every amount.</span>
        <input type="file" accept=".json,application/json" onChange={(event) => void check(event.target.files?.[0])} />
      </label>
      {trouble && (
        <div className="state error" role="alert">
          <strong>That is not a receipt</strong>
          <div>{trouble}</div>
        </div>
      )}
      {verdict && <ReceiptView verdict={verdict} market_key={market.data?.public_key} />}
    </div>
  );
}
