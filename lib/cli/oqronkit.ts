#!/usr/bin/env node
import { runCommand } from './commands.js';

const host = {
  env: process.env,
  out: (text: string): void => void process.stdout.write(text),
  error: (text: string): void => void process.stderr.write(text),
};

void runCommand(process.argv.slice(2), host).then((code) => {
  process.exitCode = code;
});
