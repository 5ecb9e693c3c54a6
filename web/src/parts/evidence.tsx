// Why a node's reliability is what it is.
import { useEffect, useMemo } from 'react';

import { useLeases } from '../api/asks';
import type { NodeOfMarket } from '../api/client';
import { evidence_of } from '../lib/evidence';
import { blame_names, end_reasons, plural } from '../lib/words';
import { View } from './states';

const leases_max = 5_000;
export const percent = (share: number) => `${(share * 100).toFixed(share < 1 ? 2 : 0)} %`;

export function Evidence({ node }: { node: NodeOfMarket }) {
  const leases = useLeases({ node: node.id }, true, 1000);
  const { more } = leases;
  const count = leases.rows?.length ?? 0;
  const reading = more.has && count < leases_max;
  useEffect(() => {
    if (reading && !more.busy) more.fetch();
  }, [reading, more]);
  const evidence = useMemo(() => evidence_of(leases.rows ?? []), [leases.rows]);
  const ended = evidence.kept + evidence.broken;
  const exact = Math.abs(evidence.reliability - node.reliability) < 1e-6;
  return (
    <View of={leases} what="leases">
      {() => (
        <div className="stack">
          <p>
            <b>{percent(node.reliability)}</b> of leases here are kept to their end: {evidence.kept} of {plural(ended, 'ended lease')} {reading && 'so far '}were, {evidence.broken} {evidence.broken === 1 ? 'was' : 'were'} not.
          </p>
          {evidence.reasons.length > 0 && (
            <ul className="plain-list">
              {evidence.reasons.map((one) => (
                <li key={one.reason}>
                  <span>{end_reasons[one.reason]}</span>
                  <span className="muted">
                    {one.count} ×, to blame: {blame_names[one.blame]}
                  </span>
                </li>
              ))}
            </ul>
          )}
          <p className="hint">
            {exact
              ? `Every node begins as if it had kept 19 of 20: (19 + ${evidence.kept}) / (20 + ${ended}) is ${percent(evidence.reliability)}.`
              : 'The market counts leases, too, that it lists no more.'}
          </p>
        </div>
      )}
    </View>
  );
}
