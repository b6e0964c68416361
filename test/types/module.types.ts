// Compiled, never run: what the module takes.
import { Injectable, Module } from '@nestjs/common';
import { defineQueue } from 'oqronkit';
import {
  getQueueToken,
  OqronModule,
  type OqronModuleOptions,
  type OqronOptionsFactory,
  type QueueTarget,
} from 'oqronkit/nestjs';
import type { Equal, Expect } from './expect.js';

const Encode = defineQueue<{ file: string }, string>('encode');
const Mail = defineQueue<{ welcome: { to: string }; reset: { token: string } }, void>('mail');

@Injectable()
export class Settings implements OqronOptionsFactory {
  createOqronOptions(): OqronModuleOptions {
    return { project: 'shop', autoStart: false, enhancers: { global: true } };
  }
}

@Injectable()
export class OtherSettings {
  options(): OqronModuleOptions {
    return {};
  }
}

@Module({})
export class SettingsModule {}

export const right = [
  OqronModule.forRoot(),
  OqronModule.forRoot({ project: 'shop', mode: 'redis', redis: 'redis://localhost', autoStart: false }),
  OqronModule.forRoot({ isGlobal: false, extraProviders: [Settings], enhancers: false }),
  OqronModule.forRootAsync({
    imports: [SettingsModule],
    inject: [Settings],
    useFactory: (s: Settings) => s.createOqronOptions(),
  }),
  OqronModule.forRootAsync({
    useFactory: async () => ({ project: 'shop', enhancers: { guards: false } }),
    isGlobal: false,
  }),
  OqronModule.forRootAsync({ useClass: Settings, extraProviders: [{ provide: 'A', useValue: 1 }] }),
  OqronModule.forRootAsync({ useExisting: Settings, provideInjectionTokensFrom: [Settings] }),
  OqronModule.forFeature([Encode, Mail, 'by-name']),
];

export const wrong = [
  // @ts-expect-error no such option
  OqronModule.forRoot({ projekt: 'shop' }),
  // @ts-expect-error not a choice
  OqronModule.forRoot({ autoStart: 'no' }),
  // @ts-expect-error no such enhancer
  OqronModule.forRoot({ enhancers: { guard: true } }),
  // @ts-expect-error not a list
  OqronModule.forRoot({ extraProviders: Settings }),
  // @ts-expect-error it has to be known before the factory runs
  OqronModule.forRootAsync({ useFactory: (): OqronModuleOptions => ({ isGlobal: false }) }),
  // @ts-expect-error options of another kind
  OqronModule.forRootAsync({ useFactory: () => ({ mode: 'mongo' }) }),
  // @ts-expect-error a class without createOqronOptions
  OqronModule.forRootAsync({ useClass: OtherSettings }),
  // @ts-expect-error not a contract
  OqronModule.forFeature([{ name: 'encode' }]),
  // @ts-expect-error not a list
  OqronModule.forFeature(Encode),
];

export type Tokens = Expect<Equal<ReturnType<typeof getQueueToken>, string>>;
export const targets: readonly QueueTarget[] = [Encode, Mail, 'x'];
