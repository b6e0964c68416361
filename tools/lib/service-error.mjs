/** The person can mend it; the message says how. */
export class ServiceError extends Error {}
