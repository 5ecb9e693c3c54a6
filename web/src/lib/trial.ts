// A trial of rules as people read it: figures side by side, and what differs in sentences.
import type { PolicyTrial } from '../api/client';
import { show_money, micros_of } from './money';
import { rule_text } from './policy';
import { show_seconds } from './time';
import { plural, rules, switches } from './words';

type Figures = NonNullable<PolicyTrial['now']>;

export interface TrialRow {
  name: string;
  fact: string;
  now: string;
  tried: string;
  differs: boolean; // the last two
}

const figures: [string, (of: Figures) => string][] = [
  ['Orders asked for', (of) => of.orders],
  ['refused', (of) => of.orders_refused],
  ['placed', (of) => of.orders_placed],
  ['wait until then, mean', (of) => show_seconds(of.wait_seconds_mean)],
  ['Orders that wait at the end', (of) => of.orders_waiting],
  ['Leases begun', (of) => of.leases],
  ['lost', (of) => of.leases_lost],
  ['preempted', (of) => of.leases_preempted],
  ['Tasks done', (of) => of.tasks_done],
  ['Tasks failed', (of) => of.tasks_failed],
  ['Charged', (of) => show_money(micros_of(of.charged))],
  ['Refunded', (of) => show_money(micros_of(of.refunded))],
  ['Fee kept', (of) => show_money(micros_of(of.fee))],
  ['Earned by providers', (of) => show_money(micros_of(of.earned))],
];

export function trial_rows({ fact, now, tried }: PolicyTrial): TrialRow[] {
  if (!fact || !now || !tried) return [];
  return figures.map(([name, of]) => ({ name, fact: of(fact), now: of(now), tried: of(tried), differs: of(now) !== of(tried) }));
}

// "3 orders are placed sooner": the tried rules beside the present ones, in the same model.
export function trial_words({ difference }: PolicyTrial): string[] {
  if (!difference) return [];
  const said: [string, string][] = [
    [difference.orders_refused_only_tried, 'refused that is accepted now'],
    [difference.orders_refused_only_now, 'accepted that is refused now'],
    [difference.orders_placed_only_tried, 'placed that finds no place now'],
    [difference.orders_placed_only_now, 'left without the place that it finds now'],
    [difference.orders_sooner, 'placed sooner'],
    [difference.orders_later, 'placed later'],
    [difference.orders_cheaper, 'cheaper'],
    [difference.orders_dearer, 'dearer'],
  ];
  return said.filter(([count]) => count !== '0').map(([count, what]) => `${plural(BigInt(count), 'order')}: ${what}`);
}

// "Market's fee: 5 → 7 %"
export function trial_changes({ present, policy }: PolicyTrial): string[] {
  if (!present || !policy) return [];
  const changed = rules.filter(({ key }) => String(present[key]) !== String(policy[key])).map((rule) => `${rule.name}: ${rule_text(present[rule.key], rule.unit)} → ${rule_text(policy[rule.key], rule.unit)}${rule.unit === 'count' ? '' : ` ${rule.unit}`}`);
  const turned = switches.filter(({ key }) => present[key] !== policy[key]).map(({ key, name }) => `${name}: ${policy[key] ? 'off → on' : 'on → off'}`);
  const discounts = JSON.stringify(present.volume_discounts) === JSON.stringify(policy.volume_discounts) ? [] : ['Volume discounts are others'];
  return [...changed, ...turned, ...discounts];
}
