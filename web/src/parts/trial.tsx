// The latest trial of rules: that it runs, why it failed, or what it came to.
import { useTrial } from '../api/asks';
import type { PolicyTrial } from '../api/client';
import { trial_changes, trial_rows, trial_words } from '../lib/trial';
import { show_moment } from '../lib/time';
import { sentence, View } from './states';

export function Trial() {
  const trial = useTrial();
  return <View of={trial} what="the latest trial">{(data) => <TrialOf trial={data} />}</View>;
}

function TrialOf({ trial }: { trial: PolicyTrial }) {
  if (trial.state === 'TRIAL_STATE_UNSPECIFIED') return null;
  return (
    <section className="stack" aria-label="Trial of rules">
      <h3>What the last day would have come to</h3>
      {trial.state === 'TRIAL_RUNNING' && (
        <p className="hint" role="status">
          A trial runs since {show_moment(trial.started_at)}, in a program of its own beside the market.
        </p>
      )}
      {trial.state === 'TRIAL_FAILED' && (
        <div className="state error" role="alert">
          <strong>The trial came to nothing</strong>
          <div>{sentence(trial.detail)}</div>
        </div>
      )}
      {trial.state === 'TRIAL_DONE' && <Outcome trial={trial} />}
    </section>
  );
}

function Outcome({ trial }: { trial: PolicyTrial }) {
  const changes = trial_changes(trial);
  const words = trial_words(trial);
  return (
    <>
      <p className="hint">
        {show_moment(trial.span_from)} to {show_moment(trial.span_until)}. {changes.length ? `Tried: ${changes.join('; ')}.` : 'Tried: the present rules, unchanged.'}
      </p>
      <table className="parts lines">
        <caption className="sr">Figures in fact, by the present rules, by the tried rules</caption>
        <thead>
          <tr>
            <td />
            <th scope="col" className="right wide-only">In fact</th>
            <th scope="col" className="right">Present rules</th>
            <th scope="col" className="right">Tried rules</th>
          </tr>
        </thead>
        <tbody>
          {trial_rows(trial).map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              <td className="right wide-only">{row.fact}</td>
              <td className="right">{row.now}</td>
              <td className="right">{row.differs ? <strong>{row.tried}</strong> : row.tried}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>{words.length ? `${words.join('; ')}.` : 'No order fares otherwise.'}</p>
      <ul className="hint">
        <li>Present and tried rules stand side by side in one model; what lies between them and the facts is the model&apos;s own error.</li>
        {trial.notes.map((note) => (
          <li key={note}>{sentence(note)}</li>
        ))}
      </ul>
    </>
  );
}
