import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { Router } from 'wouter';

import type { Order, Task } from '../src/api/client';
import { Tasks } from '../src/parts/tasks';

const task = (index: number, of: Partial<Task> = {}): Task => ({ index, state: 'DONE', lease: '0', node: '0', node_name: '', attempts: 1, last_reason: 'COMPLETED', last_blame: 'BLAME_NONE', exit_code: 0, detail: '', output_manifest: '', checkpoint_manifest: '', ...of }) as Task;
const failed = (index: number, last_reason: Task['last_reason'], last_blame: Task['last_blame']) => task(index, { state: 'FAILED', last_reason, last_blame });
const order = (of: Partial<Order>): Order => ({ id: '7', tasks_total: of.tasks?.length ?? 0, tasks: [], ...of }) as Order;

describe("a job's tasks", () => {
  const shown = (of: Order, pages: Record<number, Task[]> = {}, can_rent = true) => {
    const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } });
    for (const [first, tasks] of Object.entries(pages)) queries.setQueryData(['orders', 'tasks', of.id, Number(first)], { tasks });
    return renderToStaticMarkup(createElement(QueryClientProvider, { client: queries }, createElement(Router, { ssrPath: '/jobs/7', children: createElement(Tasks, { order: of, can_reach: false, can_rent }) })));
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
  it('that failed stand below by who is to blame, to be run again by who may', () => {
    const tasks = [task(0), failed(1, 'HOST_LOST', 'BLAME_PROVIDER'), failed(2, 'EXIT_CODE', 'BLAME_RENTER'), failed(3, 'OUT_OF_MEMORY', 'BLAME_RENTER'), failed(4, 'EXIT_CODE', 'BLAME_RENTER')];
    const of = order({ tasks, tasks_failed: 4 });
    const words = shown(of).replace(/<[^>]*>/g, '');
    expect(words).toContain('3 tasks: renter (2, 3, 4)The command exited with an error (2). It used more memory than it had asked for (1). They will fail again as they are');
    expect(words).toContain('1 task: provider (1)The node fell silent for too long. Nothing of yours failed: it ran out of attempts.');
    expect(words.indexOf('renter (')).toBeLessThan(words.indexOf('provider ('));
    expect([...shown(of).matchAll(/href="(\/new[^"]*)"/g)].map(([, href]) => href)).toEqual(['/new?again=7&amp;blame=BLAME_RENTER', '/new?again=7&amp;blame=BLAME_PROVIDER']);
    expect(shown(of, {}, false)).not.toContain('/new?again');
    expect(shown({ ...of, workload: { secrets: ['TOKEN'] } } as Order)).not.toContain('/new?again');
    expect(shown(order({ tasks: [task(0), task(1)], tasks_failed: 0 }))).not.toContain('who is to blame');
    expect(shown({ ...of, tasks_total: 20_000, tasks_failed: 9 }, { 0: tasks }).replace(/<[^>]*>/g, '')).toContain('Of the first 5 tasks; 5 of the others failed, too.');
  });
});
