// Why a node's reliability is what it is.
import { useEvidence, useMarket } from '../api/asks';
import type { NodeOfMarket } from '../api/client';
import type { Evidence as EvidenceOf } from '../lib/evidence';
import { blame_names, end_reasons, plural } from '../lib/words';
import { View } from './states';

export const percent = (share: number) => `${(share * 100).toFixed(share < 1 ? 2 : 0)} %`;

export function Evidence({ node }: { node: NodeOfMarket }) {
  const weighs = useMarket().data?.policy?.weighs_kept_time ?? false;
  const asked = useEvidence(node.id, weighs ? { provider: node.provider } : undefined);
  return (
    <View of={asked} what="leases">
      {(evidence) => <Sum node={node} evidence={evidence} whole={evidence.whole} weighs={weighs} />}
    </View>
  );
}

function Sum({ node, evidence, whole, weighs }: { node: NodeOfMarket; evidence: EvidenceOf; whole: boolean; weighs: boolean }) {
  const ended = evidence.kept + evidence.broken;
  const exact = Math.abs(evidence.reliability - node.reliability) < 1e-6;
  const others = whole ? 'The market counts leases, too, that it lists no more, or that ended a moment ago.' : 'The market counts the older leases, too.';
  const counted = evidence.counted === evidence.kept ? '' : ` The ${evidence.kept} count as ${evidence.counted}: each by its time, for whole from ten minutes on.`;
  return (
    <div className="stack">
      <p>
        <b>{percent(node.reliability)}</b> of leases here are kept to their end: {evidence.kept} of {whole ? '' : 'the newest '}{plural(ended, 'ended lease')} were, {evidence.broken} {evidence.broken === 1 ? 'was' : 'were'} not.{weighs ? counted : ''}
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
      <p className="hint">{exact ? `Every node begins as if it had kept 19 of 20: (19 + ${evidence.counted}) / (20 + ${evidence.counted + evidence.broken}) is ${percent(evidence.reliability)}.` : others}</p>
    </div>
  );
}
