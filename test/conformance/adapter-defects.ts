import type { Edit } from './seeded-backend.js';

export type AdapterKit = 'storage' | 'broker' | 'lock' | 'leader';

/** A way to break an adapter, and the cases of its kit that must notice. */
export interface AdapterDefect {
  readonly kit: AdapterKit;
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Exact names of cases that must turn red; others may, too. */
  readonly red: readonly string[];
}

const in_ =
  (kit: AdapterKit, file: string) =>
  (name: string, find: string, put: string, ...red: string[]): AdapterDefect => ({
    kit,
    name,
    edits: [{ file, find, put }],
    red,
  });

const storage = in_('storage', 'memory-storage.ts');
const broker = in_('broker', 'memory-broker.ts');
const queue = in_('broker', 'memory-broker-queue.ts');
const lock = in_('lock', 'memory-lock.ts');
const leader = in_('leader', 'memory-leader.ts');

export const ADAPTER_DEFECTS: readonly AdapterDefect[] = [
  storage(
    'the object itself is kept, not a copy',
    'return deepCopy(data);',
    'return data;',
    '[copy] changing an object after it was saved changes no record',
    '[bulk] bulkSave keeps copies',
  ),
  storage(
    'the record itself is handed out, not a copy',
    'return record ? (deepCopy(record.data) as T) : null;',
    'return record ? (record.data as T) : null;',
    '[copy] changing what was read changes no record',
  ),
  storage(
    'saving again keeps fields of the record before',
    'Object.assign(record, { data, k1:',
    'Object.assign(record, { data: { ...(record.data as object), ...(data as object) }, k1:',
    '[save] saving again replaces the whole record',
  ),
  storage(
    'the conditions of a list are ignored',
    'if (matches(record.data, { filter, where })) found.push(record);',
    'if (matches(record.data, { filter })) found.push(record);',
    '[where] compares numbers',
    '[where] a field that is null or missing meets no condition',
    '[where] all conditions and the filter have to hold',
  ),
  storage(
    'the filter of a list is ignored',
    'if (matches(record.data, { filter, where })) found.push(record);',
    'if (matches(record.data, { where })) found.push(record);',
    '[filter] every field of the filter has to match',
    '[filter] matches are exact: no parts of texts, no other kind of value',
  ),
  storage(
    'the filter of a count is ignored',
    'if (matches(data, { filter })) count += 1;',
    'count += 1;',
    '[count] counts what a list with the same filter answers',
  ),
  storage(
    'a list is cut before it is ordered',
    'if (!orderBy && found.length >= offset + limit) break;',
    'if (found.length >= offset + limit) break;',
    '[page] limit and offset cut the ordered list',
  ),
  storage(
    'an offset is ignored',
    'return found.slice(offset, offset + limit)',
    'return found.slice(0, limit)',
    '[page] limit and offset cut the ordered list',
    '[page] pages hold every record once, also where all are equal and where no order is asked for',
  ),
  storage(
    'a record that is saved again keeps its age',
    'k1: this.clock.now(), k2: this.#saves });',
    'k1: record.k1 || this.clock.now(), k2: this.#saves });',
    '[prune] a record that is saved again is young again',
  ),
  storage(
    'saveIfAbsent replaces what stands',
    'if (this.#find(namespace, id)) return false;\n    this.#put(namespace, id, copy);\n    return true;',
    'const stood = this.#find(namespace, id) !== undefined;\n    this.#put(namespace, id, copy);\n    return !stood;',
    '[absent] saves once and leaves what stands',
    '[absent] of 20 at once exactly one saves',
  ),
  storage(
    'increment reads, waits and writes',
    'const after = before + by;',
    'const after = before + by;\n    await Promise.resolve();',
    '[increment] of 50 at once none is lost',
  ),
  storage(
    'increment drops the other fields',
    '{ ...data, [field]: after }',
    '{ [field]: after }',
    '[increment] counts from 0, up and down, and keeps the other fields',
  ),
  storage(
    'compareAndSet brings records into being',
    'if (!record || !sameValue(fieldOf(record.data, field), expected)) return false;',
    'if (record && !sameValue(fieldOf(record.data, field), expected)) return false;',
    '[compare] never brings a record into being',
    '[compare] many are compared one by one',
  ),
  storage(
    'compareAndSet does not compare',
    'if (!record || !sameValue(fieldOf(record.data, field), expected)) return false;',
    'if (!record) return false;',
    '[compare] sets only while the field is as expected',
    '[compare] of 20 at once exactly one sets',
  ),

  queue(
    'an id that is published twice is two entries',
    'if (this.#entries.has(id)) return;',
    '',
    '[publish] the same id twice is one entry',
    '[publish] an id that somebody holds is not handed out again',
    '[claim] 20 at once publish one id, and it is handed out once',
  ),
  queue(
    'a claimed entry is not hidden',
    'this.#move(entry, this.#held, now + lockTtlMs);\n      taken.push(entry.id);',
    'this.#move(entry, this.#held, now);\n      taken.push(entry.id);',
    '[publish] an entry is handed out once',
    '[claim] 8 consumers at once never share an entry, and leave none',
    '[lock] an entry that is not acknowledged comes back when its lock ends',
  ),
  queue(
    'an entry whose lock ended is lost',
    'for (let entry = this.#held.first(); entry && entry.k1 <= now; entry = this.#held.first()) {\n      this.#move(entry, this.#waiting);',
    'for (let entry = this.#held.first(); entry && entry.k1 <= now; entry = this.#held.first()) {\n      this.remove(entry.id);',
    '[lock] an entry that is not acknowledged comes back when its lock ends',
    '[blocking] is woken by a lock that ends',
  ),
  queue(
    'anybody may extend a lock',
    'if (entry?.holder !== consumerId) return false;',
    'if (!entry) return false;',
    '[extend] throws for whoever does not hold the entry',
    '[extend] finds the entry without its name',
  ),
  queue(
    'a lock can be extended after its end',
    'return entry?.set === this.#held && entry.k1 > now ? entry : undefined;',
    'return entry?.set === this.#held ? entry : undefined;',
    '[extend] throws after the lock ended, whether or not somebody else has the entry',
  ),
  queue(
    'extend does not move the end of the lock',
    'if (entry?.holder !== consumerId) return false;\n    this.#move(entry, this.#held, now + lockTtlMs);',
    'if (entry?.holder !== consumerId) return false;',
    '[extend] keeps an entry hidden, from now on',
    '[lock] of what was claimed together each entry has its own lock',
  ),
  queue(
    'a delay is ignored',
    'if (delayMs > 0) this.#add(entry, this.#delayed, now + delayMs);',
    'if (delayMs > 1e12) this.#add(entry, this.#delayed, now + delayMs);',
    '[delay] an entry is handed out when its delay is over, not before',
    '[batch] publishes many, each with its delay and priority',
  ),
  queue(
    'nack ignores its delay',
    'if (delayMs > 0) this.#move(entry, this.#delayed, now + delayMs);',
    '',
    '[nack] with a delay hands it back later',
  ),
  queue(
    'lifo is fifo',
    "return strategy === 'lifo' ? this.#waiting.last() : this.#waiting.first();",
    'return this.#waiting.first();',
    '[order] lifo hands out the newest first',
  ),
  queue(
    'the highest number is the first priority',
    'return this.#ranked.first()?.entry();',
    'return this.#ranked.last()?.entry();',
    '[order] priority hands out the lowest number first, and the oldest among equals',
    '[order] no priority is 0, the first',
  ),
  queue(
    'a pause is ignored',
    'if (this.paused) return [];',
    '',
    '[pause] a paused name hands out nothing until it is resumed',
    '[blocking] answers nothing of a paused name, and is woken when it is resumed',
  ),
  broker(
    'an empty name forgets its pause',
    'if (queue.size === 0 && !queue.paused && waiters.size === 0) this.#rooms.delete(name);',
    'if (queue.size === 0 && waiters.size === 0) this.#rooms.delete(name);',
    '[pause] a name can be paused before anything is published',
    '[pause] a pause outlives an empty name',
  ),
  broker(
    'who waits is not woken by delays and locks that end',
    'room.alarm = this.clock.timer(inMs, () => this.#change(name, () => undefined));',
    'void inMs;',
    '[blocking] is woken by a delay that ends',
    '[blocking] is woken by a lock that ends',
  ),
  broker(
    'who waits is not answered at the deadline',
    'const deadline = this.clock.timer(timeoutMs, ',
    'const deadline = this.clock.timer(timeoutMs + 1e9, ',
    '[blocking] answers nothing when the time is over',
  ),
  broker(
    'unsubscribing does nothing',
    'listeners.delete(listener);',
    '',
    '[channel] who unsubscribed gets nothing more',
  ),
  broker(
    'a message goes to every channel',
    'for (const listener of [...(this.#channels.get(channel) ?? [])]) {',
    'for (const listener of [...this.#channels.values()].flatMap((all) => [...all])) {',
    '[channel] a message stays in its channel',
  ),

  lock(
    'two owners get one key',
    'if (lease && lease.ownerId !== ownerId) return false;',
    '',
    '[acquire] one owner at a time',
    '[acquire] of 20 owners at once exactly one gets the key',
  ),
  lock(
    'the owner is refused its own key',
    'if (lease && lease.ownerId !== ownerId) return false;',
    'if (lease) return false;',
    '[acquire] the owner gets its key again, from now on',
  ),
  lock(
    'a lease never ends',
    'for (let lease = this.#byEnd.first(); lease && lease.k1 <= now;',
    'for (let lease = this.#byEnd.first(); lease && lease.k1 < 0 * now;',
    '[acquire] the key is free when its time is over',
    '[owner] nobody owns a key after the end',
    '[renew] not after the end, though nobody took the key',
  ),
  lock(
    'anybody may release',
    'if (lease?.ownerId === ownerId) this.#drop(lease);',
    'if (lease) this.#drop(lease);',
    '[release] only by the owner',
  ),
  lock(
    'renew brings a lease into being',
    'if (this.#live(key)?.ownerId !== ownerId) return false;',
    'if ((this.#live(key)?.ownerId ?? ownerId) !== ownerId) return false;',
    '[renew] only by the owner',
    '[renew] not after the end, though nobody took the key',
    '[renew] many keys are renewed one by one',
  ),
  lock(
    'renew does not renew',
    'if (this.#live(key)?.ownerId !== ownerId) return false;\n    this.#hold(key, ownerId, ttlMs);',
    'if (this.#live(key)?.ownerId !== ownerId) return false;\n    void ttlMs;',
    '[renew] holds the key for longer, from now on',
    '[renew] many keys are renewed one by one',
  ),

  leader(
    'two lead at once',
    'if (live && last.owner !== owner) return',
    'if (live && last.owner === "nobody") return',
    '[campaign] the first one leads, the others hear who and for how long',
    '[campaign] of 20 at once exactly one leads',
  ),
  leader(
    'a term never ends',
    'const live = last && last.until > now;',
    'const live = last && last.until > 0 * now;',
    '[expiry] another leads when the time is over, in a later term',
    '[campaign] of 20 at once exactly one takes over when a term has ended',
  ),
  leader(
    'a new leader has the epoch of the one before',
    'Math.max((last?.epoch ?? 0) + 1, Math.floor(now) * 1_000)',
    'Math.max(last?.epoch ?? 0, 1)',
    '[expiry] another leads when the time is over, in a later term',
    '[resign] another leads at once, in a later term',
    '[epoch] grows with every term, whoever leads',
  ),
  leader(
    'the epoch is only the time',
    'Math.max((last?.epoch ?? 0) + 1, Math.floor(now) * 1_000)',
    'Math.floor(now) * 1_000',
    '[epoch] grows with every term, whoever leads',
    '[resign] another leads at once, in a later term',
  ),
  leader(
    'a renewal is a new term',
    'const epoch = live ? last.epoch :',
    'const epoch = live ? last.epoch + 1 :',
    '[campaign] the leader renews its term, from now on, and keeps its epoch',
  ),
  leader(
    'a term is not renewed',
    'this.#terms.set(name, { owner, epoch, until: now + ttlMs });',
    'this.#terms.set(name, { owner, epoch, until: live ? last.until : now + ttlMs });',
    '[campaign] the leader renews its term, from now on, and keeps its epoch',
  ),
  leader(
    'who comes back too late has its old term',
    'const epoch = live ? last.epoch :',
    'const epoch = live || last?.owner === owner ? (last?.epoch ?? 0) :',
    '[expiry] who comes back too late begins a new term',
  ),
  leader(
    'a follower lengthens the term that it asks for',
    'if (live && last.owner !== owner) return {',
    'if (live && last.owner !== owner) this.#terms.set(name, { ...last, until: now + ttlMs });\n    if (live && last.owner !== owner) return {',
    '[campaign] who asks in vain changes nothing',
  ),
  leader(
    'followers hear of the whole time of the term',
    'if (live && last.owner !== owner) return { leader: false, owner: last.owner, leaseMs: last.until - now };',
    'if (live && last.owner !== owner) return { leader: false, owner: last.owner, leaseMs: ttlMs };',
    '[campaign] the first one leads, the others hear who and for how long',
  ),
  leader(
    'anybody may resign',
    'last.owner !== owner || last.epoch !== epoch) return false;',
    'last.epoch !== epoch) return false;',
    '[resign] only by the owner, in its term',
  ),
  leader(
    'an old term may be resigned',
    'last.owner !== owner || last.epoch !== epoch) return false;',
    'last.owner !== owner) return false;',
    '[resign] only by the owner, in its term',
  ),
  leader(
    'to resign forgets the epoch',
    'this.#terms.set(name, { owner, epoch, until: 0 });',
    'this.#terms.delete(name);',
    '[epoch] grows with every term, whoever leads',
  ),
  leader(
    'to resign does nothing',
    'this.#terms.set(name, { owner, epoch, until: 0 });',
    'void epoch;',
    '[resign] another leads at once, in a later term',
    '[current] says who leads, in which term, and for how long',
  ),
  leader(
    'who led is still named after the end',
    'if (!last || last.until <= now) return undefined;',
    'if (!last) return undefined;',
    '[current] says who leads, in which term, and for how long',
    '[campaign] who asks in vain changes nothing',
  ),
];
