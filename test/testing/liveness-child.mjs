// A worker without HTTP that shows its liveness, made of the compiled library. Nothing in it ends the process.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { OqronModule } from 'oqronkit/nestjs';

const { file, port } = JSON.parse(process.argv[2]);

class AppModule {}
Module({
  imports: [OqronModule.forRoot({ liveness: { file, port, interval: 100 }, shutdown: { enabled: false } })],
})(AppModule);

const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
process.send('ready');
process.once('message', async () => {
  await app.close();
  process.disconnect();
});
