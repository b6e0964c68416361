import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';

/** Where and when figures were taken. No host name: they are published. */
export function machine() {
  const all = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${platform()} ${arch()} ${release()}`,
    cpu: all[0]?.model.trim(),
    cores: all.length,
    memoryMiB: Math.round(totalmem() / 1024 / 1024),
    load: loadavg(),
  };
}
