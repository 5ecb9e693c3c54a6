// One node: what it is, what it asks for, what ran on it.
import { useEffect, useState } from 'react';
import { useLocation } from 'wouter';

import { useChange, useClasses, useLeases, useMarket, useNode } from '../api/asks';
import { call, client, type NodeOfMarket, type Schemas, type Session } from '../api/client';
import { useMay } from '../api/may';
import { form_of_offer, is_wrong_offer, request_of_offer, wrong_term, type OfferForm, type OfferTerm } from '../lib/offer_form';
import { show_moment } from '../lib/time';
import { device_name, owner_states } from '../lib/words';
import { AskButton, Card, Facts, Field, Money, Page } from '../parts/basics';
import { Evidence } from '../parts/evidence';
import { NodeBadge } from '../parts/node_badge';
import { OwnerNotes } from '../parts/owner_notes';
import { Proofs } from '../parts/proof';
import { Empty, ErrorBox, View } from '../parts/states';
import { TelemetryCard } from '../parts/telemetry_card';
import { LeaseTable } from './leases';

export default function NodePage({ node: id, session }: { node: string; session: Session }) {
  const node = useNode(id);
  const market = useMarket();
  const leases = useLeases({ node: id });
  const [, go] = useLocation();
  const remove = useChange(() => call(client.DELETE('/v1/nodes/{node}', { params: { path: { node: id } } })), ['nodes', 'offers']);
  const mine = node.data?.provider === session.account?.id;
  const may_run = useMay()('run');
  return (
    <Page
      title={node.data?.facts?.name || `Node ${id}`}
      lead={
        node.data && (
          <>
            <NodeBadge node={node.data} /> {id} · owner {owner_states[node.data.owner]}
          </>
        )
      }
      actions={
        node.data &&
        may_run && (
          <AskButton label="Take away" title="Take this node out of the market?" danger action="Take it away" act={async () => { await remove.mutateAsync(undefined); go('/provide'); }}>
            <p>Its leases end at once, and since that is the provider's doing, all that they were charged is refunded. To end in good order, withdraw the offer first and wait for the leases to run out.</p>
          </AskButton>
        )
      }
    >
      <View of={node} what="the node">
        {(data) => (
          <>
            <div className="pair">
              <Card title="What it is">
                <Facts
                  of={[
                    ['Region', data.facts?.region || '–'],
                    ['Processor', `${(data.facts?.cpu_thousandths ?? 0) / 1000} cores`],
                    ['Memory', `${((data.facts?.memory_mb ?? 0) / 1000).toFixed(1)} GB`],
                    ['Disk', `${((data.facts?.disk_mb ?? 0) / 1000).toFixed(0)} GB`],
                    ['Network for workloads', data.facts?.network === 'EGRESS' ? 'egress' : 'none'],
                    !!data.offer?.egress_price_per_gb && ['A GB that they send', <Money key="egress" of={data.offer.egress_price_per_gb} />],
                    ['Sandbox', (data.facts?.isolation ?? '–').toLowerCase()],
                    ['Agent', data.facts?.agent_version || '–'],
                    ['Joined', show_moment(data.joined_at)],
                    ['Last heard', show_moment(data.seen_at)],
                  ]}
                />
                <h3>Devices</h3>
                <ul className="plain-list">
                  {(data.facts?.devices ?? []).map((device) => (
                    <li key={device.index}>
                      <strong>
                        #{device.index} {device_name(device.model ?? '')}
                      </strong>
                      <span className="muted">
                        {((device.memory_mb ?? 0) / 1000).toFixed(1)} GB, {device.kind?.toLowerCase()}
                        {device.driver ? `, driver ${device.driver}` : ''}
                      </span>
                    </li>
                  ))}
                </ul>
              </Card>
              <OfferEditor node={data} mine={mine && may_run && session.scopes.includes('PROVIDER')} currency={market.data?.currency ?? ''} />
            </div>
            <TelemetryCard of={{ node: id }} title="What its devices and workloads do" names={Object.fromEntries((data.facts?.devices ?? []).map((device) => [device.index, `#${device.index} ${device_name(device.model ?? '')}`]))} />
            <Card title="What the owner policy did">
              <OwnerNotes node={id} />
            </Card>
            <div className="pair">
              <Card title="Proof of its devices">
                <Proofs node={data} asks={Number(market.data?.policy?.proof_interval_us ?? 0) > 0} />
              </Card>
              <Card title="Reliability">
                <Evidence node={data} />
              </Card>
            </div>
            <Card title="What ran on it">
              <View of={leases} what="leases">
                {() => <LeaseTable rows={leases.rows ?? []} more={leases.more} currency={market.data?.currency ?? ''} empty={<Empty title="No lease yet" />} />}
              </View>
            </Card>
          </>
        )}
      </View>
    </Page>
  );
}

