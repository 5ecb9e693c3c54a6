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
  WORKLOAD_LOST: 'The node no longer knew it',
  NODE_WITHDRAWN: 'The provider took the node away',
  OWNER_RETURNED: "The node's owner came back to it",
  PREEMPTED: 'A higher bid took its place',
  MARKET_FAULT: 'The market could not go on with it',
  GANG_FAILED: 'Another task of its gang failed by the fault of the renter',
  GANG_LOST: "Another task of its gang failed by this provider's fault",
  GANG_BROKEN: 'Another task of its gang ended, so all of the gang begins again',
  IMAGE_UNAVAILABLE: 'Its image could not be had: the registry did not answer, or the node had no room',
};

// Whom it is charged to, and what that does to the money.
export const blames: Words<Schemas['Blame']> = {
  BLAME_NONE: 'Nobody is to blame. The proven time is charged.',
  BLAME_RENTER: "The renter's own command ended it. The proven time is charged.",
  BLAME_PROVIDER: 'The provider is to blame. All that this lease was charged is refunded, and the task runs again elsewhere.',
  BLAME_OWNER: "The node's owner needed it. What was not saved by a checkpoint is refunded as the market's rules say, and the task runs again elsewhere.",
  BLAME_MARKET: 'The market ended it. The task runs again as soon as there is room.',
};
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
export const owner_states: Words<Schemas['OwnerState']> = {
  OWNER_STATE_UNSPECIFIED: '–',
  OWNER_AWAY: 'away: the node may be leased',
  OWNER_PRESENT: 'present: leases move on',
  OWNER_PAUSED: 'paused: leases run out',
};
export const tiers: Words<Schemas['Tier']> = {
  TIER_UNSPECIFIED: 'on demand',
  ON_DEMAND: 'on demand',
  RESERVED: 'reserved',
  SPOT: 'spot',
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
};
export const transfer_reasons: Words<Schemas['TransferReason']> = {
  TRANSFER_REASON_UNSPECIFIED: '–',
  DEPOSITED: 'Deposit',
  HOLD_PLACED: 'Set aside for a job',
  CHARGED: 'Proven running time',
  FEE: "Market's fee",
  REFUNDED: 'Refund',
  FEE_RETURNED: 'Fee returned',
  HOLD_VOIDED: 'Left over, returned',
  RELEASED: 'Earnings released',
  WITHDRAWN: 'Withdrawal',
  WITHDRAWAL_RETURNED: 'Withdrawal returned',
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
  };
  const [from, to] = (sides[reason] ?? 'LEDGER_KIND_UNSPECIFIED LEDGER_KIND_UNSPECIFIED').split(' ');
  return (from === kind ? to : from) as Schemas['LedgerKind'];
}

export const plural = (count: number | bigint, one: string, many = `${one}s`) => `${count} ${Number(count) === 1 ? one : many}`;

export const device_name = (model: string) => model.replace(/_/g, ' ').toUpperCase().replace('GEFORCE', 'GeForce');
