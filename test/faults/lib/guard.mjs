// Nothing that a scenario does, or leaves undone, keeps the run from its end.

/** Resolves with what `work` came to, or with nothing when it did not come to anything within `ms`. Rejects as `work` does. */
export async function within(ms, work) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ ended: false }), ms);
  });
  try {
    return await Promise.race([work.then((value) => ({ ended: true, value })), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Plays a scenario and cleans up behind it. Answers its row, whatever became of it: one that is not over after `limitMs`
 * has failed, and so has one that cannot be cleaned up behind.
 */
export async function guarded(lab, play, { limitMs, endMs }) {
  const playing = (async () => play(lab))();
  // Who comes to nothing in time may still fail later, when its processes are taken away.
  playing.catch(() => undefined);
  let row;
  try {
    const { ended, value } = await within(limitMs, playing);
    row = ended ? value : failed(lab, `did not end within ${limitMs / 1_000} s`);
  } catch (error) {
    row = failed(lab, `the scenario itself failed: ${error?.stack ?? error}`);
  }
  const left = await lab.end(endMs);
  return left.length === 0 ? row : withViolations(row, left);
}

function withViolations(row, texts) {
  const more = texts.map((text) => ({ invariant: 'scenario', text }));
  return { ...row, pass: false, violations: [...row.violations, ...more] };
}

function failed(lab, text) {
  return {
    scenario: lab.name,
    store: lab.store,
    jobs: 0,
    faults: lab.faults,
    extraStarts: 0,
    explained: 0,
    lost: 0,
    stuck: 0,
    p99RecoveryMs: null,
    pass: false,
    broken: [],
    violations: [{ invariant: 'scenario', text }],
  };
}
