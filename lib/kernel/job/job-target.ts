declare const types: unique symbol;

/** A queue by its name, with the types of its payloads and results: what a contract is to those who add. @publicApi */
export interface JobTarget<T = unknown, R = unknown> {
  readonly kind: 'queue-contract';
  readonly name: string;
  /** Carries the types; there is no such value. */
  readonly [types]?: { readonly data: T; readonly result: R };
}
