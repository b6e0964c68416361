export interface Cluster {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  /** The last of what the server said. */
  log(): string;
  /** The first line of every statement of a client, with the setting `log_statement=all`. */
  statements(): readonly string[];
  start(): Promise<void>;
  /** `SIGTERM` waits for clients, `SIGINT` sends them away, `SIGQUIT` is as a crash. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export function postgresBinaries(): string | undefined;
export function poolerBinary(): string | undefined;
export function freePort(): Promise<number>;
export function startCluster(options?: {
  readonly settings?: readonly string[];
  readonly detached?: boolean;
}): Promise<Cluster>;
