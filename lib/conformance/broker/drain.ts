import assert from 'node:assert/strict';
import type { IBrokerEngine } from '../../kernel/ports/broker.js';
import { LONG } from '../adapter-suite.js';

/** No case publishes as many; a broker that hands out more gives ids again and again. */
const TOO_MANY = 2_000;

/** Claims in batches until nothing is left. */
export async function claimAll(
  broker: IBrokerEngine,
  name: string,
  consumerId: string,
  batch: number,
): Promise<string[]> {
  const all: string[] = [];
  let ids: string[];
  do {
    ids = await broker.claim(name, consumerId, batch, LONG);
    all.push(...ids);
    assert.ok(all.length < TOO_MANY, `claims of "${name}" do not end`);
  } while (ids.length > 0);
  return all;
}

/** Claims whatever there is and acknowledges it. */
export async function drain(broker: IBrokerEngine, name: string): Promise<string[]> {
  const all = await claimAll(broker, name, 'drain', 10);
  for (const id of all) await broker.ack(name, id);
  return all;
}
