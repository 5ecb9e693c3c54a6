// What a lease's node has proven, as a chart: of a lease that runs, from when this is opened on; of one that
// has ended, all of it, out of its receipt.
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';

import { call, client, type Lease } from '../api/client';
import { useEvent } from '../api/live';
import { meter_picture, type MeterPoint } from '../lib/meter';
import { show_moment } from '../lib/time';
import { plural } from '../lib/words';
import { read_body } from '../receipt/body';
import { Chart, type Series } from './chart';
import { Empty, View } from './states';

const live_records_max = 5_000;

export default function Meter({ lease }: { lease: Lease }) {
  return lease.state === 'ENDED' ? <OfReceipt lease={lease.id} /> : <Live lease={lease.id} />;
}

function Live({ lease }: { lease: string }) {
  const [records, set_records] = useState<MeterPoint[]>([]);
  useEvent('meter_accepted', (told) => {
    const record = (told as { record?: { lease?: string; running_us?: string; measured_at_us?: string } }).record;
    if (record?.lease !== lease) return;
    const point = { at: Number(record.measured_at_us) / 1e6, running: Number(record.running_us) / 1e6 };
    set_records((before) => [...before.slice(1 - live_records_max), point]);
  });
  if (records.length < 2) return <Empty title="Waiting for the meter">The node sends a signed record of its running time every few seconds; the picture begins with the second one. The whole of it is there when the lease has ended.</Empty>;
  return <Picture records={records} />;
}

function OfReceipt({ lease }: { lease: string }) {
  const meters = useQuery({
    queryKey: ['meters', lease],
    queryFn: async () => {
      const receipt = await call(client.GET('/v1/leases/{lease}/receipt', { params: { path: { lease } } }));
      const body = read_body(Uint8Array.from(atob(receipt.body), (c) => c.charCodeAt(0)));
      return body.meters.map((record): MeterPoint => ({ at: Number(record.measured_at_us) / 1e6, running: Number(record.running_us) / 1e6 }));
    },
    staleTime: Infinity,
  });
  return (
    <View of={meters} what="the meter">
      {(records) => (records.length < 2 ? <Empty title="Too short for a picture">{`Its node sent ${plural(records.length, 'meter record')}.`}</Empty> : <Picture records={records} />)}
    </View>
  );
}

function Picture({ records }: { records: MeterPoint[] }) {
  const picture = useMemo(() => meter_picture(records), [records]);
  const series = useMemo<Series[]>(
    () => [
      { name: `Proven (${picture.unit})`, values: picture.proven, colour: '--accent' },
      { name: 'Ran, of the time since the point before', values: picture.share, colour: '--second', scale: 'share', dashed: true },
    ],
    [picture],
  );
  const share = picture.whole_share === null ? '' : ` It ran ${picture.whole_share.toFixed(1)} % of that time.`;
  const words = `${plural(records.length, 'record')}, by the node's clock from ${show_moment(new Date(records[0]!.at * 1000).toISOString())} to ${show_moment(new Date(records[records.length - 1]!.at * 1000).toISOString())}.${share}`;
  return (
    <>
      <Chart times={picture.times} series={series} height={200} digits={1} about={`Proven running time: ${words}`} />
      <p className="hint">{words} Only this time is charged.</p>
    </>
  );
}
