// The schema's enums as sentences. One table each, so that every page says the same.
import type { Schemas } from '../api/client';

type Words<Enum extends string> = Record<Enum, string>;

// Why a lease ended, as its renter reads it.
export const end_reasons: Words<Schemas['EndReason']> = {
  END_REASON_UNSPECIFIED: 'Still running',
  COMPLETED: 'Completed: the command exited with 0',
  EXIT_CODE: 'The command exited with an error',
  OUT_OF_MEMORY: 'It used more memory than it had asked for',
  TIME_LIMIT: 'The time that was paid for has run',
  FUNDS: 'The money that was held for it is used up',
  STOPPED: 'The renter stopped it',
  INPUT_INVALID: 'An input was missing or was not what its digest says',
  DISK_LIMIT: 'It used more disk than it had asked for',
  DEVICE_FAULT: 'The device failed',
  HOST_LOST: 'The node fell silent for too long',
  START_FAILED: 'The node could not start it',
  WORKLOAD_LOST: 'The node lost it: it no longer knew it, or ran out of what it had promised',
  NODE_WITHDRAWN: 'The provider took the node away',
  OWNER_RETURNED: "The node's owner came back to it",
  PREEMPTED: 'A higher bid took its place',
  MARKET_FAULT: 'The market could not go on with it',
  GANG_FAILED: 'Another task of its gang failed by the fault of the renter',
  GANG_LOST: "Another task of its gang failed by this provider's fault",
  GANG_BROKEN: 'Another task of its gang ended, so all of the gang begins again',
  IMAGE_UNAVAILABLE: 'Its image could not be had: the registry did not answer, or the node had no room',
  STORE_FULL: "The market's store had no room for what it left",
};

// Whom it is charged to, and what that does to the money.
const blames: Words<Schemas['Blame']> = {
  BLAME_NONE: 'Nobody is to blame. The proven time is charged.',
  BLAME_RENTER: "The renter's own command ended it. The proven time is charged.",
  BLAME_PROVIDER: 'The provider is to blame. All that this lease was charged is refunded, and the task runs again elsewhere, from its last checkpoint if it has saved one.',
  BLAME_OWNER: "The node's owner needed it. The proven time is charged, and the task runs again elsewhere, from its last checkpoint if it has saved one.",
  BLAME_MARKET: 'The market ended it. The proven time is charged, and the task runs again as soon as there is room, from its last checkpoint if it has saved one.',
};
// What an end does to the money, in words.
export function money_of_end({ reason, blame }: { reason: Schemas['EndReason']; blame: Schemas['Blame'] }): string {
  if (reason === 'STOPPED') return 'The proven time up to then is charged.';
  if (reason === 'MARKET_FAULT') return 'The market is to blame. All that this lease was charged is refunded, and the task runs again as soon as there is room, from its last checkpoint if it has saved one.';
  return blames[blame];
}
export const blame_names: Words<Schemas['Blame']> = {
  BLAME_NONE: 'nobody',
  BLAME_RENTER: 'renter',
  BLAME_PROVIDER: 'provider',
  BLAME_OWNER: "node's owner",
  BLAME_MARKET: 'market',
};

