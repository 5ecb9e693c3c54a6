// Keys that were made here. The market keeps only their hashes, so each stands until the page is left: another one that is
// made meanwhile takes none away.
import { Copy } from './basics';

export interface NewKey {
  id: string; // its own among those shown
  about: string; // "The first key of Studio, account 8192"
  name: string; // "account 8192": of `New API key of …`, for who does not see it
  key: string;
}

export function NewKeys({ of, hint }: { of: NewKey[]; hint?: string }) {
  return of.map((one) => (
    <div key={one.id} className="box good">
      <strong>{`${one.about}, shown only this once`}</strong>
      <Copy text={one.key} what={`New API key of ${one.name}`} />
      {hint && <p className="hint">{hint}</p>}
    </div>
  ));
}
