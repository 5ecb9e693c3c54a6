// "Lower gpu_ram to 16.376" as a button: what would match after it, and at what price.
import type { Schemas } from '../api/client';
import { Money } from './basics';

type Relaxation = Schemas['RelaxationView'];

export function Relaxations({ of, change }: { of: Relaxation[]; change: (relaxation: Relaxation) => (() => void) | undefined }) {
  if (of.length === 0) return null;
  return (
    <ul className="relaxations" aria-label="Changes that would help">
      {of.map((relaxation) => {
        const act = change(relaxation);
        const words = (
          <>
            <span>{relaxation.change}</span>
            {relaxation.task_price_per_hour && (
              <span className="muted">
                then <Money of={relaxation.task_price_per_hour} /> an hour
              </span>
            )}
          </>
        );
        return (
          <li key={relaxation.change}>
            {act ? (
              <button type="button" className="plain" onClick={act}>
                {words}
              </button>
            ) : (
              <span className="chip">{words}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
