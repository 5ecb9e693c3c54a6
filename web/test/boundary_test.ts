import { createElement, isValidElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';

import { Boundary } from '../src/parts/boundary';

describe('a boundary', () => {
  it('shows what it holds, and what fell instead of it', () => {
    const props = { what: 'This page', children: createElement('p', null, 'stands') };
    expect(renderToStaticMarkup(createElement(Boundary, props))).toBe('<p>stands</p>');
    for (const [error, words] of [[new RangeError('Invalid time value'), 'Invalid time value'], [undefined, 'nothing was said']] as const) {
      const boundary = new Boundary(props);
      boundary.state = Boundary.getDerivedStateFromError(error);
      const shown = boundary.render();
      expect(isValidElement(shown)).toBe(true);
      expect(renderToStaticMarkup(shown as React.ReactElement)).toContain(words);
    }
  });
});
