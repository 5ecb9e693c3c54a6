// The market's rules: read in words, changed by a command.
import { useMemo, useState } from 'react';

import { useChange, useMarket } from '../api/asks';
import { call, client, type Market, type Schemas } from '../api/client';
import { useMay } from '../api/may';
import { discount_forms, discount_words, discounts_of, rule_text, rule_value, rule_words, type DiscountForm } from '../lib/policy';
import { plural, rules, switches, type Rule } from '../lib/words';
import { AskButton, Field } from './basics';
import { ErrorBox, View } from './states';
import { Trial } from './trial';

export function Rules() {
  const market = useMarket();
  return <View of={market} what="the rules">{(data) => <RulesForm key={JSON.stringify(data.policy)} market={data} />}</View>;
}

function RulesForm({ market }: { market: Market }) {
  const policy = market.policy!;
  const may_manage = useMay()('manage');
  const [edited, set_edited] = useState<Record<string, string>>({});
  const change = useChange((body: Schemas['SetPolicyRequest']) => call(client.PUT('/v1/policy', { body })), ['market']);
  const text_of = (rule: Rule) => rule_text(policy[rule.key], rule.unit);
  const value_of = (rule: Rule) => (edited[rule.key] === undefined ? String(policy[rule.key]) : rule_value(edited[rule.key]!, rule.unit));
  const changed = rules.filter((rule) => edited[rule.key] !== undefined && edited[rule.key] !== text_of(rule));
  const turned = switches.filter(({ key }) => edited[key] !== undefined && edited[key] !== String(policy[key] ?? false));
  const laid_down = useMemo(() => discount_forms(policy.volume_discounts), [policy.volume_discounts]);
  const [discounts, set_discounts] = useState(laid_down);
  const wanted = discounts_of(discounts);
  const discounts_differ = JSON.stringify(wanted) !== JSON.stringify(discounts_of(laid_down));
  const count = changed.length + turned.length + (discounts_differ ? 1 : 0);
  const wrong = changed.some((rule) => value_of(rule) === null) || typeof wanted === 'string';
  const attempt = useChange((body: Schemas['StartPolicyTrialRequest']) => call(client.POST('/v1/policy/trial', { body })), ['trial']);
  const edited_policy = () => {
    const next: Record<string, unknown> = { ...policy };
    for (const rule of changed) next[rule.key] = typeof policy[rule.key] === 'number' ? Number(value_of(rule)) : value_of(rule);
    for (const { key } of turned) next[key] = edited[key] === 'true';
    if (discounts_differ) next.volume_discounts = wanted;
    return next as Schemas['Policy'];
  };
  return (
    <div className="stack">
      <p className="hint">Rules decide money, so a change is a command in the log and holds from then on. Running leases keep what was promised to them.</p>
      <div className="fields three">
        {rules.map((rule) => {
          const value = value_of(rule);
          const words = value === null ? '' : rule_words(value, rule);
          return (
            <Field key={rule.key} label={`${rule.name}${rule.unit === 'count' ? '' : ` (${rule.unit})`}`} hint={`${rule.about}${words && ` Now: ${words}.`}`} error={value === null ? 'A plain number.' : null}>
              {(props) => <input {...props} inputMode="decimal" disabled={!may_manage} value={edited[rule.key] ?? text_of(rule)} onChange={(event) => set_edited((before) => ({ ...before, [rule.key]: event.target.value }))} />}
            </Field>
          );
        })}
      </div>
      {switches.map(({ key, name, about }) => (
        <Field key={key} label={name} hint={about}>
          {(props) => (
            <input
              {...props}
              type="checkbox"
              disabled={!may_manage}
              checked={(edited[key] ?? String(policy[key] ?? false)) === 'true'}
              onChange={(event) => set_edited((before) => ({ ...before, [key]: String(event.target.checked) }))}
            />
          )}
        </Field>
      ))}
      <section className="stack" aria-label="Volume discounts">
        <h3>Volume discounts</h3>
        <fieldset className="plain stack" disabled={!may_manage}>
          <DiscountEditor forms={discounts} set={set_discounts} currency={market.currency} />
        </fieldset>
      </section>
      {count > 0 && !wrong && (
        <div className="row">
          <AskButton label={`Lay down ${plural(count, 'change')}`} title="Change the market's rules?" action="Lay them down" act={() => change.mutateAsync({ policy: edited_policy() })}>
            <ul>
              {changed.map((rule) => (
                <li key={rule.key}>
                  {rule.name}: {text_of(rule)} → {edited[rule.key]} {rule.unit === 'count' ? '' : rule.unit}
                </li>
              ))}
              {turned.map(({ key, name }) => (
                <li key={key}>
                  {name}: {edited[key] === 'true' ? 'off → on' : 'on → off'}
                </li>
              ))}
              {discounts_differ && typeof wanted !== 'string' && (
                <li>
                  Volume discounts:{' '}
                  {wanted.length === 0 ? 'none' : wanted.map((discount) => discount_words(discount, market.currency)).join(' ')}
                </li>
              )}
            </ul>
          </AskButton>
          <button type="button" className="plain" disabled={attempt.isPending} onClick={() => attempt.mutate({ policy: edited_policy() })}>
            Try on the last day
          </button>
          <button type="button" className="plain" onClick={() => (set_edited({}), set_discounts(laid_down))}>
            Undo
          </button>
        </div>
      )}
      {attempt.isError && <ErrorBox error={attempt.error} />}
      <Trial />
    </div>
  );
}

function DiscountEditor({ forms, set, currency }: { forms: DiscountForm[]; set: (forms: DiscountForm[]) => void; currency: string }) {
  const wrong = discounts_of(forms);
  const change = (at: number, more: Partial<DiscountForm>) => set(forms.map((form, one) => (one === at ? { ...form, ...more } : form)));
  return (
    <>
      {forms.length === 0 && <p className="hint">None: everybody pays the whole fee.</p>}
      {forms.map((form, at) => (
        <div key={at} className="row">
          <Field label={`Who spent within 30 days, in ${currency}`}>{(props) => <input {...props} inputMode="decimal" value={form.spent} onChange={(event) => change(at, { spent: event.target.value })} />}</Field>
          <Field label="is let off, in % of the fee">{(props) => <input {...props} inputMode="decimal" value={form.percent} onChange={(event) => change(at, { percent: event.target.value })} />}</Field>
          <button type="button" className="plain" aria-label={`Remove the discount from ${form.spent} on`} onClick={() => set(forms.filter((_, one) => one !== at))}>
            Remove
          </button>
        </div>
      ))}
      {typeof wrong === 'string' && (
        <p className="hint wrong" role="alert">
          {wrong}
        </p>
      )}
      <div className="row">
        <button type="button" className="plain" onClick={() => set([...forms, { spent: '', percent: '' }])}>
          Add a discount
        </button>
      </div>
    </>
  );
}
