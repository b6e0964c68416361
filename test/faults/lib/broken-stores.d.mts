import type { JobStore } from 'oqronkit';

export const BROKEN_STORES: Record<'unfenced' | 'forgetful', (store: JobStore) => Partial<JobStore>>;
