import type { Session } from '../api/client';
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
            ['Until', show_moment(session.expires_at)],
          ]}
        />
      </Card>
      <Card title="Keys">
        <Keys session={session} />
      </Card>
    </Page>
  );
}
