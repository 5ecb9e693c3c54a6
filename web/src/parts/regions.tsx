// A market's nodes and devices by region and model: how many there are, and what they do.
import { Link } from 'wouter';

import { useRegions } from '../api/asks';
import type { DeviceCounts } from '../api/client';
import { device_name } from '../lib/words';
import { Empty, View } from './states';

// Parts of devices are leased, too.
const devices = (count: number) => String(Math.round(count * 100) / 100);

function Cells({ of }: { of: DeviceCounts }) {
  const away = of.devices - of.devices_leased - of.devices_free;
  return (
    <>
      <td className="right">{of.nodes}</td>
      <td className="right wide-only">{of.nodes_connected}</td>
      <td className="right wide-only">{of.nodes_occupied}</td>
      <td className="right">{of.devices}</td>
      <td className="right">{devices(of.devices_leased)}</td>
      <td className="right">{devices(of.devices_free)}</td>
      <td className="right wide-only">{devices(away)}</td>
    </>
  );
}

export function Regions() {
  const told = useRegions();
  return (
    <View of={told} what="nodes by region">
      {(data) =>
        data.regions.length === 0 ? (
          <Empty title="No node yet">Nobody has joined this market with a machine.</Empty>
        ) : (
          <div className="stack">
            <table className="parts lines">
              <caption>Nodes and devices by region and model</caption>
              <thead>
                <tr>
                  <th scope="col">Region and model</th>
                  <th scope="col" className="right">Nodes</th>
                  <th scope="col" className="right wide-only">connected</th>
                  <th scope="col" className="right wide-only">owner there</th>
                  <th scope="col" className="right">Devices</th>
                  <th scope="col" className="right">leased</th>
                  <th scope="col" className="right">free</th>
                  <th scope="col" className="right wide-only">away</th>
                </tr>
              </thead>
              {data.regions.map((region) => (
                <tbody key={region.region}>
                  <tr>
                    <th scope="row">{region.region || 'no region'}</th>
                    {region.counts && <Cells of={region.counts} />}
                  </tr>
                  {region.models.map((row) => (
                    <tr key={row.model} className="muted">
                      <th scope="row">{device_name(row.model) || 'no model'}</th>
                      {row.counts && <Cells of={row.counts} />}
                    </tr>
                  ))}
                </tbody>
              ))}
              <tfoot>
                {data.others && data.others.devices > 0 && (
                  <tr>
                    <th scope="row">Others</th>
                    <Cells of={data.others} />
                  </tr>
                )}
                <tr>
                  <th scope="row">The whole market</th>
                  {data.counts && <Cells of={data.counts} />}
                </tr>
              </tfoot>
            </table>
            <p className="hint">
              Free is what could be leased now. Away is neither: not connected, not offered, or its owner’s at the moment. <Link href="/provide">All nodes</Link>
            </p>
          </div>
        )
      }
    </View>
  );
}
