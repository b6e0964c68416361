import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { OqronEngine, type EngineHealth } from 'oqronkit';
import { InjectOqron, InjectQueue, type QueueOf } from 'oqronkit/nestjs';
import { DocumentDigest } from '#contracts';

export interface HealthView {
  readonly status: 'ok';
  readonly uptimeSeconds: number;
  readonly engine: EngineHealth;
  /** Jobs per state. */
  readonly documents: Readonly<Record<string, number>>;
}

@Controller('health')
export class HealthController {
  constructor(
    @InjectOqron() private readonly engine: OqronEngine,
    @InjectQueue(DocumentDigest) private readonly documents: QueueOf<typeof DocumentDigest>,
  ) {}

  /** Healthy is a service whose queue answers: without it no document can be accepted. */
  @Get()
  async health(): Promise<HealthView> {
    try {
      const documents = await this.documents.counts();
      return { status: 'ok', uptimeSeconds: Math.round(process.uptime()), engine: this.engine.health(), documents };
    } catch (error) {
      throw new ServiceUnavailableException('The queue does not answer.', { cause: error });
    }
  }
}