export const lease_states: Words<Schemas['LeaseState']> = {
  LEASE_STATE_UNSPECIFIED: '–',
  PLACED: 'placed',
  STARTING: 'starting',
  RUNNING: 'running',
  SUSPENDED: 'suspended',
  STOPPING: 'stopping',
  ENDED: 'ended',
};
export const task_states: Words<Schemas['TaskState']> = {
  TASK_STATE_UNSPECIFIED: '–',
  WAITING: 'waiting',
  LEASED: 'running',
  DONE: 'done',
  FAILED: 'failed',
  TASK_STOPPED: 'stopped',
};
export const order_states: Words<Schemas['OrderState']> = {
  ORDER_STATE_UNSPECIFIED: '–',
  OPEN: 'open',
  ORDER_DONE: 'done',
  ORDER_FAILED: 'failed',
  ORDER_STOPPED: 'stopped',
};
// What an order with waiting tasks waits for. The page adds prices and moments.
export const wait_reasons: Words<Schemas['WaitReason']> = {
  WAIT_REASON_UNSPECIFIED: '–',
  WAITS_FOR_NODE: 'a node: nothing that matches is free',
  WAITS_FOR_PRICE: 'a price: what is free costs more than it may',
  WAITS_TO_RETRY: 'its next try: it has failed',
};
export const owner_states: Words<Schemas['OwnerState']> = {
  OWNER_STATE_UNSPECIFIED: '–',
  OWNER_AWAY: 'away: the node may be leased',
  OWNER_PRESENT: 'present: leases move on',
  OWNER_PAUSED: 'paused: leases run out',
};
export const owner_acts: Words<Schemas['OwnerAct']> = {
  OWNER_ACT_UNSPECIFIED: '–',
  OWNER_CAME: 'The owner came back',
  OWNER_LEFT: 'The owner left',
  OWNER_PAUSED_NODE: 'The owner paused the node',
  LEASE_SUSPENDED: 'Suspended',
  LEASE_RESUMED: 'Resumed',
  LEASE_EVICTED: 'Asked to end',
};
export const tiers: Words<Schemas['Tier']> = {
  TIER_UNSPECIFIED: 'on demand',
  ON_DEMAND: 'on demand',
  RESERVED: 'reserved',
  SPOT: 'spot',
};
// What a device's last proof has shown.
export const proof_states: Words<Schemas['ProofState']> = {
  PROOF_STATE_UNSPECIFIED: 'what it says of itself was never put to the test',
  PROVEN: 'its answers were right, and as fast as its model is',
  SLOW: 'its answers were right, but slower than its model is',
  DISPROVEN: 'an answer was wrong, or another node has shown the same device',
  UNANSWERED: 'it left too many asks in a row without an answer in time',
  LAPSED: 'its last proof is too old: it was not idle to be asked since',
};
// What slows a device down.
export const throttle_reasons: Words<Schemas['ThrottleReason']> = {
  THROTTLE_REASON_UNSPECIFIED: 'something that its node does not name',
  THROTTLED_BY_POWER: 'its limit of power',
  THROTTLED_BY_HEAT: 'heat',
  THROTTLED_BY_SUPPLY: "the machine's power supply",
  THROTTLED_BY_HARDWARE: 'its own protection',
};
// NVIDIA's numbers of what no program brings about: those that the agent takes for faults of the device.
const memory_xid = 'its memory had an error that could not be corrected';
export const device_xids: Readonly<Record<number, string>> = {
  48: memory_xid,
  62: 'its own controller has halted',
  64: memory_xid,
  74: 'its link to other devices failed',
  79: 'it fell off its bus',
  94: memory_xid,
  95: memory_xid,
  119: 'its system processor does not answer',
  120: 'its system processor failed',
  140: memory_xid,
};
// What a key may do, and a member in a team.
export const roles: Words<Schemas['Role']> = {
  ROLE_UNSPECIFIED: '–',
  VIEWER: 'reads',
  BILLING: 'reads and moves money',
  MEMBER: 'reads, rents and provides',
  OWNER: 'does everything',
};
export const ledger_kinds: Words<Schemas['LedgerKind']> = {
  LEDGER_KIND_UNSPECIFIED: '–',
  WALLET: 'available',
  HELD: 'held',
  PENDING: 'pending',
  EARNED: 'earned',
  MARKET_FEE: "market's fee",
  RESERVE: 'reserve',
  OUTSIDE: 'outside',
  OWED: 'owed',
};
export const transfer_reasons: Words<Schemas['TransferReason']> = {
  TRANSFER_REASON_UNSPECIFIED: '–',
  DEPOSITED: 'Deposit',
  HOLD_PLACED: 'Set aside for a job',
  CHARGED: 'Proven running time, and what was sent',
  FEE: "Market's fee",
  REFUNDED: 'Refund',
  FEE_RETURNED: 'Fee returned',
  HOLD_VOIDED: 'Left over, returned',
  RELEASED: 'Earnings released',
  WITHDRAWN: 'Withdrawal',
  WITHDRAWAL_RETURNED: 'Withdrawal returned',
  DEPOSIT_REVERSED: 'Deposit taken back',
  DEBT_PAID: 'Paid of what is owed',
  CHARGED_BACK: 'Charged back',
};

// The market gives back what it was to blame for out of its own fees; a provider, out of what is pending.
export const is_refund_of_market = (transfer: { reason: Schemas['TransferReason']; kind: Schemas['LedgerKind']; counterparty: string }) =>
  transfer.reason === 'REFUNDED' && transfer.kind === 'HELD' && Number(transfer.counterparty) === 0;

