import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';

describe('the Lua scripts', () => {
  it('are compiled: run `node tools/lua-to-ts.mjs` after a change', () => {
    expect(execFileSync(process.execPath, ['tools/lua-to-ts.mjs', '--check'], { encoding: 'utf8' })).toBe('');
  });
});
