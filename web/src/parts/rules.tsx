// The market's rules: read in words, changed by a command.
import { useState } from 'react';

import { useChange, useMarket } from '../api/asks';
import { call, client, type Market, type Schemas } from '../api/client';
import { useMay } from '../api/may';
import { discount_words, rule_text, rule_value, rule_words } from '../lib/policy';
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
  const count = changed.length + turned.length;
  const wrong = changed.some((rule) => value_of(rule) === null);
  const attempt = useChange((body: Schemas['StartPolicyTrialRequest']) => call(client.POST('/v1/policy/trial', { body })), ['trial']);
  const edited_policy = () => {
    const next: Record<string, unknown> = { ...policy };
    for (const rule of changed) next[rule.key] = typeof policy[rule.key] === 'number' ? Number(value_of(rule)) : value_of(rule);
    for (const { key } of turned) next[key] = edited[key] === 'true';
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
        {policy.volume_discounts.length === 0 ? (
          <p className="hint">None: everybody pays the whole fee.</p>
        ) : (
          <ul className="plain-list">
            {policy.volume_discounts.map((discount) => (
              <li key={String(discount.spent_micros_min)}>{discount_words(discount, market.currency)}</li>
            ))}
          </ul>
        )}
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
            </ul>
          </AskButton>
          <button type="button" className="plain" disabled={attempt.isPending} onClick={() => attempt.mutate({ policy: edited_policy() })}>
            Try on the last day
          </button>
          <button type="button" className="plain" onClick={() => set_edited({})}>
            Undo
          </button>
        </div>
      )}
      {attempt.isError && <ErrorBox error={attempt.error} />}
      <Trial />
    </div>
  );
}
