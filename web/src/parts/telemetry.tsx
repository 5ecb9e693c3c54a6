// What the devices and workloads of a lease or a node do, as charts: live, and by the minute of the last hour or day.
import { useId, useMemo, useState } from 'react';

import { live_span_s, useLiveTelemetry, useTelemetryMinutes, type LiveTelemetry, type Measured } from '../api/telemetry';
import { faults_of } from '../lib/device_faults';
import { device_figures, devices_of, leases_of, looks_at, of_device, of_host, of_lease, picture_of, track_of, workload_figures, type Figure, type Picture, type Point, type Sample, type Track } from '../lib/telemetry';
import { show_seconds } from '../lib/time';
import { Badge, Field } from './basics';
import { Chart, type Series } from './chart';
import { Empty, ErrorBox, useNow, View } from './states';

type Span = 'live' | 'hour' | 'day';
const spans = [
  { id: 'live', name: 'live', words: 'the last 5 minutes', minutes: 0 },
  { id: 'hour', name: 'by the minute, an hour', words: 'the last hour', minutes: 60 },
  { id: 'day', name: 'a day', words: 'the last day', minutes: 1_440 },
] as const;

const live_gap_s = 5; // a node measures every second
const minute_gap_s = 150;
const silent_ms = 10_000;

interface Told {
  of: Measured;
  names?: Record<number, string>;
}
// The device and the workload that are drawn, of several.
interface Chosen {
  device?: string;
  lease?: string;
}
type Choose = (chosen: Chosen) => void;

export default function Telemetry({ of, names, ended_at }: Told & { ended_at?: string }) {
  const [wanted, set_wanted] = useState<Span>('live');
  const [chosen, set_chosen] = useState<Chosen>({});
  const group = useId();
  const choose: Choose = (more) => set_chosen((before) => ({ ...before, ...more }));
  const offered = spans.filter((one) => one.id !== 'live' || !ended_at);
  const span = offered.find((one) => one.id === wanted) ?? offered[0]!;
  const shown = { of, names, chosen, choose, words: ended_at ? `${span.words} before its end` : span.words };
  return (
    <div className="stack">
      <fieldset className="choice">
        <legend className="sr">The time shown</legend>
        {offered.map((one) => (
          <label key={one.id} className="check">
            <input type="radio" name={group} checked={one.id === span.id} onChange={() => set_wanted(one.id)} /> {one.name}
          </label>
        ))}
      </fieldset>
      {span.id === 'live' ? <Live {...shown} /> : <History {...shown} minutes={span.minutes} ended_at={ended_at} />}
      <p className="hint">This is what the node says of itself; nothing of it decides what is charged. What it does not tell is left out.</p>
    </div>
  );
}

type Shown = Told & { chosen: Chosen; choose: Choose; words: string };

const state_words: Record<LiveTelemetry['state'], string> = { connecting: 'connecting…', following: 'a sample every second', lost: 'connection lost, resuming…', ended: 'complete' };

function Live(shown: Shown) {
  const [paused, set_paused] = useState(false);
  const live = useLiveTelemetry(shown.of, !paused);
  const now = useNow(2_000);
  const { points } = live;
  const last = points[points.length - 1];
  const range = useMemo(() => (last ? ([last.at - live_span_s, last.at] as const) : undefined), [last]);
  if (live.error) return <ErrorBox error={live.error} />;
  const silent_for_ms = now - live.heard_at;
  const is_silent = live.state === 'following' && last !== undefined && silent_for_ms > silent_ms;
  return (
    <>
      <div className="row spread">
        <span className="muted" role="status">
          {paused ? 'paused' : is_silent ? 'nothing new from its node' : state_words[live.state]}
        </span>
        <button type="button" className="plain" onClick={() => set_paused(!paused)}>
          {paused ? 'Go on' : 'Pause'}
        </button>
      </div>
      {is_silent && !paused && <p className="stale">Its node has sent nothing for {show_seconds(Math.round(silent_for_ms / 1000))}; what is shown is from before.</p>}
      {range ? (
        <Pictures {...shown} points={points} range={range} each="second" />
      ) : (
        <Empty title="Waiting for its node">The first figures come within a few seconds of a node that is there and can be measured. What was before this page was opened is there by the minute.</Empty>
      )}
    </>
  );
}

function History({ minutes, ended_at, ...shown }: Shown & { minutes: number; ended_at?: string }) {
  const asked = useTelemetryMinutes(shown.of, minutes, ended_at);
  const range = useMemo(() => {
    const first = asked.data?.[0];
    const last = asked.data?.[asked.data.length - 1];
    if (!first || !last) return undefined;
    const end = ended_at ? last.at : Math.max(last.at, asked.dataUpdatedAt / 1000);
    return [Math.max(end - minutes * 60, first.at - 60), end] as const;
  }, [asked.data, asked.dataUpdatedAt, minutes, ended_at]);
  return (
    <View of={asked} what="what was measured">
      {(points) =>
        range ? (
          <Pictures {...shown} points={points} range={range} each="minute" />
        ) : (
          <Empty title="Nothing was measured">A node measures while a lease runs on it or somebody watches, and says so once a minute. A week of it is kept.</Empty>
        )
      }
    </View>
  );
}

