// The frame around every page: who is signed in, where one can go, whether it is live.
import * as Ariakit from '@ariakit/react';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';

import { act_for, acting_for } from './api/acting';
import { useMarket, useSession, useTeams } from './api/asks';
import { ApiError, call, own, type Session } from './api/client';
import { LiveProvider, useLive } from './api/live';
import { MayProvider } from './api/may';
import { may, role_name, type Right } from './lib/roles';
import { account_words, invitations_of, joined_of } from './lib/teams';
import { apply_theme, stored_theme, type Theme } from './lib/theme';
import { SignIn } from './pages/sign_in';
import { Boundary } from './parts/boundary';
import { ErrorBox, Loading } from './parts/states';
import { after_switch, sections } from './routes';

const MarketPage = lazy(() => import('./pages/market'));
const NewPage = lazy(() => import('./pages/new'));
const JobsPage = lazy(() => import('./pages/jobs'));
const JobPage = lazy(() => import('./pages/job'));
const LeasesPage = lazy(() => import('./pages/leases'));
const LeasePage = lazy(() => import('./pages/lease'));
const ProvidePage = lazy(() => import('./pages/provide'));
const NodePage = lazy(() => import('./pages/node'));
const WalletPage = lazy(() => import('./pages/wallet'));
const OperatorPage = lazy(() => import('./pages/operator'));
const AccountPage = lazy(() => import('./pages/account'));
const TeamsPage = lazy(() => import('./pages/teams'));

export function App() {
  const session = useSession();
  useEffect(() => apply_theme(stored_theme()), []);
  const refused = session.error instanceof ApiError ? session.error.status : 0;
  if (refused === 401) return <SignIn />;
  // Removed, or with a key that opens nothing there: whatever else is asked for the team is refused as well.
  if (acting_for && (refused === 403 || refused === 404)) return <NotForTeam error={session.error} name={account_words(session.data?.account?.name ?? '', acting_for)} />;
  if (!session.data) {
    return (
      <main className="alone">
        {session.error ? <Unreachable error={session.error} retry={() => void session.refetch()} /> : <Loading what="the console" />}
      </main>
    );
  }
  return (
    <LiveProvider>
      <Frame session={session.data} />
    </LiveProvider>
  );
}

function NotForTeam({ error, name }: { error: unknown; name: string }) {
  return (
    <main className="alone">
      <title>Not your team – Fallow</title>
      <h1>You cannot act for {name}</h1>
      <ErrorBox error={error} />
      <button type="button" onClick={() => act_for(null, '/teams')}>
        Go on as yourself
      </button>
    </main>
  );
}

// The server is starting, or away: the page looks again by itself.
function Unreachable({ error, retry }: { error: unknown; retry: () => void }) {
  useEffect(() => {
    const timer = setInterval(retry, 2_000);
    return () => clearInterval(timer);
  });
  return <ErrorBox error={error} retry={retry} />;
}

function Frame({ session }: { session: Session }) {
  const market = useMarket();
  const [path] = useLocation();
  const teams = useTeams();
  // In a team the session has the role of its member or of his key: what both have is his.
  const role_in_team = teams.data?.teams.find((team) => team.account === acting_for)?.role ?? session.role;
  const may_here = useCallback((right: Right) => may([session.role, role_in_team], right), [session.role, role_in_team]);
  const mine = sections.filter((section) => section.scopes.some((scope) => session.scopes.includes(scope)) && (!section.right || may_here(section.right)));
  // On a narrow screen the row of pages scrolls: the one that is open is in sight.
  useEffect(() => {
    void document.querySelector('nav [aria-current]')?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  }, [path]);
  const home = session.scopes.includes('RENTER') ? '/market' : session.scopes.includes('PROVIDER') ? '/provide' : '/operator';
  return (
    <div className="frame">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <Link href={home} className="brand">
          <Mark />
          <span>{market.data?.name ?? 'Fallow'}</span>
        </Link>
        <nav aria-label="Pages">
          {mine.map((section) => (
            <Link key={section.path} href={section.path} aria-current={path.startsWith(section.path) ? 'page' : undefined}>
              {section.name}
            </Link>
          ))}
        </nav>
        <div className="row tight">
          <LiveLight />
          <AccountMenu session={session} />
        </div>
      </header>
      {acting_for && <Acting session={session} />}
      <main id="content" tabIndex={-1}>
        <MayProvider value={may_here}>
          <Boundary key={path} what="This page">
            <Suspense fallback={<Loading what="the page" />}>
              <Switch>
                <Route path="/market">{() => <MarketPage session={session} />}</Route>
                <Route path="/new">{() => <NewPage />}</Route>
                <Route path="/jobs">{() => <JobsPage session={session} />}</Route>
                <Route path="/jobs/:order">{({ order }) => <JobPage key={order} order={order} session={session} />}</Route>
                <Route path="/leases">{() => <LeasesPage />}</Route>
                <Route path="/leases/:lease">{({ lease }) => <LeasePage key={lease} lease={lease} session={session} />}</Route>
                <Route path="/provide">{() => <ProvidePage session={session} />}</Route>
                <Route path="/provide/:node">{({ node }) => <NodePage key={node} node={node} session={session} />}</Route>
                <Route path="/wallet">{() => <WalletPage session={session} />}</Route>
                <Route path="/operator">{() => <OperatorPage session={session} />}</Route>
                <Route path="/account">{() => <AccountPage session={session} />}</Route>
                <Route path="/teams">{() => <TeamsPage session={session} />}</Route>
                <Route>{() => <Redirect to={home} replace />}</Route>
              </Switch>
            </Suspense>
          </Boundary>
        </MayProvider>
      </main>
    </div>
  );
}

