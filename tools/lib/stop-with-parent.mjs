// Preloaded into an app by tools/start.mjs: when the starter is gone, even by SIGKILL, the app stops too.
const GRACE_MS = 30_000;

process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS).unref();
});
process.channel?.unref();
