import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { ApiError } from './api/client';
import { App } from './app';
import './styles.css';

const transient = (error: unknown) => error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // The page asks again by itself as long as trying again may help.
      retry: (count, error) => transient(error) && count < 5,
      retryDelay: (count) => Math.min(500 * 2 ** count, 4_000),
      networkMode: 'always',
      staleTime: 2_000,
    },
    mutations: { networkMode: 'always' },
  },
});

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
