import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';

import type { Order, Task } from '../src/api/client';
import { Tasks } from '../src/parts/tasks';

const task = (index: number, of: Partial<Task> = {}): Task => ({ index, state: 'DONE', lease: '0', node: '0', node_name: '', attempts: 1, last_reason: 'COMPLETED', last_blame: 'BLAME_NONE', exit_code: 0, detail: '', output_manifest: '', checkpoint_manifest: '', ...of }) as Task;
const order = (of: Partial<Order>): Order => ({ id: '7', tasks_total: of.tasks?.length ?? 0, tasks: [], ...of }) as Order;

describe("a job's tasks", () => {
  const shown = (of: Order, pages: Record<number, Task[]> = {}) => {
    const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } });
    for (const [first, tasks] of Object.entries(pages)) queries.setQueryData(['orders', 'tasks', of.id, Number(first)], { tasks });
    return renderToStaticMarkup(createElement(QueryClientProvider, { client: queries }, createElement(Tasks, { order: of, can_reach: false })));
  };
  it('are squares; the only one is shown without a press', () => {
    expect(shown(order({ tasks: [task(0), task(1, { state: 'FAILED' })] }))).toContain('aria-label="Task 1: failed"');
    const only = shown(order({ tasks: [task(0)] }));
    expect(only).toContain('It left no files.');
    expect(only).not.toContain('aria-label="Tasks"');
  });
  it('that the job does not list are loading until they are there, never others in their place', () => {
    const large = order({ tasks_total: 2_000, tasks: [task(0)] });
    expect(shown(large)).toContain('Loading tasks');
    expect(shown(large)).not.toContain('aria-label="Task 0');
    expect(shown(large, { 1000: [task(1000)] })).toContain('Loading tasks');
    expect(shown(large, { 0: [task(0), task(1)] })).toContain('aria-label="Task 1: done"');
  });
});
