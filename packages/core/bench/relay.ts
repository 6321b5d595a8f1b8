/** Messages a second from broker to broker: our Bridge with its spools beside Mosquitto's own bridge and a paho forwarder. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bridge, LmdbSpool } from 'edge-relay';
import { freePort, startFaultProxy, startMosquitto } from 'edge-relay/testing';
import { RawClient } from './lib/raw-mqtt';

const self = fileURLToPath(import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    messages: { type: 'string', default: '40000' },
    /** Messages before the clock starts: what the first second compiles is no part of what a relay of months does. */
    'warm-up': { type: 'string', default: '20000' },
    bytes: { type: 'string', default: '20000' },
    /** `max_inflight_messages` of both brokers; stock is 20. */
    window: { type: 'string', default: '2000' },
    /**
     * How many messages may be between the load and the drain. 0 for no bound: the near broker acknowledges at once and
     * collects what a slower forwarder leaves, which costs memory and processor time of its own.
     */
    'in-flight': { type: 'string', default: '2000' },
    /** So often, one forwarder after the other, since what else is on the machine comes and goes. */
    rounds: { type: 'string', default: '3' },
    /** Only those whose names contain this. */
    forwarder: { type: 'string', default: '' },
    /** Milliseconds of round trip to the far broker. */
    roundtrip: { type: 'string', default: '0' },
    /** Messages in flight at each end of our bridge, or at the near and at the far one (`512/256`); without it the library's own. */
    'own-window': { type: 'string' },
    /** A folder for CPU profiles of our processes. */
    profile: { type: 'string' },
    /** Options of Node for our bridge, to see what they change: `--max-semi-space-size=64`. */
    'node-options': { type: 'string', default: '' },
  },
});
process.setMaxListeners(100);
const roundtrip = Number(values.roundtrip);
const [inFlight, warmUp] = [Number(values['in-flight']), Number(values['warm-up'])];
const [messages, bytes, window] = [Number(values.messages), Number(values.bytes), Number(values.window)];

/** After how many arrivals the load hears of them; the warm-up is a multiple of it. */
const ARRIVALS_A_LINE = 100;

interface Outcome {
  readonly messagesPerSecond: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  /** Processor time of the forwarding process; Mosquitto's bridge lives inside the broker. */
  readonly processorMicrosecondsPerMessage?: number;
}

/** How to start what forwards `edge` at the broker of one port to `cloud` at that of the other; resolves when it is ready. */
type Forwarder = (near: number, far: number, folder: string) => Promise<ChildProcess | undefined>;

const forwarders: Record<string, Forwarder> = {
  'edge-relay, every message on disk': (near, far, folder) =>
    startRole('bridge', near, far, join(folder, 'spool'), 'always'),
  'edge-relay, on disk unless taken': (near, far, folder) =>
    startRole('bridge', near, far, join(folder, 'spool'), 'unless-taken'),
  'edge-relay, in memory': (near, far) => startRole('bridge', near, far, ''),
  'mosquitto bridge': async () => undefined,
};
if (spawnSync('/usr/bin/python3', ['-c', 'import paho.mqtt']).status === 0) {
  const script = fileURLToPath(new URL('../../../bench/lib/paho-forwarder.py', import.meta.url));
  const paho = (of: number) => (near: number, far: number) =>
    startReady('/usr/bin/python3', [script, near, far, of]);
  forwarders['paho forwarder'] = paho(window);
  // Where answers take long, its own window decides; 20 is what it comes with.
  if (roundtrip > 0) forwarders['paho forwarder as it comes'] = paho(20);
}

const [role, ...args] = positionals;
if (role === 'bridge') await runBridge(Number(args[0]), Number(args[1]), args[2] ?? '', args[3]);
else if (role === 'proxy') await runProxy(Number(args[0]));
else if (role === 'load') await runLoad(Number(args[0]));
else if (role === 'drain') await runDrain(Number(args[0]));
else await compare();

