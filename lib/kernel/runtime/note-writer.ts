import { StoreUnreachableError } from '../errors/index.js';
import type { EventBus } from '../events.js';
import { MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { JobNote, JobStore } from '../ports/job-store.js';
import type { JobRun } from './job-run.js';

/** Progress and logs of all running jobs are written together, this often at most (ms). */
const WRITE_EVERY_MS = 100;

/** Collects what running handlers say and writes it in few calls; what is still unsaid at the end goes with the outcome. */
export class NoteWriter {
  readonly #dirty = new Set<JobRun>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    private readonly store: JobStore,
    private readonly clock: Clock,
    private readonly events: EventBus,
  ) {}

  noted(run: JobRun): void {
    this.#dirty.add(run);
    if (!this.#timer && !this.#stopped) this.#timer = this.clock.timer(WRITE_EVERY_MS, () => void this.#write());
  }

  forget(run: JobRun): void {
    this.#dirty.delete(run);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #write(): Promise<void> {
    const runs: JobRun[] = [];
    const notes: JobNote[] = [];
    for (const run of this.#dirty) {
      if (notes.length === MAX_BATCH_ITEMS) break;
      this.#dirty.delete(run);
      const note = run.closed ? undefined : run.takeNote();
      if (!note) continue;
      runs.push(run);
      notes.push({ queue: run.spec.queue, id: run.job.id, fence: run.job.fence, ...note });
    }
    try {
      if (notes.length > 0) await this.store.annotate(notes);
    } catch (error) {
      this.events.report('NoteWriter.write', error, { notes: notes.length });
      if (error instanceof StoreUnreachableError) runs.forEach((run, i) => this.#giveBack(run, notes[i]));
    } finally {
      this.#timer = undefined;
      if (this.#dirty.size > 0 && !this.#stopped) {
        this.#timer = this.clock.timer(WRITE_EVERY_MS, () => void this.#write());
      }
    }
  }

  #giveBack(run: JobRun, note: JobNote | undefined): void {
    if (run.closed || !note) return;
    run.putBack(note);
    this.#dirty.add(run);
  }
}
