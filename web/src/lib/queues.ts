// The server's queues, as /metrics tells of them. From `most` on callers are turned away, or wait.
export interface Queue {
  name: string;
  waiting: number;
  most: number | null; // null: as many as there are agents and webhooks, each with a bound of its own
  about: string;
}

const queues: [string, string, number | null, string][] = [
  ['commands_waiting', 'Commands', 16_384, 'for the log'],
  ['reads_waiting', 'Looks at the market', 4_096, 'for the market’s thread'],
  ['disk_jobs_waiting', 'Requests for the disk', 4_096, 'for the local disk'],
  ['history_events_waiting', 'Events of the history', 262_144, 'for history.db; the market waits when it is full'],
  ['agent_reports_waiting', 'Reports of agents', null, 'for the log'],
  ['node_links_waiting', 'Nodes that came or went', null, 'for the log'],
  ['agent_messages_waiting', 'Messages to agents', null, 'for their lines'],
  ['proof_jobs_waiting', 'Checks of proofs', 256, 'for the one thread that does them'],
  ['webhooks_waiting', 'Webhooks', null, 'for their turn, or for another attempt'],
  ['webhooks_sending', 'Webhooks that are sent to', 64, 'receivers’ answers'],
];

export const queues_of = (values: Map<string, number>): Queue[] => queues.map(([metric, name, most, about]) => ({ name, waiting: values.get(`fallow_${metric}`) ?? 0, most, about }));

// Three quarters full: time to look.
export const is_crowded = ({ waiting, most }: Queue) => most !== null && waiting >= most * 0.75;
