// Which class a node's devices are of, verified or not, and what that rests on.
import type { NodeOfMarket } from '../api/client';
import { proof_of } from '../lib/proof';
import { device_name } from '../lib/words';
import { Badge, Facts } from './basics';

// `asks`: the market asks for proofs at all.
export function Proofs({ node, asks }: { node: NodeOfMarket; asks: boolean }) {
  return (
    <div className="stack">
      {(node.facts?.devices ?? []).map((device) => {
        const proof = proof_of(device);
        return (
          <section key={device.index} aria-label={`Proof of device ${device.index}`}>
            <p>
              <Badge tone={proof.tone}>{proof.name}</Badge>{' '}
              <strong>
                #{device.index} {device_name(device.model)}
              </strong>{' '}
              <span className="muted">{proof.words}</span>
            </p>
            {proof.facts.length > 0 && <Facts of={proof.facts} />}
          </section>
        );
      })}
      <p className="hint">
        {asks
          ? 'The market has each device compute and hold what only such a device can in the time, and checks the answer. verified=true in a query takes devices that passed their last proof.'
          : 'This market asks for no proofs: its operator has set no interval for them.'}
      </p>
    </div>
  );
}
