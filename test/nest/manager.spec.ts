import { Injectable } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OqronManager, type JobContext, type OqronEngine } from 'oqronkit';
import { InjectOqron, OqronModule, Worker } from 'oqronkit/nestjs';
import { NestWorld } from '../support/nest-world.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

@Injectable()
class Encoder {
  readonly stopped: unknown[] = [];

  @Worker('encode')
  async encode(_data: unknown, ctx: JobContext): Promise<void> {
    await new Promise<void>((resolve) => {
      ctx.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.stopped.push((ctx.signal.reason as { kind: string }).kind);
  }
}

@Injectable()
class Support {
  constructor(@InjectOqron() readonly engine: OqronEngine) {}

  stop(id: string): Promise<string> {
    return this.engine.manager.cancelJob(id, 'asked for by support');
  }
}

describe('the manager in Nest', () => {
  it('is the manager of the OqronEngine that @InjectOqron() gives', async () => {
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Support, Encoder] });
    const { engine } = nest.get(Support);
    expect(engine.manager).toBeInstanceOf(OqronManager);
    expect(OqronManager.from(engine)).toBe(engine.manager);
    const { id } = await engine.producer('encode').add({});
    await world.clock.settle();
    expect(await nest.get(Support).stop(id)).toBe('cancelled');
    await world.clock.settle();
    expect(nest.get(Encoder).stopped).toEqual(['cancelled']);
    expect(await engine.manager.getSystemStats()).toMatchObject({ state: 'started', jobs: { cancelled: 1 } });
  });

  it('the option triggers is accepted, and has no effect', async () => {
    const nest = await world.start({ imports: [OqronModule.forRoot({ triggers: 'no/such/folder' })] });
    expect(nest).toBeDefined();
    expect(world.logger.lines.filter((line) => line.includes('`triggers` has no effect here'))).toHaveLength(1);
  });
});
