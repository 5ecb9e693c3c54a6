// More time for a job's tasks: first what it costs at most, then the press that takes it.
import { useState } from 'react';

import { useChange, useExtension, useMarket } from '../api/asks';
import { ApiError, call, client } from '../api/client';
import { change_for } from '../lib/query';
import { seconds_of, show_seconds } from '../lib/time';
import { plural } from '../lib/words';
import { AskButton, Facts, Field, Money } from './basics';
import { Relaxations } from './relaxations';
import { ErrorBox, Loading, useDebounced } from './states';

const is_time = (text: string) => /^\d+(\.\d+)?$/.test(text) && Number(text) > 0;

export function ExtendButton({ order }: { order: string }) {
  const [hours, set_hours] = useState('');
  const typed = hours.trim();
  const settled = useDebounced(typed, 300);
  const asked = is_time(settled) ? settled : '';
  const market = useMarket();
  const price = useExtension(order, asked);
  const currency = market.data?.currency ?? '';
  const extend = useChange((more: number) => call(client.POST('/v1/orders/{order}/extend', { params: { path: { order } }, body: { hours: more } })), ['orders', 'leases', 'wallet', 'extension']);
  const known = asked !== '' && asked === typed ? price.data : undefined;
  const problem = asked !== '' && price.error instanceof ApiError ? price.error.problem : null;
  return (
    <AskButton
      label="Extend"
      title="More time for this job?"
      action={known ? `Extend for at most ${known.cost}` : 'Extend'}
      disabled={!known}
      act={() => extend.mutateAsync(Number(typed)).then(() => set_hours(''))}
    >
      <p>Each task that waits or runs may take longer, at the price that the job has. What it does not use of that comes back.</p>
      <Field label="Hours more" hint="Of each task, such as 2 or 0.5." error={typed && !is_time(typed) ? 'A number of hours, such as 2 or 0.5.' : null}>
        {(props) => <input {...props} inputMode="decimal" value={hours} onChange={(event) => set_hours(event.target.value)} />}
      </Field>
      {asked !== '' && price.isPending && <Loading what="the price" />}
      {asked !== '' && price.error && <ErrorBox error={price.error} />}
      {problem && (
        <Relaxations
          of={problem.relaxations ?? []}
          change={(relaxation) => {
            const change = change_for('', relaxation);
            return change.kind === 'requirement' && change.field === 'hours' ? () => set_hours(change.value) : undefined;
          }}
        />
      )}
      {known && (
        <Facts
          of={[
            ['Costs at most', <Money key="cost" of={known.cost} currency={currency} />],
            ['A task and hour', <Money key="price" of={known.price_per_hour} currency={currency} />],
            ['Of', plural(known.tasks, 'task')],
            ['A task may then take', show_seconds(seconds_of(known.task_time))],
          ]}
        />
      )}
    </AskButton>
  );
}