export const Mark = () => (
  <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" className="mark">
    <rect width="32" height="32" rx="7" />
    <path d="M6 22h20M6 26h20" className="furrow" />
    <path d="M16 19V9m0 5c-5 0-6-3-6-6 4 0 6 2 6 6zm0 2c4 0 6-3 6-6-4 0-6 2-6 6z" />
  </svg>
);

function LiveLight() {
  const live = useLive();
  const lost = live.state === 'lost';
  return (
    <span className={`live ${live.state}`} role="status" title={lost ? 'The connection to the server is lost; it is being taken up again' : 'Connected: pages follow the market by themselves'}>
      <i aria-hidden="true" />
      <span>{lost ? 'Reconnecting…' : 'Live'}</span>
    </span>
  );
}

function Acting({ session }: { session: Session }) {
  const [path] = useLocation();
  const name = account_words(session.account?.name ?? '', acting_for ?? '');
  return (
    <aside className="acting" aria-label="For whom you act">
      <span>
        You act for <strong>{name}</strong> as {role_name(session.role)}: what you do here is the team's.
      </span>
      <button type="button" className="plain" onClick={() => act_for(null, after_switch(path))}>
        Back to yourself
      </button>
    </aside>
  );
}

// More than these stand on the page of the teams.
const teams_in_menu_max = 8;

function AccountMenu({ session }: { session: Session }) {
  const [path, go] = useLocation();
  const teams = useTeams();
  const [theme, set_theme] = useState<Theme>(stored_theme());
  const name = account_words(session.account?.name ?? '', session.account?.id ?? '');
  const joined = joined_of(teams.data?.teams ?? []);
  const invitations = invitations_of(teams.data?.teams ?? []).length;
  const own_name = acting_for ? joined.find((team) => team.account === acting_for)?.member_name : name;
  const sign_out = async () => {
    try {
      await call(own.DELETE('/v1/session'));
    } catch {
      // Signed out already, or the server is away: the next answer tells.
    }
    // A fresh page: nothing of this person's stays in memory.
    act_for(null, '/');
  };
  const choose = (chosen: Theme) => {
    apply_theme(chosen);
    set_theme(chosen);
  };
  return (
    <Ariakit.MenuProvider placement="bottom-end">
      <Ariakit.MenuButton className={`plain account${acting_for ? ' team' : ''}`}>
        <span className="avatar" aria-hidden="true">
          {name[0]?.toUpperCase()}
        </span>
        <span className="account-name">{name}</span>
        {invitations > 0 && <i className="news" role="img" aria-label={`Invitations: ${invitations}`} />}
      </Ariakit.MenuButton>
      <Ariakit.Menu className="menu" gutter={6} preventBodyScroll={false}>
        <p className="menu-about">
          {name} · account {session.account?.id}
          <br />
          {session.scopes.map((scope) => scope.toLowerCase()).join(', ')}
          {session.role !== 'OWNER' && ` · ${role_name(session.role)}`}
        </p>
        {(joined.length > 0 || acting_for) && (
          <>
            <Ariakit.MenuItem className="menu-item" onClick={() => acting_for && act_for(null, after_switch(path))}>
              {acting_for ? '○ ' : '● '}
              {own_name ? `${own_name}, yourself` : 'Yourself'}
            </Ariakit.MenuItem>
            {joined.slice(0, teams_in_menu_max).map((team) => (
              <Ariakit.MenuItem key={team.account} className="menu-item" onClick={() => team.account !== acting_for && act_for(team.account, after_switch(path))}>
                {team.account === acting_for ? '● ' : '○ '}
                {account_words(team.account_name, team.account)}, as {role_name(team.role)}
              </Ariakit.MenuItem>
            ))}
          </>
        )}
        <Ariakit.MenuItem className="menu-item" onClick={() => go('/teams')}>
          Teams {invitations > 0 && <span className="badge warn">Invitations: {invitations}</span>}
        </Ariakit.MenuItem>
        <Ariakit.MenuItem className="menu-item" onClick={() => go('/account')}>
          Keys
        </Ariakit.MenuItem>
        {(['system', 'light', 'dark'] as const).map((one) => (
          <Ariakit.MenuItem key={one} className="menu-item" hideOnClick={false} onClick={() => choose(one)}>
            {theme === one ? '● ' : '○ '}
            {one === 'system' ? "Colours: the system's" : `Colours: ${one}`}
          </Ariakit.MenuItem>
        ))}
        <Ariakit.MenuItem className="menu-item" onClick={() => void sign_out()}>
          Sign out
        </Ariakit.MenuItem>
      </Ariakit.Menu>
    </Ariakit.MenuProvider>
  );
}
