// `node --require skew.cjs`: a process whose wall clock is SKEW_MS ahead (or, below 0, behind) and runs SKEW_RATE times
// as fast. Timers and the monotonic clock stay as they are: they measure time, they do not tell it.
'use strict';

const ms = Number(process.env.SKEW_MS) || 0;
const rate = Number(process.env.SKEW_RATE) || 1;

if (ms !== 0 || rate !== 1) {
  const Real = Date;
  const wall = Real.now();
  const began = performance.now();
  const now = () => Math.floor(wall + (performance.now() - began) * rate + ms);
  globalThis.Date = class Date extends Real {
    constructor(...given) {
      if (given.length > 0) super(...given);
      else super(now());
    }

    static now() {
      return now();
    }
  };
}
