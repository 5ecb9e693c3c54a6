import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

import { templates_in } from './tools/job_templates';

// FALLOW_URL: the market that `npm run dev` stands in front of.
const market = process.env.FALLOW_URL ?? 'http://127.0.0.1:8470';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

// Most tests share a thread and the modules in it: to load these anew for each file takes three times what they take.
// Who replaces modules has a thread of his own.
const tests = readdirSync(path('test')).filter((name) => name.endsWith('_test.ts'));
const apart = tests.filter((name) => /\bvi\.(mock|doMock|resetModules)\(/.test(readFileSync(path(`test/${name}`), 'utf8')));
const in_test = (names: string[]) => names.map((name) => `test/${name}`);

const templates_module = '\0virtual:job_templates';

export default defineConfig({
  plugins: [
    {
      name: 'job-templates',
      resolveId: (source) => (`\0${source}` === templates_module ? templates_module : undefined),
      load(id) {
        if (id !== templates_module) return undefined;
        const { templates, files } = templates_in(path('../examples/jobs'));
        for (const file of files) this.addWatchFile(file);
        return `export default ${JSON.stringify(templates)};`;
      },
    },
  ],
  // The client stands beside the console; what it needs is installed here.
  resolve: { alias: { fallow: path('../sdk/typescript/src/index.ts'), 'openapi-fetch': path('node_modules/openapi-fetch') } },
  esbuild: { jsx: 'automatic' },
  build: {
    target: 'es2021',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false, // tools/first_load.mjs says it of what is really sent
    manifest: true, // read and removed by tools/first_load.mjs
    rollupOptions: {
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning), // "use client" in libraries
      output: {
        // What changes with every release apart from what does not.
        manualChunks: (id) => (id.includes('node_modules') && !/uplot|noble|xterm|node_modules\/yaml/.test(id) ? 'libraries' : undefined),
      },
    },
  },
  server: { fs: { allow: ['..'] }, proxy: { '/v1': { target: market, secure: false, ws: true }, '/metrics': { target: market, secure: false } } },
  test: {
    // Signatures in script take their time on a busy machine.
    testTimeout: 60_000,
    pool: 'threads',
    projects: [
      { extends: true, test: { name: 'together', include: in_test(tests.filter((name) => !apart.includes(name))), poolOptions: { threads: { singleThread: true, isolate: false } } } },
      { extends: true, test: { name: 'apart', include: in_test(apart) } },
    ],
  },
});
