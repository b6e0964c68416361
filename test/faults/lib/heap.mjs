// For worker.mjs, with `--expose-gc`: what its process holds on to.
export const requests = () => ({
  heap: () => {
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  },
});