function Pictures({ points, range, each, names, chosen, choose, words }: Shown & { points: Point[]; range: readonly [number, number]; each: 'second' | 'minute' }) {
  const track = useMemo(() => track_of(points, each === 'second' ? live_gap_s : minute_gap_s), [points, each]);
  const devices = useMemo(() => devices_of(points).map((device) => ({ id: String(device), name: names?.[device] ?? `Device #${device}`, pick: of_device(device) })), [points, names]);
  const leases = useMemo(() => leases_of(points).map((lease) => ({ id: lease, name: `Workload of lease ${lease}`, pick: of_lease(lease) })), [points]);
  const has_host = useMemo(() => points.some((point) => of_host(point.mean)), [points]);
  const shared = { track, range, words };
  return (
    <>
      {devices.length > 0 && (
        <>
          <Faults points={points} devices={devices} each={each} />
          <Group {...shared} label="Device" all={devices} figures={device_figures} chosen={chosen.device} choose={(device) => choose({ device })} />
        </>
      )}
      {leases.length > 0 && <Group {...shared} label="Workload" all={leases} figures={workload_figures} chosen={chosen.lease} choose={(lease) => choose({ lease })} />}
      {has_host && <Group {...shared} label="Machine" all={machine} figures={workload_figures} choose={() => undefined} />}
    </>
  );
}

// There is one, whoever uses it.
const machine = [{ id: 'host', name: 'The whole machine', pick: of_host }];

// Of all devices, whichever is drawn.
function Faults({ points, devices, each }: { points: Point[]; devices: { id: string; name: string }[]; each: 'second' | 'minute' }) {
  const faults = useMemo(() => devices.flatMap((device) => faults_of(looks_at(points, Number(device.id)), each).map((fault) => ({ ...fault, key: `${device.id} ${fault.key}`, device: device.name }))), [points, devices, each]);
  if (faults.length === 0) return <p className="hint">No fault is told: no complaint of a driver, no error of memory, nothing slowed down.</p>;
  return (
    <ul className="checks" aria-label="Faults of devices">
      {faults.map((fault) => (
        <li key={fault.key}>
          <Badge tone={fault.tone}>{fault.name}</Badge>
          <span>
            {fault.device}: {fault.words}
          </span>
        </li>
      ))}
    </ul>
  );
}

interface One<Of> {
  id: string;
  name: string;
  pick: (sample: Sample) => Of | undefined;
}

// One of `all` as pictures, a figure each.
function Group<Of>({ label, all, figures, track, range, words, chosen, choose }: { label: string; all: One<Of>[]; figures: Figure<Of>[]; track: Track; range: readonly [number, number]; words: string; chosen?: string; choose: (id: string) => void }) {
  const one = all.find(({ id }) => id === chosen) ?? all[0]!;
  const pictures = useMemo(() => figures.flatMap((figure) => picture_of(figure, track, one.pick) ?? []), [figures, track, one.pick]);
  return (
    <section className="stack" aria-label={one.name}>
      {all.length > 1 ? (
        <Field label={label}>
          {(props) => (
            <select {...props} className="chooser" value={one.id} onChange={(event) => choose(event.target.value)}>
              {all.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
      ) : (
        <h3>{one.name}</h3>
      )}
      {pictures.length === 0 ? (
        <p className="hint">Its node tells no figure of it.</p>
      ) : (
        <div className="pair">
          {pictures.map((picture) => (
            <Gauge key={picture.name} picture={picture} times={track.times} range={range} about={`${picture.name}, ${one.name}, ${words}: ${picture.words}`} />
          ))}
        </div>
      )}
    </section>
  );
}

const colours = ['--accent', '--second'] as const;

function Gauge({ picture, times, range, about }: { picture: Picture; times: number[]; range: readonly [number, number]; about: string }) {
  const series = useMemo(
    () => picture.lines.map((line): Series => ({ name: `${line.name} (${picture.unit})`, values: line.values, colour: colours[line.place] ?? '--muted', dashed: line.is_most, scale: picture.unit === '%' ? 'share' : 'y' })),
    [picture],
  );
  return (
    <figure className="stack gauge">
      <figcaption className="row spread">
        {picture.name} <span>{picture.latest}</span>
      </figcaption>
      <Chart times={times} series={series} range={range} height={130} digits={picture.digits} legend_digits={picture.digits} about={about} />
    </figure>
  );
}
