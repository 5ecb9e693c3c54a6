// Limits that nest: an order needs room in its project's, the account's and the month's.
import { useState } from 'react';

import { useChange } from '../api/asks';
import { call, client, type Wallet } from '../api/client';
import { useMay } from '../api/may';
import { micros_of, parse_money } from '../lib/money';
import { AskButton, Field, Money } from './basics';

type Change = { month_budget: string } | { total_budget: string; project?: string };
const useBudget = () => useChange((body: Change) => call(client.PUT('/v1/wallet/budget', { body })), ['wallet']);
const amount_error = (amount: string) => (amount && parse_money(amount) === null ? 'An amount such as 50.00.' : null);

export function Budgets({ wallet }: { wallet: Wallet }) {
  const may_pay = useMay()('pay');
  return (
    <div className="stack">
      <p className="hint">An order sets its budget aside in every limit that it is under. One that would pass any of them is refused; what it does not use comes back to all of them.</p>
      <ul className="budgets">
        <Limit key={`month ${wallet.month_budget}`} name="This month" about="of the account, in a calendar month (UTC)" most={wallet.month_budget} used={wallet.month_used} currency={wallet.currency} change_of={(month_budget) => ({ month_budget })} />
        <Limit key={`account ${wallet.total_budget}`} name="Account" about="all that it may ever spend" most={wallet.total_budget} used={wallet.total_used} currency={wallet.currency} change_of={(total_budget) => ({ total_budget })}>
          {wallet.projects.length > 0 && (
            <ul className="budgets">
              {wallet.projects.map((project) => (
                <Limit key={`${project.name} ${project.budget}`} name={project.name} about="project" most={project.budget} used={project.used} currency={wallet.currency} change_of={(total_budget) => ({ total_budget, project: project.name })} />
              ))}
            </ul>
          )}
        </Limit>
      </ul>
      {may_pay && <NewProject currency={wallet.currency} />}
    </div>
  );
}

function Limit({ name, about, most, used, currency, change_of, children }: { name: string; about: string; most: string; used: string; currency: string; change_of: (amount: string) => Change; children?: React.ReactNode }) {
  const [amount, set_amount] = useState(most);
  const change = useBudget();
  const may_pay = useMay()('pay');
  const limit = most ? micros_of(most) : 0n;
  const spent = micros_of(used);
  const share = limit > 0n ? Number((spent * 1000n) / limit) / 10 : 0;
  return (
    <li>
      <div className="budget">
        <span className="two-lines">
          <strong>{name}</strong>
          <small>{about}</small>
        </span>
        <span className="budget-bar">
          {most ? (
            <>
              <span>
                <Money of={spent} /> of <Money of={limit} currency={currency} />
              </span>
              <span className="meter" role="progressbar" aria-label={`${name}: budget used`} aria-valuenow={Math.min(100, Math.round(share))} aria-valuemin={0} aria-valuemax={100}>
                <i className={share > 90 ? 'bad' : 'busy'} style={{ width: `${Math.min(100, share)}%` }} />
              </span>
            </>
          ) : (
            <span>
              <Money of={spent} currency={currency} /> used, no limit
            </span>
          )}
        </span>
        {may_pay && (
          <AskButton label={most ? 'Change' : 'Set a limit'} about={`${most ? 'Change' : 'Set a limit'}: ${name}`} title={`Limit: ${name}`} action="Set it" act={() => change.mutateAsync(change_of(amount.trim()))}>
            <Field label={`At most, in ${currency}`} hint="Empty: no limit. What was accepted already goes on." error={amount_error(amount)}>
              {(props) => <input {...props} inputMode="decimal" value={amount} onChange={(event) => set_amount(event.target.value)} />}
            </Field>
          </AskButton>
        )}
      </div>
      {children}
    </li>
  );
}

function NewProject({ currency }: { currency: string }) {
  const [project, set_project] = useState('');
  const [amount, set_amount] = useState('');
  const change = useBudget();
  return (
    <AskButton label="New project" title="New project" action="Make it" act={() => change.mutateAsync({ total_budget: amount.trim(), project: project.trim() }).then(() => set_project(''))}>
      <Field label="Name" hint="Jobs name it; a job that names an unknown one is refused.">
        {(props) => <input {...props} value={project} maxLength={200} onChange={(event) => set_project(event.target.value)} />}
      </Field>
      <Field label={`At most, in ${currency}`} hint="Of all its jobs together, ever. Empty: no limit." error={amount_error(amount)}>
        {(props) => <input {...props} inputMode="decimal" value={amount} onChange={(event) => set_amount(event.target.value)} />}
      </Field>
    </AskButton>
  );
}
