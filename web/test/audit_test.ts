import { describe, expect, it } from 'vitest';

import { audit_asked, audit_file, audit_wrong, empty_audit } from '../src/lib/audit';

describe('the search of the log', () => {
  it('asks for what was filled in, and for moments in UTC', () => {
    const form = { ...empty_audit, lease: ' 4711 ', since: '2026-11-21T12:00' };
    expect(audit_asked(form)).toEqual({ lease: '4711', since: new Date('2026-11-21T12:00').toISOString() });
    expect(audit_asked(empty_audit)).toEqual({});
  });
  it('asks for the same in a file', () => {
    expect(audit_file(empty_audit, 'csv')).toBe('/v1/audit.csv');
    expect(audit_file({ ...empty_audit, kind: 'stop_lease', account: '7' }, 'ndjson')).toBe('/v1/audit.ndjson?account=7&kind=stop_lease');
  });
  it('knows what is no id', () => {
    expect(audit_wrong({ ...empty_audit, node: 'attic' })).toBe(true);
    expect(audit_wrong({ ...empty_audit, node: '12' })).toBe(false);
  });
});
