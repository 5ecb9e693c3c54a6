// What a device's driver complains of, in words: slowed down, errors of its memory, Xids.
import type { Schemas } from '../api/client';
import type { DeviceLook } from './telemetry';
import { show_clock, show_hour } from './time';
import { device_xids, plural, throttle_reasons } from './words';

export interface Fault {
  key: string;
  tone: 'warn' | 'bad';
  name: string; // "slowed down"
  words: string;
}

const xids_told_max = 4;

// `looks`: in order, each of a second or of a minute.
export function faults_of(looks: DeviceLook[], each: 'second' | 'minute'): Fault[] {
  const show_at = (at: number) => (each === 'second' ? show_clock : show_hour)(new Date(at * 1000));
  return [...xids(looks, show_at), ...memory_errors(looks), ...throttles(looks, each, show_at)];
}

// A driver's last complaint stands until the next one: told when it came.
function xids(looks: DeviceLook[], show_at: (at: number) => string): Fault[] {
  const faults: Fault[] = [];
  looks.forEach((look, index) => {
    const xid = look.end.xid ?? 0;
    if (xid === 0 || xid === (looks[index - 1]?.end.xid ?? 0)) return;
    const device_fault = device_xids[xid];
    faults.push({
      key: `xid ${look.at}`,
      tone: device_fault ? 'bad' : 'warn',
      name: `Xid ${xid}`,
      words: `${device_fault ?? 'a complaint of its driver, of a kind that a program can bring about'}; ${index === 0 ? 'before' : 'at'} ${show_at(look.at)}`,
    });
  });
  return faults.slice(-xids_told_max).reverse();
}

const error_kinds = [
  { key: 'ecc_uncorrected', tone: 'bad', name: 'uncorrected' },
  { key: 'ecc_corrected', tone: 'warn', name: 'corrected' },
] as const;

// Counted up since the driver was loaded.
function memory_errors(looks: DeviceLook[]): Fault[] {
  return error_kinds.flatMap(({ key, tone, name }): Fault[] => {
    const counts = looks.flatMap((look) => look.end[key] ?? []);
    const last = counts[counts.length - 1] ?? 0;
    if (last === 0) return [];
    const more = counts.reduce((sum, count, index) => sum + Math.max(0, count - (counts[index - 1] ?? count)), 0);
    return [{ key, tone, name: 'memory errors', words: `${plural(last, `${name} error`)} of its memory since its driver was loaded${more > 0 ? `, ${more} of them in the time shown` : ''}` }];
  });
}

function throttles(looks: DeviceLook[], each: 'second' | 'minute', show_at: (at: number) => string): Fault[] {
  const seen = new Map<Schemas['ThrottleReason'], { count: number; last: DeviceLook }>();
  for (const look of looks) {
    for (const reason of look.throttled_by) seen.set(reason, { count: (seen.get(reason)?.count ?? 0) + 1, last: look });
  }
  const end = looks[looks.length - 1];
  return [...seen].map(([reason, { count, last }]) => {
    const share = `in ${count} of ${plural(looks.length, each === 'second' ? 'sample' : 'minute')}`;
    const when = each === 'second' && last === end ? `now, ${share}` : `${share}, last ${each === 'second' ? 'at' : 'in the minute to'} ${show_at(last.at)}`;
    return { key: reason, tone: 'warn', name: 'slowed down', words: `by ${throttle_reasons[reason]}: ${when}` };
  });
}
