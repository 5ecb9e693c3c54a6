// The keys of the signed-in account: list, make, revoke. An operator lists and revokes those of any.
import { useState } from 'react';

import { useChange, useKeys } from '../api/asks';
import { call, client, type Schemas, type Session } from '../api/client';
import { useMay } from '../api/may';
import { role_name, type Role } from '../lib/roles';
import { show_moment } from '../lib/time';
import { AskButton, Badge, Field } from './basics';
import { NewKeys, type NewKey } from './new_keys';
import { RoleField } from './role_field';
import { Empty, View } from './states';

export function Keys({ session }: { session: Session }) {
  const may_manage = useMay()('manage');
  const [label, set_label] = useState('');
  const [hours, set_hours] = useState('');
  const [scopes, set_scopes] = useState<Schemas['Scope'][]>(session.scopes);
  const [role, set_role] = useState<Role>('OWNER');
  const [made, set_made] = useState<NewKey[]>([]);
  const is_wrong_time = hours !== '' && !(Number(hours) > 0 && Number.isFinite(Number(hours))); // 1e999 would be sent as no time at all
  const create = useChange(async () => {
    const answer = await call(client.POST('/v1/keys', { body: { label, scopes, role, ...(hours ? { hours: Number(hours) } : {}) } }));
    const id = answer.key?.id ?? '';
    set_made((before) => [...before, { id, key: answer.api_key, name: `key ${id}`, about: `A new key, ${label || 'without a label'}, ${role_name(role)}` }]);
    set_label('');
  }, ['keys']);
  return (
    <div className="stack">
      <NewKeys of={made} />
      <KeyList session={session} />
      {may_manage ? (
        <AskButton label="Make a key" title="Make a key" action="Make it" disabled={scopes.length === 0 || is_wrong_time} act={() => create.mutateAsync(undefined)}>
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
          <RoleField role={role} set_role={set_role} hint="How much of that it may. A program that only reads needs a viewer's." />
          <Field label="Expires after hours" hint="Empty: it does not." error={is_wrong_time ? 'Hours, such as 720.' : null}>
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
