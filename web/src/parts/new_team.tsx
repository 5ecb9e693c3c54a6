// An operator opens an account for a team and has it invite its first owner.
import { useRef, useState } from 'react';

import { useChange } from '../api/asks';
import { call, client, with_key, type Schemas } from '../api/client';
import { account_number } from '../lib/teams';
import { AskButton, Field } from './basics';
import { NewKeys } from './new_keys';

type Opened = { id: string; name: string; key: string };

export function NewTeam() {
  const [name, set_name] = useState('');
  const [owner, set_owner] = useState('');
  const [scopes, set_scopes] = useState<Schemas['Scope'][]>(['RENTER']);
  const [opened, set_opened] = useState<Opened[]>([]);
  // Opened already, by what was asked for, where only the invitation failed: what is tried again then is the invitation.
  const half_done = useRef(new Map<string, Opened>());
  const create = useChange(async () => {
    const number = account_number(owner);
    if (owner.trim() && number === null) throw new Error("the first owner is an account's number, or nobody yet");
    const asked = JSON.stringify([name, scopes]);
    let team = half_done.current.get(asked);
    if (!team) {
      const made = await call(client.POST('/v1/accounts', { body: { name, scopes } }));
      const fresh = { id: made.account?.id ?? '', name, key: made.api_key };
      half_done.current.set(asked, fresh);
      set_opened((before) => [...before, fresh]);
      team = fresh;
    }
    if (number) await call(with_key(team.key).PUT('/v1/members/{member}', { params: { path: { member: number } }, body: { role: 'OWNER' } }));
    half_done.current.delete(asked);
    set_name('');
    set_owner('');
  }, ['accounts', 'teams', 'members']);
  return (
    <>
      <NewKeys
        of={opened.map(({ id, name, key }) => ({ id, key, name: `account ${id}`, about: `The first key of ${name || 'the team'}, account ${id}` }))}
        hint="It does everything for the team. Hand it over, or revoke it once an owner has accepted."
      />
      <div className="row">
        <AskButton label="Create a team" title="Create a team" action="Create it" act={() => create.mutateAsync(undefined)}>
          <Field label="Name">{(props) => <input {...props} value={name} maxLength={200} onChange={(event) => set_name(event.target.value)} />}</Field>
          <fieldset className="choice">
            <legend>May act as</legend>
            {(['RENTER', 'PROVIDER', 'OPERATOR'] as const).map((scope) => (
              <label key={scope} className="check">
                <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => set_scopes((before) => (event.target.checked ? [...before, scope] : before.filter((one) => one !== scope)))} /> {scope.toLowerCase()}
              </label>
            ))}
          </fieldset>
          <Field label="First owner" hint="The number of an account, which is invited. Empty: whoever has the key invites." error={owner && account_number(owner) === null ? 'A number such as 12288.' : null}>
            {(props) => <input {...props} inputMode="numeric" autoComplete="off" value={owner} onChange={(event) => set_owner(event.target.value)} />}
          </Field>
        </AskButton>
      </div>
    </>
  );
}
