// How much of a class is likely to be free and asked for: the next day as pictures and as a table, and the week's best hours.
import { useMemo } from 'react';

import { useForecast } from '../api/asks';
import { best_hours, devices_band, free_devices, percent_band, percent_text, type Hour, type Likely } from '../lib/forecast';
import { show_hour, viewer_zone } from '../lib/time';
import { class_name, plural } from '../lib/words';
import { Chart, type Series } from './chart';
import { Empty, View } from './states';

const hours_drawn = 24;
const best_shown = 5;
const show_at = (hour: Hour) => show_hour(new Date(hour.at * 1000));

export function Forecast({ model, region }: { model: string; region: string }) {
  const forecast = useForecast(model, region);
  return (
    <View of={forecast} what="the forecast">
      {({ hours, days_known }) =>
        hours.length === 0 ? (
          <Empty title="No forecast yet">A forecast needs two days of history of a class; from then on it is learned anew every hour. What is free now stands among the offers above.</Empty>
        ) : (
          <Outlook hours={hours} days_known={days_known} name={class_name(model, region)} />
        )
      }
    </View>
  );
}

const values_of = (hours: Hour[], of: (hour: Hour) => Likely, times = 1) => ({
  values: hours.map((hour) => times * of(hour).likely),
  band: { low: hours.map((hour) => times * of(hour).low), high: hours.map((hour) => times * of(hour).high) },
});

function Outlook({ hours, days_known, name }: { hours: Hour[]; days_known: number; name: string }) {
  const picture = useMemo(() => {
    const day = hours.slice(0, hours_drawn);
    const free: Series[] = [{ name: 'Free', ...values_of(day, (hour) => hour.free_share, 100), colour: '--accent', scale: 'share' }];
    const devices: Series[] = [
      { name: 'Asked for', ...values_of(day, (hour) => hour.demand), colour: '--second' },
      { name: 'Offered', values: day.map((hour) => hour.offered.likely), colour: '--muted', dashed: true },
    ];
    const by_share = [...day].sort((a, b) => a.free_share.likely - b.free_share.likely);
    return { day, times: day.map((hour) => hour.at), free, devices, least: by_share[0]!, most: by_share[by_share.length - 1]! };
  }, [hours]);
  const { day, times, least, most } = picture;
  const first = day[0]!;
  return (
    <>
      <p className="figures">
        <span>
          <small>Free this hour</small>
          <b>{percent_text(first.free_share.likely)}</b>
        </span>
        <span>
          <small>Offered</small>
          <b>{first.offered.likely.toFixed(1)} devices</b>
        </span>
        <span>
          <small>Asked for</small>
          <b>{first.demand.likely.toFixed(1)} devices</b>
        </span>
        <span>
          <small>Learned from</small>
          <b>{plural(days_known, 'day')}</b>
        </span>
      </p>
      <div className="pair">
        <figure className="stack">
          <figcaption>Free, of what is offered</figcaption>
          <Chart
            times={times}
            series={picture.free}
            rests_at="first"
            digits={0}
            about={`Free share of ${name} in the next ${plural(day.length, 'hour')}: most likely least at ${show_at(least)} with ${percent_text(least.free_share.likely)}, most at ${show_at(most)} with ${percent_text(most.free_share.likely)}. The table below has every hour.`}
          />
        </figure>
        <figure className="stack">
          <figcaption>Devices</figcaption>
          <Chart
            times={times}
            series={picture.devices}
            rests_at="first"
            digits={1}
            legend_digits={1}
            about={`Devices of ${name} in the next ${plural(day.length, 'hour')}: this hour ${first.demand.likely.toFixed(1)} are likely to be asked for and ${first.offered.likely.toFixed(1)} to be offered. The table below has every hour.`}
          />
        </figure>
      </div>
      <p className="hint">Lines are as likely passed as not; in 8 of 10 cases it comes out within the shaded band. Hours are those of your zone, {viewer_zone}.</p>
      <details>
        <summary>The next {plural(day.length, 'hour')} as a table</summary>
        <HourTable hours={day} caption={`The next ${plural(day.length, 'hour')} of ${name}`} />
      </details>
      <BestHours hours={hours} />
    </>
  );
}

function HourTable({ hours, caption }: { hours: Hour[]; caption: string }) {
  return (
    <table className="parts">
      <caption className="sr">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col" className="right">Free</th>
          <th scope="col" className="right">8 of 10 cases</th>
          <th scope="col" className="right">Offered</th>
          <th scope="col" className="right">Asked for</th>
          <th scope="col" className="right wide-only">8 of 10 cases</th>
        </tr>
      </thead>
      <tbody>
        {hours.map((hour) => (
          <tr key={hour.at}>
            <th scope="row">{show_at(hour)}</th>
            <td className="right">{percent_text(hour.free_share.likely)}</td>
            <td className="right">{percent_band(hour.free_share)}</td>
            <td className="right">{hour.offered.likely.toFixed(1)}</td>
            <td className="right">{hour.demand.likely.toFixed(1)}</td>
            <td className="right wide-only">{devices_band(hour.demand)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function BestHours({ hours }: { hours: Hour[] }) {
  const best = useMemo(() => best_hours(hours, best_shown), [hours]);
  return (
    <table className="parts">
      <caption>Best hours to rent, of the next {plural(Math.round(hours.length / 24), 'day')}</caption>
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col" className="right">Free devices</th>
          <th scope="col" className="right">Share</th>
          <th scope="col" className="right">8 of 10 cases</th>
        </tr>
      </thead>
      <tbody>
        {best.map((hour) => (
          <tr key={hour.at}>
            <th scope="row">{show_at(hour)}</th>
            <td className="right">{free_devices(hour).toFixed(1)}</td>
            <td className="right">{percent_text(hour.free_share.likely)}</td>
            <td className="right">{percent_band(hour.free_share)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
