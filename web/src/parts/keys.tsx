// The keys of the signed-in account: list, make, revoke. An operator lists and revokes those of any.
import { useState } from 'react';

import { useChange, useKeys } from '../api/asks';
import { call, client, type Schemas, type Session } from '../api/client';
import { useMay } from '../api/may';
import { role_name } from '../lib/roles';
import { show_moment } from '../lib/time';
import { AskButton, Badge, Copy, Field } from './basics';
import { Empty, View } from './states';

export function Keys({ session }: { session: Session }) {
  const may_manage = useMay()('manage');
  const [label, set_label] = useState('');
  const [hours, set_hours] = useState('');
  const [scopes, set_scopes] = useState<Schemas['Scope'][]>(session.scopes);
  const [made, set_made] = useState('');
  const create = useChange(async () => {
    const answer = await call(client.POST('/v1/keys', { body: { label, scopes, ...(hours ? { hours: Number(hours) } : {}) } }));
    set_made(answer.api_key);
    set_label('');
  }, ['keys']);
  return (
    <div className="stack">
      {made && (
        <div className="box good">
          <strong>A new key, shown only this once</strong>
          <Copy text={made} what="New API key" />
        </div>
      )}
      <KeyList session={session} />
      {may_manage ? (
        <AskButton label="Make a key" title="Make a key" action="Make it" act={() => create.mutateAsync(undefined)}>
          <Field label="Label" hint="What it is for: laptop, ci, monitoring.">
            {(props) => <input {...props} value={label} maxLength={100} onChange={(event) => set_label(event.target.value)} />}
          </Field>
          <fieldset className="choice">
            <legend>May act as</legend>
            {session.scopes.map((scope) => (
              <label key={scope} className="check">
                <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => set_scopes((before) => (event.target.checked ? [...before, scope] : before.filter((one) => one !== scope)))} /> {scope.toLowerCase()}
              </label>
            ))}
          </fieldset>
          <Field label="Expires after hours" hint="Empty: it does not.">
            {(props) => <input {...props} inputMode="decimal" value={hours} onChange={(event) => set_hours(event.target.value)} />}
          </Field>
        </AskButton>
      ) : (
        <p className="hint">Owners make and revoke keys.</p>
      )}
    </div>
  );
}

// `account`: another one than the signed-in one's, for an operator.
export function KeyList({ session, account = '' }: { session: Session; account?: string }) {
  const keys = useKeys(account);
  const may_manage = useMay()('manage');
  const revoke = useChange((key: string) => call(client.DELETE('/v1/keys/{key}', { params: { path: { key }, query: account ? { account } : {} } })), ['keys', 'session']);
  return (
    <View of={keys} what="keys">
      {(data) =>
        data.keys.length === 0 ? (
          <Empty title="No key" />
        ) : (
          <ul className="plain-list">
            {data.keys.map((key) => (
              <li key={key.id}>
                <span>
                  <strong>{key.label || 'without a label'}</strong> <code>{key.id}</code> <Badge tone="calm">{role_name(key.role)}</Badge> {key.id === session.key && <Badge tone="busy">this session</Badge>}
                  <br />
                  <span className="muted">
                    {key.scopes.map((scope) => scope.toLowerCase()).join(', ')} · {key.expires_at ? `until ${show_moment(key.expires_at)}` : 'does not expire'} ·{' '}
                    {key.last_used_at ? `last used ${show_moment(key.last_used_at)}` : 'not used that one knows'}
                  </span>
                </span>
                {may_manage && (
                  <AskButton label="Revoke" about={`Revoke: ${key.label || 'without a label'}, ${key.id}`} title="Revoke this key?" danger action="Revoke it" act={() => revoke.mutateAsync(key.id)}>
                    <p>Whatever uses it is shut out at once, sessions of the console and open streams, too{key.id === session.key ? '. It is the key that you are signed in with' : ''}.</p>
                  </AskButton>
                )}
              </li>
            ))}
          </ul>
        )
      }
    </View>
  );
}
