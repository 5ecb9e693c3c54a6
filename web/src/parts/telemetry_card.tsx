// What the devices and workloads of a lease or a node do. The charts are fetched with it: a first load goes without them.
import { lazy, Suspense } from 'react';

import type { Measured } from '../api/telemetry';
import { Card } from './basics';
import { Boundary } from './boundary';
import { Loading } from './states';

const Telemetry = lazy(() => import('./telemetry'));

// `names`: of devices, by their place in the node, where they are known. `ended_at`: of a lease that is over.
export function TelemetryCard({ of, title, names, ended_at }: { of: Measured; title: string; names?: Record<number, string>; ended_at?: string }) {
  return (
    <Card title={title}>
      <Boundary what="The charts">
        <Suspense fallback={<Loading what="the charts" />}>
          <Telemetry key={'lease' in of ? `lease ${of.lease}` : `node ${of.node}`} of={of} names={names} ended_at={ended_at} />
        </Suspense>
      </Boundary>
    </Card>
  );
}
