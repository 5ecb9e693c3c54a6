// A few offers side by side.
import type { Offer } from '../api/client';
import { compare } from '../lib/compare';
import { device_name } from '../lib/words';
import { Card } from './basics';

// `rent`: absent for who cannot.
export default function Compare({ offers, currency, remove, clear, rent }: { offers: Offer[]; currency: string; remove: (offer: Offer) => void; clear: () => void; rent?: (offer: Offer) => void }) {
  const name = (offer: Offer) => `${device_name(offer.gpu_name)} on ${offer.node_name}`;
  return (
    <Card
      title="Side by side"
      actions={
        <button type="button" className="plain" onClick={clear}>
          Close
        </button>
      }
    >
      <div className="scrolls-x" tabIndex={0} role="region" aria-label="Offers side by side">
        <table className="parts compare">
          <caption className="sr">Offers side by side, amounts in {currency}; the best of each row is marked</caption>
          <thead>
            <tr>
              <td />
              {offers.map((offer) => (
                <th key={offer.id} scope="col">
                  <strong>{name(offer)}</strong>
                  <span className="row">
                    {rent && (
                      <button type="button" aria-label={`Rent ${name(offer)}`} onClick={() => rent(offer)}>
                        Rent
                      </button>
                    )}
                    <button type="button" className="plain" aria-label={`Take ${name(offer)} out`} onClick={() => remove(offer)}>
                      Take out
                    </button>
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {compare(offers).map((row) => (
              <tr key={row.name}>
                <th scope="row">{row.name}</th>
                {row.cells.map((cell, at) => (
                  <td key={offers[at]!.id} className={row.best[at] ? 'best' : undefined}>
                    {cell}
                    {row.best[at] && <span className="sr"> (best)</span>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
