// A month's bill: on the page, as CSV, and on paper (the sheet's @media print leaves the rest out; every
// browser prints to PDF).
import { useEffect, useMemo } from 'react';
import { Link, useSearchParams } from 'wouter';

import { useMarket, useTransfers } from '../api/asks';
import type { Session } from '../api/client';
import { csv_of, invoice_of, month_of, months_of, net_of, sum_of, this_month, type InvoiceLine } from '../lib/invoice';
import { show_moment } from '../lib/time';
import { Money, save_file } from './basics';
import { Empty, Loading, View } from './states';

const month_name = (month: string) => new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${month}-01T00:00:00Z`));

export function Invoices({ session }: { session: Session }) {
  const [address, set_address] = useSearchParams();
  const month = /^\d{4}-\d{2}$/.test(address.get('month') ?? '') ? address.get('month')! : this_month();
  const transfers = useTransfers(1000);
  const market = useMarket();
  const rows = useMemo(() => transfers.rows ?? [], [transfers.rows]);
  const { more } = transfers;
  // Newest first: the month is whole when an older entry is there, or no more are.
  const whole = !more.has || month_of(rows[rows.length - 1]?.at ?? '9999') < month;
  useEffect(() => {
    if (!whole && !more.busy) more.fetch();
  }, [whole, more]);
  const invoice = useMemo(() => invoice_of(rows, month), [rows, month]);
  const currency = market.data?.currency ?? '';
  const nothing = invoice.spent.length === 0 && invoice.earned.length === 0;
  return (
    <View of={transfers} what="the ledger">
      {() => (
        <div className="stack">
          <div className="row no-print">
            <label className="facet">
              <span>Month (UTC)</span>
              <select value={month} onChange={(event) => set_address({ tab: 'invoices', month: event.target.value }, { replace: true })}>
                {[...new Set([month, ...months_of(rows)])].sort().reverse().map((one) => (
                  <option key={one} value={one}>
                    {month_name(one)}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" className="plain" disabled={!whole || nothing} onClick={() => save_file(`fallow-${invoice.month}.csv`, [csv_of(invoice, currency)], 'text/csv')}>
              Save as CSV
            </button>
            <button type="button" className="plain" disabled={!whole || nothing} onClick={() => window.print()}>
              Print, or save as PDF
            </button>
          </div>
          {!whole ? (
            <Loading what="the whole month" />
          ) : (
            <article className="invoice" aria-label={`Invoice of ${month_name(month)}`}>
              <header>
                <h2>Invoice of {month_name(month)}</h2>
                <p>
                  {market.data?.name} · account {session.account?.id}, {session.account?.name}
                </p>
              </header>
              {nothing && <Empty title="Nothing was charged or earned in this month" />}
              <Lines title="Spent" lines={invoice.spent} currency={currency} with_fee />
              <Lines title="Earned" lines={invoice.earned} currency={currency} />
              {!nothing && <p className="hint">Every lease has a receipt that anybody can check: fallow receipt LEASE. Paid from and into the wallet as it ran; nothing is outstanding.</p>}
            </article>
          )}
        </div>
      )}
    </View>
  );
}

function Lines({ title, lines, currency, with_fee }: { title: string; lines: InvoiceLine[]; currency: string; with_fee?: boolean }) {
  if (lines.length === 0) return null;
  return (
    <table className="parts lines">
      <caption>{title}, in {currency}</caption>
      <thead>
        <tr>
          <th scope="col">Lease</th>
          <th scope="col" className="wide-only">Last entry</th>
          <th scope="col" className="right">Charged</th>
          {with_fee && <th scope="col" className="right wide-only">fee inside</th>}
          <th scope="col" className="right">Refunded</th>
          <th scope="col" className="right">Net</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.lease}>
            <th scope="row">
              <Link href={`/leases/${line.lease}`}>{line.lease}</Link>
            </th>
            <td className="wide-only">{show_moment(line.at)}</td>
            <td className="right"><Money of={line.charged} /></td>
            {with_fee && <td className="right wide-only"><Money of={line.fee} /></td>}
            <td className="right"><Money of={line.refunded} /></td>
            <td className="right"><Money of={net_of(line)} /></td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">In all</th>
          <td className="wide-only" />
          <td className="right"><Money of={sum_of(lines, (line) => line.charged)} /></td>
          {with_fee && <td className="right wide-only"><Money of={sum_of(lines, (line) => line.fee)} /></td>}
          <td className="right"><Money of={sum_of(lines, (line) => line.refunded)} /></td>
          <td className="right"><strong><Money of={sum_of(lines)} currency={currency} /></strong></td>
        </tr>
      </tfoot>
    </table>
  );
}
