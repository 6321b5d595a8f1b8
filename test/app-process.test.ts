import { expect, it } from 'vitest';
import { startApp } from './app-process';

let pid: number | undefined;

it('an app that a test has started and left', () => {
  pid = startApp('cloud-sink', ['--cloud-url', 'mqtt://127.0.0.1:1']).child.pid;
  expect(pid).toBeDefined();
});

it('is gone when the next one begins', () => {
  expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
});
