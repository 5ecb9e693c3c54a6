import { Link } from 'wouter';

import { acting_for } from '../api/acting';
import type { Session } from '../api/client';
import { role_name } from '../lib/roles';
import { show_moment } from '../lib/time';
import { Card, Facts, Page } from '../parts/basics';
import { Keys } from '../parts/keys';

export default function AccountPage({ session }: { session: Session }) {
  return (
    <Page title="Account">
      <Card>
        <Facts
          of={[
            ['Name', session.account?.name],
            ['Account', session.account?.id],
            ['Signed in as', session.scopes.map((scope) => scope.toLowerCase()).join(', ')],
            ['Role', acting_for ? `${role_name(session.role)}, of the team` : role_name(session.role)],
            ['Until', show_moment(session.expires_at)],
            ['Members', <Link key="m" href="/teams">who acts for it, and for whom you may</Link>],
          ]}
        />
      </Card>
      <Card title="Keys">
        <Keys session={session} />
      </Card>
    </Page>
  );
}
