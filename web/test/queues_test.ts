import { describe, expect, it } from 'vitest';

import { parse_metrics } from '../src/lib/metrics';
import { is_crowded, queues_of } from '../src/lib/queues';

describe('the queues of the server', () => {
  it('are all told, with what is not said as nothing', () => {
    const queues = queues_of(parse_metrics('# TYPE fallow_reads_waiting gauge\nfallow_reads_waiting 3072\nfallow_webhooks_waiting 9\n'));
    const by_name = new Map(queues.map((queue) => [queue.name, queue]));
    expect(by_name.get('Looks at the market')?.waiting).toBe(3072);
    expect(by_name.get('Webhooks')?.waiting).toBe(9);
    expect(by_name.get('Commands')?.waiting).toBe(0);
    expect(queues.filter(is_crowded).map((queue) => queue.name)).toEqual(['Looks at the market']);
  });
});
