// Who acts for whom: invitations, the teams that one is in, and the members of the account that the page acts for.
import { act_for, acting_for } from '../api/acting';
import { useChange, useOwnSession, useTeams } from '../api/asks';
import { call, own, type Member, type Session } from '../api/client';
import { useMay } from '../api/may';
import { may, role_name } from '../lib/roles';
import { account_words, invitations_of, joined_of } from '../lib/teams';
import { roles } from '../lib/words';
import { AskButton, Badge, Card, Page } from '../parts/basics';
import { Members } from '../parts/members';
import { NewTeam } from '../parts/new_team';
import { Empty, View } from '../parts/states';

export default function TeamsPage({ session }: { session: Session }) {
  const teams = useTeams();
  const me = useOwnSession();
  const may_here = useMay();
  // To join and to leave is done as oneself, whatever one may for the team that the page acts for.
  const may_answer = me.data !== undefined && may([me.data.role], 'manage');
  return (
    <Page title="Teams" lead="A team is an account with members. Each acts for it with a key of his own, and may what his role says.">
      <Card title="Invitations">
        <p>
          You are account <strong>{acting_for ? session.member : session.account?.id}</strong>: who wants you in a team invites this number.
        </p>
        <View of={teams} what="invitations">{(data) => <Invitations of={invitations_of(data.teams)} may_answer={may_answer} />}</View>
      </Card>
      <Card title="Your teams">
        <View of={teams} what="teams">{(data) => <Teams of={joined_of(data.teams)} may_leave={may_answer} />}</View>
        {session.scopes.includes('OPERATOR') && may_here('manage') ? (
          <NewTeam />
        ) : (
          <p className="hint">Your own account becomes a team when you invite somebody. A team with a wallet of its own is an account of its own: the market&apos;s operator opens it.</p>
        )}
      </Card>
      <Members session={session} />
    </Page>
  );
}

function Invitations({ of, may_answer }: { of: Member[]; may_answer: boolean }) {
  const accept = useChange((team: string) => call(own.PUT('/v1/teams/{team}', { params: { path: { team } }, body: {} })), ['teams']);
  const decline = useChange((team: string) => call(own.DELETE('/v1/teams/{team}', { params: { path: { team } } })), ['teams']);
  if (of.length === 0) return <Empty title="No open invitation" />;
  return (
    <ul className="plain-list" aria-label="Invitations">
      {of.map((team) => {
        const name = account_words(team.account_name, team.account);
        return (
          <li key={team.account}>
            <TeamWords of={team} />
            {may_answer ? (
              <span className="row">
                <AskButton label="Accept" about={`Accept: ${name}`} title={`Join ${name}?`} action="Join it" act={() => accept.mutateAsync(team.account)}>
                  <p>
                    As {role_name(team.role)} you may act for it: {roles[team.role]}. Your own account and its money stay yours alone, and you may leave at any time.
                  </p>
                </AskButton>
                <AskButton label="Decline" about={`Decline: ${name}`} title={`Decline to join ${name}?`} danger action="Decline" act={() => decline.mutateAsync(team.account)}>
                  <p>The invitation is gone. An owner of {name} may send another one.</p>
                </AskButton>
              </span>
            ) : (
              <span className="muted">answered with a key whose role is owner</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Teams({ of, may_leave }: { of: Member[]; may_leave: boolean }) {
  // The page begins anew where it acted for the team that was left.
  const leave = useChange((team: string) => call(own.DELETE('/v1/teams/{team}', { params: { path: { team } } })).then(() => team === acting_for && act_for(null, '/teams')), ['teams', 'members']);
  if (of.length === 0) return <Empty title="You are in no team" />;
  return (
    <ul className="plain-list" aria-label="Your teams">
      {of.map((team) => {
        const name = account_words(team.account_name, team.account);
        return (
          <li key={team.account}>
            <TeamWords of={team} />
            <span className="row">
              {team.account !== acting_for && (
                <button type="button" aria-label={`Act for it: ${name}`} onClick={() => act_for(team.account, '/teams')}>
                  Act for it
                </button>
              )}
              {may_leave && (
                <AskButton label="Leave" about={`Leave: ${name}`} title={`Leave ${name}?`} danger action="Leave it" act={() => leave.mutateAsync(team.account)}>
                  <p>You act for it no more, at once. Only an owner of {name} can ask you back.</p>
                </AskButton>
              )}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

function TeamWords({ of: team }: { of: Member }) {
  return (
    <span>
      <strong>{account_words(team.account_name, team.account)}</strong> <Badge tone="calm">{role_name(team.role)}</Badge> {team.account === acting_for && <Badge tone="busy">you act for it</Badge>}
      <br />
      <span className="muted">
        account {team.account} · {roles[team.role]}
      </span>
    </span>
  );
}
