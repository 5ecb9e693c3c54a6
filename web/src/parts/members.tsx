// Who else acts for the account that the page acts for: seen by all of them, changed by its owners.
import { useEffect, useState } from 'react';

import { useChange, useMembers } from '../api/asks';
import { call, client, type Member, type Session } from '../api/client';
import { useMay } from '../api/may';
import { role_name, type Role } from '../lib/roles';
import { account_number, account_words } from '../lib/teams';
import { roles } from '../lib/words';
import { AskButton, Badge, Card, Field } from './basics';
import { RoleField } from './role_field';
import { Empty, View } from './states';

// A membership of one's own, too: what the session may follows from it.
const touches = ['members', 'teams', 'session'];
const useRole = () => useChange(({ member, role }: { member: string; role: Role }) => call(client.PUT('/v1/members/{member}', { params: { path: { member } }, body: { role } })), touches);

export function Members({ session }: { session: Session }) {
  const members = useMembers();
  const may_manage = useMay()('manage');
  const team = account_words(session.account?.name ?? '', session.account?.id ?? '');
  return (
    <Card title={`Members of ${team}`} actions={may_manage && <Invite team={team} />}>
      <View of={members} what="members">
        {(data) =>
          data.members.length === 0 ? (
            <Empty title="Nobody else acts for this account">{may_manage ? 'Invite somebody, and it is a team.' : 'Its owners may invite others.'}</Empty>
          ) : (
            <>
              <ul className="plain-list" aria-label="Members">
                {data.members.map((member) => (
                  <MemberRow key={member.member} of={member} team={team} is_me={member.member === session.member} may_manage={may_manage} />
                ))}
              </ul>
              {!may_manage && <p className="hint">Owners invite, change roles and remove.</p>}
            </>
          )
        }
      </View>
    </Card>
  );
}

function MemberRow({ of, team, is_me, may_manage }: { of: Member; team: string; is_me: boolean; may_manage: boolean }) {
  const name = account_words(of.member_name, of.member);
  const [role, set_role] = useState(of.role);
  useEffect(() => set_role(of.role), [of.role]);
  const change = useRole();
  const remove = useChange(() => call(client.DELETE('/v1/members/{member}', { params: { path: { member: of.member } } })), touches);
  return (
    <li>
      <span>
        <strong>{name}</strong> <Badge tone="calm">{role_name(of.role)}</Badge> {of.invited && <Badge tone="warn">invited</Badge>} {is_me && <Badge tone="busy">you</Badge>}
        <br />
        <span className="muted">{of.invited ? 'may nothing before accepting, and has no name here till then' : `account ${of.member} · ${roles[of.role]}`}</span>
      </span>
      {may_manage && (
        <span className="row">
          <AskButton label="Change role" about={`Change role: ${name}`} title={`What ${name} may do for ${team}`} action="Change it" act={() => change.mutateAsync({ member: of.member, role })}>
            <RoleField role={role} set_role={set_role} />
            {is_me && <p>It is your own role: with a lesser one you cannot take this back.</p>}
          </AskButton>
          {of.invited ? (
            <AskButton label="Take back" about={`Take back: ${name}`} title={`Take back the invitation of ${name}?`} danger action="Take it back" act={() => remove.mutateAsync(undefined)}>
              <p>It cannot be accepted any more.</p>
            </AskButton>
          ) : (
            !is_me && (
              <AskButton label="Remove" about={`Remove: ${name}`} title={`Remove ${name} from ${team}?`} danger action="Remove it" act={() => remove.mutateAsync(undefined)}>
                <p>{name} acts for {team} no more, at once, open pages and terminals included. Keys of {team} that were made meanwhile stay: they are on its page Account.</p>
              </AskButton>
            )
          )}
        </span>
      )}
    </li>
  );
}

function Invite({ team }: { team: string }) {
  const [member, set_member] = useState('');
  const [role, set_role] = useState<Role>('MEMBER');
  const change = useRole();
  const invite = async () => {
    const number = account_number(member);
    if (number === null) throw new Error("say whom: an account's number");
    await change.mutateAsync({ member: number, role });
    set_member('');
  };
  return (
    <AskButton label="Invite" title={`Invite somebody to ${team}`} action="Invite" act={invite}>
      <Field label="Account number" hint="It stands on the page Teams of whom you invite." error={member && account_number(member) === null ? 'A number such as 12288.' : null}>
        {(props) => <input {...props} inputMode="numeric" autoComplete="off" value={member} onChange={(event) => set_member(event.target.value)} />}
      </Field>
      <RoleField role={role} set_role={set_role} />
    </AskButton>
  );
}
