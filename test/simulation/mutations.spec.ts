import { describe, expect, it } from '@jest/globals';
import { mutations, notice } from '../faults/simulation/index.mjs';

describe('the simulation notices that', () => {
  it.each(Object.entries(mutations))(
    '%s',
    async (_, mutation) => {
      const noticed = await notice(mutation);
      expect(mutation.by).toContain(noticed?.rule);
    },
    60_000,
  );
});