function OfferEditor({ node, mine, currency }: { node: NodeOfMarket; mine: boolean; currency: string }) {
  const [form, set_form] = useState(() => form_of_offer(node.offer));
  const [touched, set_touched] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  const [saved, set_saved] = useState(false);
  const classes = useClasses();
  useEffect(() => {
    if (!touched) set_form(form_of_offer(node.offer));
  }, [node, touched]);
  const model = (node.facts?.devices?.[0]?.model ?? '').toLowerCase().replace(/ /g, '_');
  const index = classes.data?.classes.find((one) => one.model === model && one.region === (node.facts?.region ?? ''));
  const set_offer = useChange((body: Schemas['SetOfferRequest']) => call(client.PUT('/v1/nodes/{node}/offer', { params: { path: { node: node.id } }, body })), ['nodes', 'offers']);
  const withdraw = useChange(() => call(client.DELETE('/v1/nodes/{node}/offer', { params: { path: { node: node.id } } })), ['nodes', 'offers']);
  const set = (key: keyof OfferForm, value: string) => {
    set_touched(true);
    set_saved(false);
    set_form((before) => ({ ...before, [key]: value }));
  };
  const save = async () => {
    set_error(null);
    try {
      await set_offer.mutateAsync(request_of_offer(form) as Schemas['SetOfferRequest']);
      set_touched(false);
      set_saved(true);
    } catch (failure) {
      set_error(failure);
    }
  };
  const term = (key: OfferTerm, label: string, hint?: string) => (
    <Field label={label} hint={hint} error={touched ? wrong_term(form, key) : null}>
      {(props) => <input {...props} inputMode="decimal" disabled={!mine} value={form[key]} onChange={(event) => set(key, event.target.value.trim())} />}
    </Field>
  );
  return (
    <Card
      title="What it asks for"
      actions={
        mine &&
        node.offer && (
          <AskButton label="Withdraw" title="Withdraw the offer?" action="Withdraw it" act={() => withdraw.mutateAsync(undefined)}>
            <p>Nothing new begins on this node. What runs goes on to its end.</p>
          </AskButton>
        )
      }
    >
      <div className="index-beside">
        {index ? (
          <>
            <span>
              Index of {device_name(model)} {index.region && `in ${index.region}`}
            </span>
            <Money of={index.close} currency={`${currency} / h`} />
            <small>{(index.use * 100).toFixed(0)} % in use; moved {show_moment(index.at)}</small>
          </>
        ) : (
          <span>No index of this class yet.</span>
        )}
      </div>
      <fieldset className="choice" disabled={!mine}>
        <legend>Price of a device and hour</legend>
        <label className="check">
          <input type="radio" name="kind" checked={form.kind === 'fixed'} onChange={() => set('kind', 'fixed')} /> fixed
        </label>
        <label className="check">
          <input type="radio" name="kind" checked={form.kind === 'follows'} onChange={() => set('kind', 'follows')} /> follows the index
        </label>
      </fieldset>
      <div className="fields">
        {form.kind === 'fixed' ? term('price', 'Price', 'Running leases keep theirs.') : term('floor', 'Not below', 'Your electricity, at least.')}
        {form.kind === 'follows' && term('ceiling', 'Not above', 'The index moves it in between.')}
        {term('disk', 'Disk, a GB and hour', 'Empty: free.')}
        {term('egress', 'A GB that workloads send', 'Empty: free.')}
        {term('spot', 'Spot from', 'Empty: takes no spot leases.')}
        {term('share', 'Smallest share of a device', 'From 0.001 on. Empty: whole devices alone.')}
        {term('hours', 'Longest lease, hours', 'Empty: no limit.')}
      </div>
      <fieldset className="choice" disabled={!mine}>
        <legend>Percent off for who reserves</legend>
      </fieldset>
      <div className="fields">
        {term('hour', 'an hour')}
        {term('day', 'a day')}
        {term('week', 'a week')}
        {term('month', 'a month')}
      </div>
      {error !== null && <ErrorBox error={error} />}
      {mine ? (
        <div className="row">
          <button type="button" disabled={is_wrong_offer(form) || set_offer.isPending || (!touched && node.offer !== undefined)} onClick={() => void save()}>
            {node.offer ? 'Save the offer' : 'Offer it'}
          </button>
          {saved && (
            <span className="muted" role="status">
              Saved.
            </span>
          )}
        </div>
      ) : (
        <p className="hint">Only its provider sets the price, as owner or member.</p>
      )}
    </Card>
  );
}
