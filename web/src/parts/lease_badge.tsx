// A lease's state or, of one that has ended, why it did.
import type { Lease } from '../api/client';
import { lease_states } from '../lib/words';
import { Badge, type Tone } from './basics';

const state_tone: Record<string, Tone> = { PLACED: 'warn', STARTING: 'warn', RUNNING: 'busy', SUSPENDED: 'warn', STOPPING: 'warn' };
const blame_tone: Record<string, Tone> = { BLAME_NONE: 'good', BLAME_RENTER: 'bad', BLAME_PROVIDER: 'bad', BLAME_OWNER: 'warn', BLAME_MARKET: 'warn' };

export function LeaseBadge({ lease }: { lease: Pick<Lease, 'state' | 'reason' | 'blame'> }) {
  if (lease.state !== 'ENDED') return <Badge tone={state_tone[lease.state] ?? 'calm'}>{lease_states[lease.state]}</Badge>;
  const tone = lease.reason === 'STOPPED' ? 'calm' : blame_tone[lease.blame];
  const words = lease.reason.toLowerCase().replace(/_/g, ' ');
  return <Badge tone={tone ?? 'calm'}>{words}</Badge>;
}
