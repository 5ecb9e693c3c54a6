// Why a node's reliability is what it is.
import { useEvidence } from '../api/asks';
import type { NodeOfMarket } from '../api/client';
import type { Evidence as EvidenceOf } from '../lib/evidence';
import { blame_names, end_reasons, plural } from '../lib/words';
import { View } from './states';

export const percent = (share: number) => `${(share * 100).toFixed(share < 1 ? 2 : 0)} %`;

export function Evidence({ node }: { node: NodeOfMarket }) {
  const asked = useEvidence(node.id);
  return (
    <View of={asked} what="leases">
      {(evidence) => <Sum node={node} evidence={evidence} whole={evidence.whole} />}
    </View>
  );
}

function Sum({ node, evidence, whole }: { node: NodeOfMarket; evidence: EvidenceOf; whole: boolean }) {
  const ended = evidence.kept + evidence.broken;
  const exact = Math.abs(evidence.reliability - node.reliability) < 1e-6;
  const others = whole ? 'The market counts leases, too, that it lists no more, or that ended a moment ago.' : 'The market counts the older leases, too.';
  return (
    <div className="stack">
      <p>
        <b>{percent(node.reliability)}</b> of leases here are kept to their end: {evidence.kept} of {whole ? '' : 'the newest '}{plural(ended, 'ended lease')} were, {evidence.broken} {evidence.broken === 1 ? 'was' : 'were'} not.
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
      <p className="hint">{exact ? `Every node begins as if it had kept 19 of 20: (19 + ${evidence.kept}) / (20 + ${ended}) is ${percent(evidence.reliability)}.` : others}</p>
    </div>
  );
}
