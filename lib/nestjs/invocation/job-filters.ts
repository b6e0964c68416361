import type { ArgumentsHost } from '@nestjs/common';
import { isObservable, lastValueFrom } from 'rxjs';
import { ReleaseError } from '../../kernel/errors/index.js';
import { isA } from '../../kernel/job/stored-error.js';
import { JobContext } from '../../kernel/runtime/job-context.js';

/** Nest's chain of exception filters; nothing when none of them catches the error. */
export interface FilterChain {
  invokeCustomFilters(thrown: unknown, host: ArgumentsHost): unknown;
}

/**
 * What a filter answers is the job's result. One that answers nothing, at once or later, has only looked at the error:
 * the job fails with it. (In Nest's own chain an asynchronous filter that only logs would complete the job.)
 */
export class JobFilters {
  constructor(private readonly chain: FilterChain) {}

  async next(thrown: unknown, host: ArgumentsHost): Promise<unknown> {
    const ctx: unknown = host.getArgByIndex(1);
    // It was told to stop, or hands the job back: that is no failure that a filter could make a result of.
    if (isA(thrown, ReleaseError) || (ctx instanceof JobContext && ctx.aborted)) throw thrown;
    const answer = await this.chain.invokeCustomFilters(thrown, host);
    const value: unknown = isObservable(answer) ? await lastValueFrom(answer) : answer;
    if (value === undefined) throw thrown;
    return value;
  }
}
