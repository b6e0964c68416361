const KINDS = ['crash', 'freeze', 'stop', 'cut', 'deaf', 'storm', 'reset', 'everybody'];

/** What goes wrong, and when. Each seed has its own mix. */
export class Nemesis {
  constructor(world) {
    this.world = world;
    this.random = world.random.fork();
    this.kinds = world.options.faults ?? KINDS.filter(() => this.random.chance(0.7));
    if (this.kinds.length === 0) this.kinds = ['crash'];
  }

  begin() {
    const { scheduler, options } = this.world;
    const next = () => {
      if (scheduler.now >= options.loadMs) return;
      this.#strike(this.random.pick(this.kinds));
      scheduler.after(options.faultEveryMs * this.random.between(0.2, 1.8), next);
    };
    scheduler.after(options.faultEveryMs * this.random.next(), next);
  }

  /** It dies, and another comes in its place. */
  crash(process, why = 'crash') {
    if (process.dead) return;
    this.world.ledger.fault(why);
    process.kill();
    process.network.hangUp();
    this.world.replace(process, this.random.between(0, 8_000));
  }

  freeze(process, ms) {
    if (process.dead || process.frozen) return;
    this.world.ledger.fault('freeze');
    process.freeze(ms, () => {
      const checks = process.afterThaw;
      process.afterThaw = [];
      // What became due meanwhile comes at this instant.
      this.world.scheduler.after(50, () => checks.forEach((check) => check()));
    });
  }

  /** A deploy: it ends what it runs, or hands it back. */
  stop(process) {
    if (process.dead || process.stopping) return;
    this.world.ledger.fault('stop');
    process.stopping = true;
    this.world.replace(process, this.random.between(0, 3_000));
    void this.world.stopProcess(process);
  }

  #strike(kind) {
    const { world, random } = this;
    const { scheduler, options, ledger } = world;
    const victim = random.pick(world.alive());
    if (!victim) return;
    switch (kind) {
      case 'crash':
        return this.crash(victim);
      case 'freeze':
        return this.freeze(victim, options.leaseMs * random.between(0.3, 3));
      case 'stop':
        return this.stop(victim);
      case 'cut':
        ledger.fault('cut');
        return victim.network.cut(random.chance(0.2) ? 40_000 : options.leaseMs * random.between(0.1, 2));
      case 'deaf': {
        ledger.fault('deaf');
        const ms = random.between(5_000, 60_000);
        victim.network.deafen(ms);
        // Half-open: sometimes nobody ever says that signals were missed.
        if (random.chance(0.5)) scheduler.after(ms, () => victim.network.gap());
        return;
      }
      case 'storm': {
        ledger.fault('storm');
        const { loss, slowness } = world;
        world.loss = Math.max(loss, random.between(0.1, 0.5));
        world.slowness = Math.max(slowness, random.between(0, 0.05));
        scheduler.after(random.between(2_000, 40_000), () => {
          world.loss = Math.min(world.loss, options.loss);
          world.slowness = Math.min(world.slowness, options.slowness);
        });
        return;
      }
      case 'reset':
        return victim.network.reset(random.chance(0.7) ? 'main' : 'heartbeat');
      default:
        // The whole fleet at once.
        for (const process of world.alive()) {
          if (random.chance(0.6)) this.crash(process);
          else this.freeze(process, options.leaseMs * random.between(0.3, 1.5));
        }
    }
  }
}
