// The market's events of this account, turned into "look again at this". One stream a tab that is in sight.
import { useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from 'react';

import { follow_in_sight } from './in_sight';

// Which queries an event makes old, by the event's kind.
const touches: Record<string, string[]> = {
  order_accepted: ['orders', 'wallet', 'transfers'],
  task_changed: ['orders'],
  order_extended: ['orders', 'wallet', 'transfers', 'extension'],
  order_ended: ['orders', 'wallet', 'transfers'],
  lease_placed: ['orders', 'leases', 'nodes'],
  lease_extended: ['leases'],
  lease_changed: ['orders', 'leases'],
  checkpoint_taken: ['orders', 'leases'],
  lease_credited: ['leases', 'wallet', 'transfers'],
  lease_ended: ['orders', 'leases', 'wallet', 'transfers', 'nodes'],
  meter_accepted: ['orders', 'leases', 'wallet', 'transfers'],
  transferred: ['wallet', 'transfers'],
  payout_requested: ['wallet', 'transfers', 'payouts'],
  payout_settled: ['wallet', 'transfers', 'payouts'],
  deposit_reversed: ['wallet', 'transfers', 'orders'],
  budget_set: ['wallet'],
  node_joined: ['nodes'],
  node_changed: ['nodes'],
  node_removed: ['nodes'],
  offer_changed: ['nodes', 'offers'],
  account_opened: ['accounts'],
  key_added: ['keys'],
  key_revoked: ['keys', 'session'],
  member_set: ['members', 'teams', 'session'],
  policy_set: ['market'],
  price_moved: ['prices', 'classes'],
};
const gather_ms = 400; // events come in crowds: one look for all of them

export interface Live {
  state: 'live' | 'lost';
  since: number; // when it was last known to be live
}
const LiveContext = createContext<Live>({ state: 'live', since: 0 });
export const useLive = () => useContext(LiveContext);

// Who wants to see events themselves, by kind.
type Hears = (told: unknown) => void;
const hearers = new Map<string, Set<Hears>>();

// Calls `hear` with each event of the kind while the caller is shown.
export function useEvent(kind: string, hear: Hears) {
  const latest = useRef(hear);
  latest.current = hear;
  useEffect(() => {
    const one: Hears = (told) => latest.current(told);
    const all = hearers.get(kind) ?? new Set();
    hearers.set(kind, all.add(one));
    return () => void all.delete(one);
  }, [kind]);
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [live, set_live] = useState<Live>({ state: 'live', since: Date.now() });

  useEffect(() => {
    const old = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // What is being asked at the moment is asked again afterwards, not begun anew: else a list of many
    // pages would never get to its end while the market is busy.
    const look = () => {
      timer = undefined;
      for (const key of old) {
        if (queries.isFetching({ queryKey: [key] }) > 0) continue;
        old.delete(key);
        void queries.invalidateQueries({ queryKey: [key] });
      }
      if (old.size > 0) timer = setTimeout(look, gather_ms);
    };
    const look_again = (keys: string[]) => {
      for (const key of keys) old.add(key);
      if (keys.length > 0) timer ??= setTimeout(look, gather_ms);
    };
    let was_lost = false;
    const close = follow_in_sight('/v1/events', {
      on_event: (data) => {
        for (const [kind, event] of Object.entries((data as { event?: Record<string, unknown> }).event ?? {})) {
          look_again(touches[kind] ?? []);
          for (const hear of hearers.get(kind) ?? []) hear(event);
        }
      },
      on_state: (connected) => {
        set_live((before) => (connected ? { state: 'live', since: Date.now() } : before.state === 'lost' ? before : { state: 'lost', since: Date.now() }));
        if (connected && was_lost) void queries.invalidateQueries();
        was_lost = !connected;
      },
      on_gap: () => void queries.invalidateQueries(),
      // Signed out, or the key is gone: whatever asks next finds out and shows it.
      on_end: () => void queries.invalidateQueries({ queryKey: ['session'] }),
    });
    return () => {
      close();
      clearTimeout(timer);
    };
  }, [queries]);

  return <LiveContext.Provider value={live}>{children}</LiveContext.Provider>;
}
