import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { Chaos, type ChaosOptions } from './chaos';
import { chaosSchedule } from './chaos-schedule';
import { startFaultProxy } from './fault-proxy';
import { freePort } from './free-port';
import { mosquittoParty, programParty } from './party';
import { SeededRandom } from './seeded-random';

const sleeper = (name: string) =>
  programParty(name, process.execPath, ['-e', 'console.log("ready"); setInterval(() => {}, 1000)']);
const quick = { everyMs: [0, 30], awayMs: [0, 30], faultMs: [0, 30] } as const;

function chaosOf(options: Partial<ChaosOptions>): Chaos {
  const chaos = new Chaos({ parties: [sleeper('a'), sleeper('b')], ...quick, ...options });
  onTestFinished(() => chaos.close());
  return chaos;
}

async function aLink() {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const link = await startFaultProxy({ targetPort: (server.address() as { port: number }).port });
  onTestFinished(async () => {
    await link.close();
    server.close();
  });
  return link;
}

describe('random numbers with a seed', () => {
  it('are those of mulberry32', () => {
    const random = new SeededRandom(1);
    expect([random.next(), random.next()]).toEqual([0.6270739405881613, 0.002735721180215478]);
  });

  it('are within bounds, both included', () => {
    const random = new SeededRandom(7);
    const drawn = new Set(Array.from({ length: 1_000 }, () => random.between(3, 6)));
    expect([...drawn].sort()).toEqual([3, 4, 5, 6]);
    expect(() => random.pick([])).toThrow(TypeError);
    expect(() => new SeededRandom(0.5)).toThrow(TypeError);
  });
});

describe('the schedule of chaos', () => {
  const first = (seed: number, links: string[] = ['x', 'y']) => {
    const schedule = chaosSchedule(seed, ['a', 'b', 'c'], links);
    return Array.from({ length: 500 }, () => schedule.next().value);
  };

  it('is the same for the same seed, and another for another', () => {
    expect(first(5)).toEqual(first(5));
    expect(first(5)).not.toEqual(first(6));
  });

  it('comes to everybody, in every way', () => {
    const acts = first(5);
    const done = new Set(acts.map(({ kind, target }) => `${kind} ${target}`));
    expect([...done].sort()).toEqual(
      ['cut', 'half-open', 'stall']
        .flatMap((kind) => [`${kind} x`, `${kind} y`])
        .concat(['kill a', 'kill b', 'kill c'])
        .sort(),
    );
    expect(first(5, []).every(({ kind }) => kind === 'kill')).toBe(true);
  });
});

describe('chaos', () => {
  it('kills as often as it was told, and leaves everybody running', async () => {
    const chaos = chaosOf({ seed: 3 });
    const deeds: string[] = [];
    chaos.on('deed', ({ kind, target }) => deeds.push(`${kind} ${target}`));
    await chaos.start();
    const before = [chaos.processOf('a'), chaos.processOf('b')];
    const report = await chaos.run({ kills: 8 });
    expect(deeds).toHaveLength(8);
    expect(report).toMatchObject({ seed: 3, faults: {} });
    expect(report.kills.a! + report.kills.b!).toBe(8);
    for (const [index, name] of ['a', 'b'].entries()) {
      expect(before[index]!.signalCode).toBe('SIGKILL');
      expect(chaos.processOf(name)).toMatchObject({ exitCode: null, signalCode: null });
    }
    const last = chaos.processOf('a')!;
    await chaos.close();
    expect(last.signalCode).toBe('SIGKILL');
  });

  it('breaks links, and leaves them whole', async () => {
    const link = await aLink();
    const chaos = chaosOf({ parties: [], links: { link }, seed: 4 });
    const kinds = new Set<string>();
    chaos.on('deed', ({ kind }) => kinds.add(kind));
    const stop = new AbortController();
    const running = chaos.run({ minutes: 1, signal: stop.signal });
    await until(() => kinds.size === 3, 'each kind');
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    const socket = connect(link.port, '127.0.0.1').on('error', () => {});
    onTestFinished(() => void socket.destroy());
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
  });

  it('kills only whom it may', async () => {
    const chaos = chaosOf({ mortal: ['b'] });
    await chaos.start();
    expect((await chaos.run({ kills: 3 })).kills).toEqual({ b: 3 });
    expect(() => new Chaos({ parties: [sleeper('a')], mortal: ['z'] })).toThrow(/z, which is no party/);
  });

  it('fails when a party ends by itself, or cannot be started', async () => {
    const dying = programParty('dying', process.execPath, [
      '-e',
      'console.log("ready"); setTimeout(() => process.exit(3), 50)',
    ]);
    const chaos = chaosOf({ parties: [sleeper('a'), dying], mortal: ['a'] });
    await chaos.start();
    await expect(chaos.run({ minutes: 1 })).rejects.toThrow('dying has ended by itself, with 3.');
    expect(() => chaos.signal.throwIfAborted()).toThrow('dying has ended by itself');
    const stillborn = programParty('stillborn', process.execPath, ['-e', 'process.exit(4)']);
    await expect(chaosOf({ parties: [stillborn] }).start()).rejects.toThrow(/stillborn ended with 4/);
    await expect(chaosOf({}).run({})).rejects.toThrow(TypeError);
  });

  it('says so too when a party ends after the run', async () => {
    const chaos = chaosOf({ mortal: ['a'] });
    await chaos.start();
    await chaos.run({ kills: 1 });
    expect(chaos.signal.aborted).toBe(false);
    const ended = once(chaos.signal, 'abort');
    chaos.processOf('b')!.kill('SIGTERM');
    await ended;
    expect(() => chaos.signal.throwIfAborted()).toThrow('b has ended by itself, with SIGTERM.');
  });
});

describeWith('mosquitto', 'a Mosquitto as it comes', () => {
  it('starts again on its port at once, with clients that are connected', async () => {
    const port = await freePort();
    const chaos = chaosOf({ parties: [mosquittoParty('broker', port)] });
    await chaos.start();
    const client = spawn('mosquitto_sub', ['-p', String(port), '-t', 'x'], { stdio: 'ignore' });
    onTestFinished(() => void client.kill('SIGKILL'));
    expect((await chaos.run({ kills: 5 })).kills).toEqual({ broker: 5 });
  });
});
