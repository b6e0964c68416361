// Runs the seeds that its parent names, and answers what they counted.
import { simulateSeeds } from './index.mjs';

// Nobody waits for the answer any more.
process.once('disconnect', () => process.exit());

process.once('message', async (request) => {
  const answer = await simulateSeeds(request);
  process.send(answer, () => process.disconnect());
});
