type Outcome = 'open' | 'reached' | 'failed';

/** A promise that follows starts which may fail, be tried again, and be undone. */
export class Readiness {
  #outcome: Outcome = 'open';
  #current = deferred();

  get promise(): Promise<void> {
    return this.#current.promise;
  }

  /** Who asks from now on waits anew, if it stands like this. Who waits already is not left behind. */
  renew(when: Outcome): void {
    if (this.#outcome !== when) return;
    this.#outcome = 'open';
    this.#current = deferred();
  }

  reached(): void {
    if (this.#outcome !== 'open') return;
    this.#outcome = 'reached';
    this.#current.resolve();
  }

  failed(error: unknown): void {
    if (this.#outcome !== 'open') return;
    this.#outcome = 'failed';
    this.#current.reject(error);
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Whoever started knows already; nobody may have asked.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
