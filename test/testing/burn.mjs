// Burns a processor for `ms`, and counts in shared memory as long as it does.
export default function burn({ ms, shared }) {
  const turns = new Int32Array(shared);
  const end = performance.now() + ms;
  while (performance.now() < end) Atomics.add(turns, 0, 1);
  return 'burnt';
}
