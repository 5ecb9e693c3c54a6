// Ways into a running lease: a terminal here, and the commands that do the rest from one's own machine.
import { lazy, Suspense, useState } from 'react';

import { acting_for } from '../api/acting';
import { fallow_for } from '../lib/teams';
import { Boundary } from './boundary';
import { Card, Copy, Field } from './basics';
import { Loading } from './states';

const Terminal = lazy(() => import('./terminal'));

const fallow = fallow_for(acting_for);

// `is_running`: it can be reached now. A terminal that was open when that ended stays to be read.
export function Reach({ lease, is_running, is_suspended }: { lease: string; is_running: boolean; is_suspended: boolean }) {
  const [opened, set_opened] = useState(0);
  if (!is_running && opened === 0) return null;
  return (
    <Card
      title="Reach into it"
      actions={
        opened === 0 && (
          <button type="button" onClick={() => set_opened(1)}>
            Open a terminal
          </button>
        )
      }
    >
      {opened > 0 ? (
        <Boundary what="The terminal">
          <Suspense fallback={<Loading what="the terminal" />}>
            <Terminal key={opened} lease={lease} again={is_running ? () => set_opened(opened + 1) : undefined} />
          </Suspense>
        </Boundary>
      ) : (
        <p className="hint">
          A shell beside the workload, confined as it is, within its limits, and at no cost. It ends with this page or the lease; what is started with nohup ends with the lease.
          {is_suspended && ' The lease is suspended: a terminal stands still until it goes on.'}
        </p>
      )}
      {is_running && <Elsewhere lease={lease} />}
    </Card>
  );
}

const port_of = (text: string) => (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535 ? Number(text) : null);

function Elsewhere({ lease }: { lease: string }) {
  const [port, set_port] = useState('8888');
  const number = port_of(port.trim());
  return (
    <details className="elsewhere">
      <summary>Ports, files and ssh, from your own machine</summary>
      <div className="stack">
        <Field label="Port in the lease" error={number === null ? 'A number from 1 to 65535.' : null} hint={`What listens on 127.0.0.1 there stands at http://127.0.0.1:${number ?? '…'} on your machine while this runs. It is not shown in here: pages of a workload would be pages of this console, with your session.`}>
          {(props) => <input {...props} inputMode="numeric" className="port" value={port} onChange={(event) => set_port(event.target.value)} />}
        </Field>
        {number !== null && <Copy what="Command that forwards the port" text={`${fallow} port-forward ${lease} ${number}`} />}
        <Copy what="Commands for files and ssh" text={[`${fallow} cp model.bin ${lease}:  # into /work`, `${fallow} cp ${lease}:/out/checkpoints .`, `${fallow} ssh ${lease}`].join('\n')} />
      </div>
    </details>
  );
}
