import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { audit_asked, audit_wrong, empty_audit } from '../src/lib/audit';
import { Audit } from '../src/parts/audit';

const found = vi.hoisted(() => ({ isPlaceholderData: false }));
vi.mock('../src/api/asks', () => ({ useAudit: () => ({ ...found, data: {}, isError: false, rows: [], more: { has: false } }) }));

describe('the search of the log', () => {
  it('asks for what was filled in, and for moments in UTC', () => {
    const form = { ...empty_audit, lease: ' 4711 ', since: '2026-11-21T12:00' };
    expect(audit_asked(form)).toEqual({ lease: '4711', since: new Date('2026-11-21T12:00').toISOString() });
    expect(audit_asked(empty_audit)).toEqual({});
  });
  it('knows what is no id', () => {
    expect(audit_wrong({ ...empty_audit, node: 'attic' })).toBe(true);
    expect(audit_wrong({ ...empty_audit, node: '12' })).toBe(false);
  });
});

describe('what a search found', () => {
  beforeEach(() => void (found.isPlaceholderData = false));
  it('is marked while it is of the search before', () => {
    expect(renderToStaticMarkup(createElement(Audit))).toContain('<div class="stack" aria-busy="false">');
    found.isPlaceholderData = true;
    expect(renderToStaticMarkup(createElement(Audit))).toContain('<div class="stack dimmed" aria-busy="true">');
  });
});
