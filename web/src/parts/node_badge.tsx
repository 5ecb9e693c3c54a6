import type { NodeOfMarket } from '../api/client';
import { plural } from '../lib/words';
import { Badge } from './basics';

export function NodeBadge({ node }: { node: NodeOfMarket }) {
  if (!node.connected) return <Badge tone="bad">not connected</Badge>;
  if (node.owner === 'OWNER_PRESENT') return <Badge tone="warn">owner is here</Badge>;
  if (node.owner === 'OWNER_PAUSED') return <Badge tone="warn">paused</Badge>;
  return <Badge tone={node.leases_running > 0 ? 'busy' : 'good'}>{node.leases_running > 0 ? plural(node.leases_running, 'lease') : 'idle'}</Badge>;
}
