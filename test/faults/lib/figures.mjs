/** The value that `share` of all values do not exceed; undefined without any. */
export function percentile(values, share) {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
