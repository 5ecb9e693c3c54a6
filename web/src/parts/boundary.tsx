// Where a page, or a part that is fetched when it is needed, falls: the rest of the console stands.
import { Component, type ReactNode } from 'react';

export class Boundary extends Component<{ what: string; children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error: error ?? new Error('nothing was said') };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="state error" role="alert">
        <strong>{this.props.what} cannot be shown</strong>
        <div>{this.state.error instanceof Error ? this.state.error.message : String(this.state.error)}</div>
        <div className="row">
          <button type="button" className="plain" onClick={() => location.reload()}>
            Load the console again
          </button>
        </div>
      </div>
    );
  }
}
