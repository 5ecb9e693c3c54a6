// Moments and spans for people: in the viewer's own zone.

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const utc_day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });
const hour = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

export const show_moment = (text: string | undefined) => (text ? moment.format(new Date(text)) : '–');
// "2026-11-21", a day of UTC wherever the viewer is.
export const show_utc_day = (text: string) => utc_day.format(new Date(`${text}T00:00:00Z`));
export const show_hour = (at: Date) => hour.format(at);
export const show_clock = (at: Date) => clock.format(at);
export const viewer_zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const steps: [number, string][] = [[86_400, 'd'], [3_600, 'h'], [60, 'min'], [1, 's']];

// 3725 -> "1 h 2 min": the two largest units.
export function show_seconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return seconds <= 0 ? '0 s' : `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  let rest = Math.round(seconds);
  const parts: string[] = [];
  for (const [size, unit] of steps) {
    const count = Math.floor(rest / size);
    if (count === 0 && parts.length === 0) continue;
    if (count > 0) parts.push(`${count} ${unit}`);
    rest -= count * size;
    if (parts.length === 2) break;
    if (count === 0 && parts.length > 0) break;
  }
  return parts.join(' ');
}

// A protobuf duration, "12.5s".
export const seconds_of = (text: string | undefined) => (text ? Number.parseFloat(text) : 0);

export function show_ago(text: string | undefined, now: number): string {
  if (!text) return '–';
  const seconds = (now - Date.parse(text)) / 1000;
  return seconds < 2 ? 'just now' : `${show_seconds(Math.round(seconds))} ago`;
}
