// The search of the log's events as an operator writes it, and as the server is asked for it.

export interface AuditForm {
  account: string;
  kind: string;
  node: string;
  order: string;
  lease: string;
  since: string; // as an input of type datetime-local has it, in the viewer's zone: "2026-11-21T12:00"
  until: string;
}

export const empty_audit: AuditForm = { account: '', kind: '', node: '', order: '', lease: '', since: '', until: '' };

const ids = ['account', 'node', 'order', 'lease'] as const;

// What is wrong with an id; null: nothing.
export const id_wrong = (text: string) => (/^\d{0,20}$/.test(text.trim()) ? null : 'A number.');

export const audit_wrong = (form: AuditForm) => ids.some((name) => id_wrong(form[name]) !== null);

// Without what was left empty, moments in UTC.
export function audit_asked(form: AuditForm): Partial<AuditForm> {
  const asked: Partial<AuditForm> = {};
  for (const [name, text] of Object.entries(form) as [keyof AuditForm, string][]) {
    const value = text.trim();
    if (!value) continue;
    asked[name] = name === 'since' || name === 'until' ? new Date(value).toISOString() : value;
  }
  return asked;
}
