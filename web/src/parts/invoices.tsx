// A month's bill: on the page, as CSV, and on paper (the sheet's @media print leaves the rest out; every
// browser prints to PDF).
import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import { Link, useSearchParams } from 'wouter';

import { useInvoice, useMarket } from '../api/asks';
import type { Session } from '../api/client';
import { csv_of, month_asked, months_since, net_of, sum_of, this_month, type InvoiceLine } from '../lib/invoice';
import { plural } from '../lib/words';
import { Money, save_file } from './basics';
import { Empty, View } from './states';

const month_name = (month: string) => new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${month}-01T00:00:00Z`));
// In the zone of the month that the line is in.
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' });
const lines_shown_max = 200;

export function Invoices({ session }: { session: Session }) {
  const [address, set_address] = useSearchParams();
  const month = month_asked(address.get('month')) ?? this_month();
  const asked = useInvoice(month);
  const market = useMarket();
  const currency = market.data?.currency ?? '';
  const nothing = !asked.data || (asked.data.spent.length === 0 && asked.data.earned.length === 0);
  return (
    <div className="stack">
      <div className="row no-print">
        <label className="facet">
          <span>Month (UTC)</span>
          <select value={month} onChange={(event) => set_address({ tab: 'invoices', month: event.target.value }, { replace: true })}>
            {[...new Set([month, ...months_since(session.account?.created_at)])].sort().reverse().map((one) => (
              <option key={one} value={one}>
                {month_name(one)}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="plain" disabled={nothing} onClick={() => save_file(`fallow-${month}.csv`, [csv_of(asked.data!, currency)], 'text/csv')}>
          Save as CSV
        </button>
        <button type="button" className="plain" disabled={nothing} onClick={() => window.print()}>
          Print, or save as PDF
        </button>
      </div>
      <View of={asked} what="the whole month">
        {(invoice) => (
          <article className="invoice" aria-label={`Invoice of ${month_name(month)}`}>
            <header>
              <h2>Invoice of {month_name(month)}</h2>
              <p>
                {market.data?.name} · account {session.account?.id}, {session.account?.name}
              </p>
            </header>
            {nothing && <Empty title="Nothing was charged or earned in this month" />}
            <Lines key={`spent ${month}`} title="Spent" lines={invoice.spent} currency={currency} with_fee />
            <Lines key={`earned ${month}`} title="Earned" lines={invoice.earned} currency={currency} />
            {!nothing && <p className="hint">Every lease has a receipt that anybody can check: fallow receipt LEASE. Paid from and into the wallet as it ran; nothing is outstanding.</p>}
          </article>
        )}
      </View>
    </div>
  );
}

function Lines({ title, lines, currency, with_fee }: { title: string; lines: InvoiceLine[]; currency: string; with_fee?: boolean }) {
  const [all, set_all] = useState(false);
  useEffect(() => {
    const show_all = () => flushSync(() => set_all(true)); // on paper every line stands
    addEventListener('beforeprint', show_all);
    return () => removeEventListener('beforeprint', show_all);
  }, []);
  if (lines.length === 0) return null;
  const shown = all ? lines : lines.slice(0, lines_shown_max);
  return (
    <table className="parts lines">
      <caption>{title}, in {currency}</caption>
      <thead>
        <tr>
          <th scope="col">Lease</th>
          <th scope="col" className="wide-only">Last entry (UTC)</th>
          <th scope="col" className="right">Charged</th>
          {with_fee && <th scope="col" className="right wide-only">fee kept</th>}
          <th scope="col" className="right">Refunded</th>
          <th scope="col" className="right">Net</th>
        </tr>
      </thead>
      <tbody>
        {shown.map((line) => (
          <tr key={line.lease}>
            <th scope="row">
              <Link href={`/leases/${line.lease}`}>{line.lease}</Link>
            </th>
            <td className="wide-only">{moment.format(new Date(line.at))}</td>
            <td className="right"><Money of={line.charged} /></td>
            {with_fee && <td className="right wide-only"><Money of={line.fee} /></td>}
            <td className="right"><Money of={line.refunded} /></td>
            <td className="right"><Money of={net_of(line)} /></td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        {shown.length < lines.length && (
          <tr>
            <td colSpan={with_fee ? 6 : 5}>
              <button type="button" className="link" onClick={() => set_all(true)}>
                {plural(lines.length - shown.length, 'more lease')}
              </button>
            </td>
          </tr>
        )}
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