// The other side of an entry follows from its reason, its own side and who is there.
export function counter_kind(transfer: { reason: Schemas['TransferReason']; kind: Schemas['LedgerKind']; counterparty: string }): Schemas['LedgerKind'] {
  const { reason, kind } = transfer;
  const sides: Partial<Words<Schemas['TransferReason']>> & Record<string, string> = {
    DEPOSITED: 'OUTSIDE WALLET',
    HOLD_PLACED: 'WALLET HELD',
    CHARGED: 'HELD PENDING',
    FEE: 'HELD MARKET_FEE',
    REFUNDED: is_refund_of_market(transfer) ? 'MARKET_FEE HELD' : 'PENDING HELD',
    FEE_RETURNED: 'MARKET_FEE HELD',
    HOLD_VOIDED: 'HELD WALLET',
    RELEASED: 'PENDING EARNED',
    WITHDRAWN: `${kind} OUTSIDE`,
    WITHDRAWAL_RETURNED: `OUTSIDE ${kind}`,
    DEPOSIT_REVERSED: 'OWED OUTSIDE',
    DEBT_PAID: kind === 'OWED' ? 'LEDGER_KIND_UNSPECIFIED OWED' : `${kind} OWED`, // out of the wallet or of what is earned: the other entry says it
    CHARGED_BACK: kind === 'OWED' && Number(transfer.counterparty) === 0 ? 'MARKET_FEE OWED' : 'PENDING OWED',
  };
  const [from, to] = (sides[reason] ?? 'LEDGER_KIND_UNSPECIFIED LEDGER_KIND_UNSPECIFIED').split(' ');
  return (from === kind ? to : from) as Schemas['LedgerKind'];
}

