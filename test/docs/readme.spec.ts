import { expect } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { until } from '../support/until.js';
import { describePage } from './support/describe-page.js';
import type { Act } from './support/runner.js';

// main.ts listens on it; 0 takes a free port.
process.env.PORT = '0';

/** What the page does with curl. */
const signUp: Act = async ([app]) => {
  const url = await (app as INestApplicationContext & { getUrl(): Promise<string> }).getUrl();
  const post = async (name: string): Promise<unknown> => {
    const body = JSON.stringify({ name, address: 'ada@example.com' });
    const headers = { 'content-type': 'application/json' };
    return (await fetch(`${url}/signups`, { method: 'POST', headers, body })).json();
  };
  expect(await post('Ada')).toEqual({ id: 'welcome-ada@example.com', created: true });
  const job = await until('the mail is sent', async () => {
    const answer = (await (await fetch(`${url}/signups/welcome-ada@example.com`)).json()) as { status: string };
    return answer.status === 'completed' ? answer : undefined;
  });
  expect(job).toEqual({ status: 'completed', result: 'message-for-ada@example.com' });
  expect(await post('Ada')).toEqual({ id: 'welcome-ada@example.com', created: false });
};

describePage('README.md', { 'main.ts': signUp });