async function compare(): Promise<void> {
  const outcomes = new Map<string, Outcome[]>();
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const [name, forwarder] of Object.entries(forwarders)) {
      if (!name.includes(values.forwarder)) continue;
      const outcome = await measure(name, forwarder);
      outcomes.set(name, [...(outcomes.get(name) ?? []), outcome]);
      const setting = { messages, warmUp, bytes, window, inFlight, roundtrip };
      console.log(JSON.stringify({ benchmark: 'relay', forwarder: name, round, ...setting, ...outcome }));
    }
  }
  const peer = outcomes.get('mosquitto bridge');
  for (const [name, rounds] of outcomes) {
    const messagesPerSecond = median(rounds.map((outcome) => outcome.messagesPerSecond));
    const ratio = peer && messagesPerSecond / median(peer.map((outcome) => outcome.messagesPerSecond));
    const timesMosquitto = ratio && Math.round(ratio * 100) / 100;
    console.log(
      JSON.stringify({ benchmark: 'relay', forwarder: name, median: messagesPerSecond, timesMosquitto }),
    );
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

async function measure(name: string, forwarder: Forwarder): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
  const config = `max_inflight_messages ${window}\nmax_queued_messages 0\nlog_type none`;
  const farPort = await freePort();
  const far = await startMosquitto({ port: farPort, config });
  // What forwards sees the far broker through it.
  const distant = roundtrip > 0 ? await startProxy(farPort) : undefined;
  const target = distant?.port ?? farPort;
  const bridge =
    name === 'mosquitto bridge'
      ? `\nconnection cloud\naddress 127.0.0.1:${target}\ntopic "" out 1 edge cloud\ncleansession false\nrestart_timeout 1`
      : '';
  const near = await startMosquitto({ config: config + bridge });
  const drain = await startRole('drain', farPort);
  const forwarding = await forwarder(near.port, target, folder);
  try {
    // Mosquitto's own bridge says nothing when it is up.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    let before = forwarding && processorSecondsOf(forwarding.pid!);
    const load = await startRole('load', near.port);
    const line = await new Promise<string>((resolve) => {
      createInterface(drain.stdout!).on('line', (said) => {
        if (said.startsWith('{')) resolve(said);
        else load.stdin?.write(`${said}\n`);
        if (Number(said) === warmUp) before = forwarding && processorSecondsOf(forwarding.pid!);
      });
    });
    const after = forwarding && processorSecondsOf(forwarding.pid!);
    load.kill();
    const processor = before !== undefined &&
      after !== undefined && {
        processorMicrosecondsPerMessage: Math.round(((after - before) / messages) * 1e6),
      };
    return { ...JSON.parse(line), ...processor };
  } finally {
    for (const child of [drain, forwarding, distant?.child]) child?.kill('SIGTERM');
    await Promise.all([near.close(), far.close()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runBridge(nearPort: number, farPort: number, spool: string, writes = 'always'): Promise<void> {
  // So many are under way at once where answers take long.
  const own = values['own-window'] ?? (roundtrip > 0 ? String(window) : undefined);
  const [near, far = near] = (own ?? '').split('/');
  const windowOf = (messages: string | undefined) =>
    messages ? { windowMessages: Number(messages), windowBytes: 64 * 1024 * 1024 } : {};
  const bridge = new Bridge({
    from: { url: `mqtt://127.0.0.1:${nearPort}`, ...windowOf(near) },
    to: { url: `mqtt://127.0.0.1:${farPort}`, ...windowOf(far) },
    topics: [{ from: 'edge', to: 'cloud' }],
    ...(spool && { spool: new LmdbSpool(spool, { writes: writes as 'always' | 'unless-taken' }) }),
  });
  bridge.on('online', ({ side }) => side === 'from' && console.log('ready'));
  process.once('SIGTERM', () => process.exit());
  await bridge.run();
}

async function runProxy(targetPort: number): Promise<void> {
  const proxy = await startFaultProxy({ targetPort });
  proxy.delay(roundtrip / 2);
  console.log(proxy.port);
}

async function runLoad(port: number): Promise<void> {
  const client = await RawClient.connect(port, 'load');
  let arrived = 0;
  createInterface(process.stdin).on('line', (line) => {
    arrived = Number(line);
    client.allowMore();
  });
  console.log('ready');
  const allowed = inFlight > 0 ? () => arrived + inFlight : undefined;
  await client.publishAll('edge', warmUp + messages, bytes, 500, 0, allowed);
}

async function runDrain(port: number): Promise<void> {
  const client = await RawClient.connect(port, 'drain');
  const latencies: number[] = [];
  let [arrived, startedAt] = [0, 0];
  await new Promise<void>((resolve) => {
    void client
      .subscribe('cloud', (payload) => {
        arrived += 1;
        if (arrived % ARRIVALS_A_LINE === 0) console.log(arrived);
        if (arrived <= warmUp) return;
        if (arrived === warmUp + 1) startedAt = performance.now();
        latencies.push(Date.now() - payload.readDoubleLE());
        if (latencies.length === messages) resolve();
      })
      .then(() => console.log('ready'));
  });
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => Math.round(latencies[Math.ceil(latencies.length * share) - 1]!);
  const messagesPerSecond = Math.round(messages / seconds);
  console.log(JSON.stringify({ messagesPerSecond, p50Milliseconds: at(0.5), p99Milliseconds: at(0.99) }));
}

async function startProxy(
  targetPort: number,
): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const args = [self, `--roundtrip=${roundtrip}`, 'proxy', String(targetPort)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const [data] = await once(child.stdout, 'data');
  return { port: Number(data), child };
}

function startRole(name: string, ...rest: (string | number)[]): Promise<ChildProcess> {
  const options = Object.entries(values).map(([option, value]) => `--${option}=${value}`);
  return startReady(process.execPath, [
    ...(name === 'bridge' ? values['node-options'].split(' ').filter((option) => option !== '') : []),
    ...(values.profile ? ['--cpu-prof', `--cpu-prof-dir=${values.profile}`] : []),
    self,
    ...options,
    name,
    ...rest,
  ]);
}

/** Starts a program that prints `ready`. */
async function startReady(program: string, rest: readonly (string | number)[]): Promise<ChildProcess> {
  const child = spawn(program, rest.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child;
}

/** utime and stime, fields 14 and 15 of /proc/[pid]/stat (proc(5)), in ticks of 10 ms. */
function processorSecondsOf(pid: number): number | undefined {
  const path = `/proc/${pid}/stat`;
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return text === '' ? undefined : (Number(fields[11]) + Number(fields[12])) / 100;
}