// The market's rules, one row each; a rule without a row does not compile. `zero`: what 0 means.
type SwitchKey = { [Key in keyof Schemas['Policy']]-?: NonNullable<Schemas['Policy'][Key]> extends boolean ? Key : never }[keyof Schemas['Policy']];
type RuleKey = Exclude<keyof Schemas['Policy'], 'volume_discounts' | SwitchKey>;
type RuleWords = { name: string; about: string; unit: 's' | '%' | 'count'; zero?: string };
export type Rule = RuleWords & { key: RuleKey };
const policy_rules: Record<RuleKey, RuleWords> = {
  meter_interval_us: { name: 'Meter interval', about: 'How often a node proves running time.', unit: 's' },
  suspend_after_us: { name: 'Suspended after', about: 'Silence of a node until its leases are suspended.', unit: 's' },
  close_after_us: { name: 'Closed after', about: 'Silence until they are closed at the last proven moment.', unit: 's' },
  pull_timeout_us: { name: 'Pull timeout', about: 'For so long after its placement the start timeout begins anew while a node says that it pulls the image.', unit: 's', zero: 'it never does' },
  start_timeout_us: { name: 'Start timeout', about: 'A lease that does not run by then has failed to start.', unit: 's' },
  stop_grace_us: { name: 'Stop grace', about: 'Between the stop signal and the kill.', unit: 's' },
  owner_notice_us: { name: "Owner's notice", about: "Between the owner's return and the eviction.", unit: 's' },
  fee_basis_points: { name: "Market's fee", about: 'Of what a provider earns.', unit: '%', zero: 'the market keeps nothing' },
  payout_delay_us: { name: 'Payout delay', about: 'Earned money waits this long for disputes.', unit: 's', zero: 'it is paid out at once' },
  quote_ttl_us: { name: 'Quotes stand for', about: 'The price that was shown is kept until then.', unit: 's' },
  attempts_max: { name: 'Attempts of a task', about: 'Over all nodes.', unit: 'count' },
  retry_delay_us: { name: 'Retry delay', about: "After a task's second failure; then twice as long each time.", unit: 's', zero: 'tried again at once' },
  retry_delay_us_max: { name: 'Longest retry delay', about: 'However often it has failed.', unit: 's' },
  price_interval_us: { name: 'Price interval', about: 'Between moves of the indexes.', unit: 's', zero: 'no index is kept' },
  price_step_basis_points: { name: 'Price step', about: 'The most that one interval moves an index by.', unit: '%', zero: 'indexes stand still' },
  use_target_basis_points: { name: 'Use target', about: 'Use at which an index stays.', unit: '%' },
  forecast_basis_points: { name: 'Weight of the forecast', about: 'Of the use that moves an index: what is expected for the next hour.', unit: '%', zero: 'indexes do not look ahead' },
  credit_basis_points_max: { name: 'Most that is credited', about: 'Of the charge of a lease whose devices were slowed down.', unit: '%', zero: 'nothing is credited' },
  spot_min_run_us: { name: 'Spot runs at least', about: 'Before it may be preempted.', unit: 's', zero: 'preempted at any time' },
  spot_cool_down_us: { name: 'Spot cool-down', about: 'After a preemption, before it takes another place.', unit: 's', zero: 'none' },
  spot_notice_us: { name: "Spot's notice", about: 'Between the signal and the end.', unit: 's', zero: 'none' },
  start_cost_us: { name: 'A start counts as', about: 'Paid time that cost_to_complete adds for each start.', unit: 's', zero: 'nothing' },
  fragmentation_basis_points: { name: 'Weight of fragments', about: 'Of its price: what each device counts that a placement leaves useless.', unit: '%', zero: 'it does not count' },
  survival_basis_points: { name: 'Weight of survival', about: "Of a task's price: what a node counts that surely does not last.", unit: '%', zero: 'it does not count' },
  locality_basis_points: { name: 'Weight of the region', about: "Of a task's price: what a node in another region counts.", unit: '%', zero: 'it does not count' },
  scarcity_basis_points: { name: 'Weight of scarcity', about: "Of a task's price: what a device counts of a class of which all is expected to be asked for.", unit: '%', zero: 'it does not count' },
  proof_interval_us: { name: 'Proof interval', about: 'About how often a node proves its devices.', unit: 's', zero: 'never' },
  lease_proof_basis_points: { name: 'Proofs before leases', about: 'Of leases of verified devices, how many begin only once these were proven in their sandboxes.', unit: '%', zero: 'none' },
};
const policy_switches: Record<SwitchKey, { name: string; about: string }> = {
  deadlines_by_forecast: { name: 'Deadlines look ahead', about: 'Orders with a deadline go by what is expected of a class, too.' },
  fair_turns: { name: 'Fair turns', about: 'Nobody’s traffic holds up the orders of others, and whole devices do not starve behind parts.' },
  firm_turns: { name: 'Firm turns', about: 'What was promised to those who wait holds beside pulls of images, tests of nodes and more time for others.' },
  counts_until_stop: { name: 'Paid until the stop', about: 'What had run when an order was stopped is paid, though it was reported after the stop.' },
  firm_proofs: { name: 'Proofs grow old', about: 'What a device has shown counts for two proof intervals; idle cards are asked beside leases.' },
  waits_for_fence: { name: 'Tasks wait for fences', about: 'No task begins elsewhere while the node that ran it may still do so.' },
  bounds_meters: { name: 'Meters are bounded by what can have run', about: "What the market's own clock missed counts; what a node said did not run does not." },
  holds_deposits: { name: 'Deposits are held back', about: 'What came in is spent, but not paid out, until the payout delay has passed: its rail may take it back.' },
  keeps_device_records: { name: 'Records stay with devices', about: 'A node that joins with a device of another that broke leases begins with that record.' },
  prices_egress: { name: 'Egress has a price', about: 'Offers may ask for what leases send over their network, by the GB; nodes count it.' },
  weighs_kept_time: { name: 'Reliability weighs time', about: 'A lease that was kept counts by what it proved, and none of the own provider counts.' },
};
export const switches = (Object.keys(policy_switches) as SwitchKey[]).map((key) => ({ key, ...policy_switches[key] }));
export const rules: Rule[] = (Object.keys(policy_rules) as RuleKey[]).map((key) => ({ key, ...policy_rules[key] }));

// How a command ended, by its exit code: 128 + N is what shells say of signal N.
const signals: Record<number, string> = { 1: 'hang-up', 2: 'interrupt', 3: 'quit', 6: 'abort', 9: 'kill', 11: 'segmentation fault', 13: 'broken pipe', 15: 'terminate' };
export function exit_words(code: number): string {
  if (code === 0) return 'It ended well, with exit code 0.';
  const signal = code - 128;
  if (signal < 1 || signal > 64) return `It ended with exit code ${code}.`;
  return `It ended with exit code ${code}, as by signal ${signal}${signals[signal] ? ` (${signals[signal]})` : ''}.`;
}

export const plural = (count: number | bigint, one: string, many = `${one}s`) => `${count} ${Number(count) === 1 ? one : many}`;

export const device_name = (model: string) => model.replace(/_/g, ' ').toUpperCase().replace('GEFORCE', 'GeForce');

// Devices that are priced and foretold together.
export const class_name = (model: string, region: string) => `${device_name(model)}${region && ` in ${region}`}`;
