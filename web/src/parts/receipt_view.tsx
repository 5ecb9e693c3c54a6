// A receipt and what the browser found when it checked it, here and alone.
import type { Verdict } from '../receipt/verify';
import { end_reasons, money_of_end, tiers } from '../lib/words';
import { Facts, Money } from './basics';

export function ReceiptView({ verdict, market_key }: { verdict: Verdict; market_key?: string }) {
  const { body } = verdict;
  const foreign = market_key !== undefined && verdict.market_public_key !== market_key;
  const ok = verdict.ok && !foreign;
  return (
    <div className="stack">
      <div className={`verdict ${ok ? 'good' : 'bad'}`} role="status">
        <strong>{ok ? 'This receipt is right' : 'This receipt is not right'}</strong>
        <span>{ok ? 'Every check below was done in this browser; nothing was sent anywhere.' : 'The checks that failed say why.'}</span>
      </div>
      <ul className="checks">
        {verdict.checks.map((check) => (
          <li key={check.name} className={check.ok ? 'ok' : 'wrong'}>
            <span className="mark-of" role="img" aria-label={check.ok ? 'right' : 'wrong'}>
              {check.ok ? '✓' : '✗'}
            </span>
            <span>
              <strong>{check.name}</strong>
              <small>{check.detail}</small>
            </span>
          </li>
        ))}
        {market_key !== undefined && (
          <li className={foreign ? 'wrong' : 'ok'}>
            <span className="mark-of" role="img" aria-label={foreign ? 'wrong' : 'right'}>
              {foreign ? '✗' : '✓'}
            </span>
            <span>
              <strong>{foreign ? "Another market's key" : "This market's key"}</strong>
              <small>{verdict.market_public_key}</small>
            </span>
          </li>
        )}
      </ul>
      {body && (
        <Facts
          of={[
            ['Lease', `${body.lease}, task ${body.task}, attempt ${body.attempt} of order ${body.order}`],
            ['Node', `${body.node}${body.devices.length ? `: ${body.devices.map((device) => device.model).join(', ')}` : ''}`],
            ['Ended', end_reasons[body.reason]],
            ['Blame', money_of_end(body)],
            ['Tier', tiers[body.tier]],
            ['Proven', `${Number(body.proven_us) / 1e6} s by ${body.meters.length} signed records`],
            ['Rate', <Money key="rate" of={body.rate_hour_micros} currency={`${body.currency} / h`} />],
            body.egress_bytes > 0n && ['Sent', `${Number(body.egress_bytes) / 1e9} GB by the node's records`],
            body.egress_gb_micros > 0n && ['Of the charge, for what was sent', <Money key="egress" of={body.egress_micros} currency={body.currency} />],
            ['Charged', <Money key="charged" of={body.charged_micros} currency={body.currency} />],
            ['Refunded', <Money key="refunded" of={body.refunded_micros} currency={body.currency} />],
            body.credited_micros > 0n && ['Of it, credited for slowed devices', <Money key="credited" of={body.credited_micros} currency={body.currency} />],
            body.slowed_us > 0n && ['Slowed down', `${Number(body.slowed_us) / 1e6} s by the node's records`],
            body.slow_basis_points > 0n && ['Slower than verified', `${Number(body.slow_basis_points) / 100} %, as the market proved`],
            ["Market's fee inside", <Money key="fee" of={body.fee_micros} currency={body.currency} />],
            ['Paid', <strong key="paid"><Money of={body.paid_micros} currency={body.currency} /></strong>],
          ]}
        />
      )}
    </div>
  );
}
