// A month's bill: on the page, as CSV from the server, and on paper (the sheet's @media print leaves the rest
// out; every browser prints to PDF).
import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import { Link, useSearchParams } from 'wouter';

import { useInvoice, useMarket } from '../api/asks';
import { call, client, type Session, type Statement } from '../api/client';
import { month_asked, months_since, net_of, sum_of, this_month, type InvoiceLine } from '../lib/invoice';
import { micros_of } from '../lib/money';
import { plural, tiers } from '../lib/words';
import { Money } from './basics';
import { SaveButton } from './save_button';
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
        <SaveButton key={month} label="Save as CSV" file={`fallow-${month}.csv`} type="text/csv" ask={() => call(client.GET('/v1/wallet/statement.csv', { params: { query: { month } }, parseAs: 'blob' }))} />
        <button type="button" className="plain" disabled={!asked.data} onClick={() => window.print()}>
          Print, or save as PDF
        </button>
      </div>
      <View of={asked} what="the whole month">
        {({ statement, spent, earned }) => (
          <article className="invoice" aria-label={`Invoice of ${month_name(month)}`}>
            <header>
              <h2>Invoice of {month_name(month)}</h2>
              <p>
                {market.data?.name} · account {session.account?.id}, {session.account?.name}
                {!statement.complete && ' · the month is not over'}
              </p>
            </header>
            <Balance statement={statement} />
            {nothing && <Empty title="Nothing was charged or earned in this month" />}
            <Lines key={`spent ${month}`} title="Spent" lines={spent} currency={statement.currency} as_renter />
            <Lines key={`earned ${month}`} title="Earned" lines={earned} currency={statement.currency} />
            {!nothing && <p className="hint">Every lease has a receipt that anybody can check, once it has ended: fallow receipt LEASE. A line is the part of its lease that fell into this month. Paid from and into the wallet as it ran{statement.closing?.owed ? '.' : '; nothing is outstanding.'}</p>}
            {statement.closing?.owed && (
              <p>
                Outstanding since a deposit was taken back: <Money of={statement.closing.owed} currency={statement.currency} />. The balance is less by that.
              </p>
            )}
          </article>
        )}
      </View>
    </div>
  );
}

// From the month's first moment to its last: the rows come to the balance below them.
function Balance({ statement }: { statement: Statement }) {
  const rows: [string, bigint][] = [
    ['Opening balance', micros_of(statement.opening?.total)],
    ['Deposited', micros_of(statement.deposited)],
    ['Withdrawn', -micros_of(statement.withdrawn)],
    ['Spent', -micros_of(statement.spent)],
    ['Earned', micros_of(statement.earned)],
  ];
  return (
    <table className="parts lines balance">
      <caption>Balance, in {statement.currency}</caption>
      <tbody>
        {rows.map(([name, micros], at) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="right">
              <Money of={micros} signed={at > 0} />
            </td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{statement.complete ? 'Closing balance' : 'Balance so far'}</th>
          <td className="right">
            <Money of={statement.closing?.total} currency={statement.currency} />
          </td>
        </tr>
      </tfoot>
    </table>
  );
}

function Lines({ title, lines, currency, as_renter }: { title: string; lines: InvoiceLine[]; currency: string; as_renter?: boolean }) {
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
          {as_renter && <th scope="col" className="wide-only">Job</th>}
          <th scope="col" className="wide-only">Tier</th>
          <th scope="col" className="wide-only">Last entry (UTC)</th>
          <th scope="col" className="right">Charged</th>
          {as_renter && <th scope="col" className="right wide-only">fee kept</th>}
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
            {as_renter && <td className="wide-only">{line.name}</td>}
            <td className="wide-only">{tiers[line.tier]}</td>
            <td className="wide-only">{moment.format(new Date(line.at))}</td>
            <td className="right"><Money of={line.charged} /></td>
            {as_renter && <td className="right wide-only"><Money of={line.fee} /></td>}
            <td className="right"><Money of={line.refunded} /></td>
            <td className="right"><Money of={net_of(line)} /></td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        {shown.length < lines.length && (
          <tr>
            <td colSpan={as_renter ? 8 : 6}>
              <button type="button" className="link" onClick={() => set_all(true)}>
                {plural(lines.length - shown.length, 'more lease')}
              </button>
            </td>
          </tr>
        )}
        <tr>
          <th scope="row">In all</th>
          {as_renter && <td className="wide-only" />}
          <td className="wide-only" />
          <td className="wide-only" />
          <td className="right"><Money of={sum_of(lines, (line) => line.charged)} /></td>
          {as_renter && <td className="right wide-only"><Money of={sum_of(lines, (line) => line.fee)} /></td>}
          <td className="right"><Money of={sum_of(lines, (line) => line.refunded)} /></td>
          <td className="right"><strong><Money of={sum_of(lines)} currency={currency} /></strong></td>
        </tr>
      </tfoot>
    </table>
  );
}
