import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Publisher } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { encodeGap, GAP_CONTENT_TYPE, GAP_EVENT_TYPE } from '../packages/core/src/gap-record';
import { describeWith, promtool } from '../packages/core/test/requirements';
import { startApp, until, watched } from './app-process';
import { photoFolder, temporaryFolder } from './materials';
import { labelsOfAnswer, metricsIn, mistakes } from './promql';
import { type Served, scrape, together } from './scrape';

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
    readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: { query: string } }[];
  };
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: object;
  readonly annotations: Readonly<Record<string, string>>;
}

interface DocumentedMetric {
  readonly name: string;
  readonly type: string;
  /** The values of each label; none where they are not ours to choose. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

const operations = readFileSync(fileURLToPath(new URL('../docs/operations.md', import.meta.url)), 'utf8');

/** The rows of the table of figures: names, type, labels such as `camera`; `reason`: `stall`, `failure`. */
function documentedMetrics(): DocumentedMetric[] {
  const rows = operations.matchAll(/^\| (`[a-z_`, ]+`) +\| (counter|gauge|histogram) +\| ([^|]*?) +\|/gm);
  const quoted = (text: string) => [...text.matchAll(/`([\w-]+)`/g)].map(([, word]) => word!);
  return [...rows].flatMap(([, names, type, list]) => {
    const labels = list!.split(';').map((one) => one.split(':').map(quoted));
    const named = labels.filter(([label]) => label!.length > 0);
    const entries = named.map(([label, values = []]) => [label![0]!, values] as const);
    return quoted(names!).map((name) => ({
      name: `edge_relay_${name}`,
      type: type!,
      labels: Object.fromEntries(entries),
    }));
  });
}

const shipped = (name: string) =>
  fileURLToPath(new URL(`../packages/examples/deploy/${name}`, import.meta.url));
/** The app's configuration, as the containers have it, too. */
const configurationOf = (app: 'edge-pipeline' | 'cloud-sink') =>
  shipped(`${app === 'cloud-sink' ? 'cloud' : 'edge'}/${app}.yaml`);
const textOf = (name: string) => readFileSync(shipped(name), 'utf8');
const dashboard = JSON.parse(textOf('monitoring/dashboard.json')) as Dashboard;
const { groups } = parse(textOf('monitoring/alerts.yaml')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const panelQueries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({ where: title, query: expr, legend: legendFormat })),
);

let known: Promise<Served> | undefined;
/** What the apps serve when each metric has been counted once. */
function served(): Promise<Served> {
  known ??= serve();
  return known;
}

async function serve(): Promise<Served> {
  const broker = await startMosquitto();
  const photos = await photoFolder(1);
  const edge = [
    '--metrics',
    '0',
    '--edge-url',
    broker.url,
    '--policy',
    'all',
    '--loop',
    '--frames-per-second',
    '2',
  ];
  const apps = [
    startApp('edge-pipeline', [...edge, '--cloud-url', broker.url, '--source', photos]),
    startApp('edge-pipeline', [
      ...edge,
      '--role',
      'detect',
      '--source',
      photos,
      '--minimum-quality',
      '0.999',
    ]),
    startApp('cloud-sink', ['--metrics', '0', '--cloud-url', broker.url, '--store', await temporaryFolder()]),
  ];
  await using publisher = new Publisher({ url: broker.url, topic: 'hw3faces' });
  onTestFinished(async () => {
    for (const { child } of apps) child.kill('SIGKILL');
    await broker.close();
  });
  const payload = encodeGap({
    ...{ type: GAP_EVENT_TYPE, id: 'gap-1', camera: 'door', boot: 'b1', reason: 'full' },
    ...{ numbers: [[1, 4]], time: '2026-11-25T12:00:00.000Z' },
  });
  await publisher.publish({ payload, contentType: GAP_CONTENT_TYPE });
  const addresses = await Promise.all(apps.map(watched));
  const wanted = ['faces_suppressed_total', 'sequence_gaps_total', 'end_to_end_seconds_count'];
  let all = together([]);
  await until(
    async () => {
      all = together(await Promise.all(addresses.map((url) => scrape(`${url}/metrics`))));
      return wanted.every((name) => all.labels.has(`edge_relay_${name}`));
    },
    () => apps.map(({ log }) => log).join('\n'),
  );
  return all;
}

describeWith('mosquitto', 'dashboard and alerts', () => {
  it('ask in PromQL that can be read, for metrics and labels that there are', async () => {
    const scraped = await served();
    const queries = [
      ...panelQueries.map(({ where, query }) => [where, query] as const),
      ...rules.map(({ alert, expr }) => [alert, expr] as const),
    ];
    expect(queries.length).toBeGreaterThan(30);
    const wrong = queries.flatMap(([where, query]) =>
      mistakes(query, scraped).map((mistake) => `${where}: ${mistake}`),
    );
    expect(wrong).toEqual([]);
  });

  it.each([
    'rate(edge_relay_no_such_total[5m])',
    'rate(edge_relay_publish_total[5m]',
    'sum by (colour) (edge_relay_camera_fps)',
    'edge_relay_camera_fps{stage="x"}',
    'edge_relay_detect_duration_seconds',
    'edge_relay_camera_fps_bucket',
    'rate(edge_relay_camera_fps[5m])',
    'edge_relay_publish_total{result=~"refused|lost"}',
    'edge_relay_spool_messages{stage!="sink"}',
  ])('would not get through with %s', async (query) => {
    expect(mistakes(query, await served())).not.toEqual([]);
  });

  it('leave out none of our metrics', async () => {
    const asked = [...panelQueries.map(({ query }) => query), ...rules.map(({ expr }) => expr)].flatMap(
      metricsIn,
    );
    const names = [...(await served()).types.keys()].filter((name) => name.startsWith('edge_relay_'));
    expect(names.length).toBeGreaterThan(20);
    const parts = ['', '_bucket'];
    expect(names.filter((name) => !parts.some((part) => asked.includes(name + part)))).toEqual([]);
  });

  it('and docs/operations.md lists them all, with their types, labels and the values of these', async () => {
    const { types, labels } = await served();
    const ours = [...types].filter(([name]) => name.startsWith('edge_relay_'));
    const documented = documentedMetrics();
    expect(ours.map(([name, type]) => `${name} ${type}`).sort()).toEqual(
      documented.map(({ name, type }) => `${name} ${type}`).sort(),
    );
    for (const { name, type, labels: wanted } of documented) {
      const seen =
        labels.get(type === 'histogram' ? `${name}_count` : name) ?? new Map<string, Set<string>>();
      expect([...seen.keys()].sort(), name).toEqual(Object.keys(wanted).sort());
      for (const [label, values] of Object.entries(wanted)) {
        if (values.length === 0) continue;
        const others = [...seen.get(label)!].filter((value) => !values.includes(value));
        expect(others, `${name}, ${label}`).toEqual([]);
        // Of these the sink knows no more than what it was told of.
        if (name !== 'edge_relay_sequence_gaps_total')
          expect([...seen.get(label)!].sort(), `${name}, ${label}`).toEqual([...values].sort());
      }
    }
  });

  it('name labels in legends and texts that the answers have', async () => {
    const scraped = await served();
    for (const { where, query, legend } of panelQueries) {
      for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
        expect(labelsOfAnswer(query, scraped), `${where}: ${legend}`).toContain(label);
      }
    }
    for (const { alert, expr, annotations } of rules) {
      for (const [, label] of Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g)) {
        expect(labelsOfAnswer(expr, scraped), alert).toContain(label);
      }
    }
    const variable = dashboard.templating.list.find(({ name }) => name === 'camera');
    const [, name, label] = /label_values\((\w+), (\w+)\)/.exec(variable!.query.query) ?? [];
    expect([...(scraped.labels.get(name!)?.keys() ?? [])]).toContain(label);
  });
});

describe('the dashboard', () => {
  it('has panels that do not cover each other', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });
});

describeWith('promtool', 'the alerts, as Prometheus sees them,', () => {
  const run = promisify(execFile);
  const whenTheyFire = fileURLToPath(new URL('alerts.yaml', import.meta.url));

  it('are rules that it takes', async () => {
    const { stdout } = await run(promtool, ['check', 'rules', shipped('monitoring/alerts.yaml')]);
    expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`);
  });

  it('all fire where all goes wrong, and none where all is well', async () => {
    const tests = readFileSync(whenTheyFire, 'utf8');
    for (const { alert } of rules) expect(tests).toContain(`{alertname="${alert}"}`);
    const { stdout } = await run(promtool, ['test', 'rules', whenTheyFire]);
    expect(stdout).toContain('SUCCESS');
  });
});

describe('the alerts', () => {
  it('have all that Prometheus wants of them, and nothing that it does not know', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, expr, for: since = '0s', labels, annotations, ...more } of rules) {
      expect(alert).toMatch(/^EdgeRelay[A-Z]\w+$/);
      expect(expr).toMatch(/(?:==|>|<) *[\d.]+/);
      expect(since).toMatch(/^\d+[smhd]$/);
      expect(labels).toEqual({ severity: expect.stringMatching(/^(warning|critical)$/) });
      expect(annotations).toMatchObject({ summary: expect.any(String) });
      expect(more).toEqual({});
    }
  });

  it('are among the files that prometheus.yaml names, whose targets are where the shipped configurations serve', () => {
    const prometheus = parse(textOf('monitoring/prometheus.yaml')) as {
      rule_files: string[];
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    expect(prometheus.rule_files).toEqual(['alerts.yaml']);
    const [job] = prometheus.scrape_configs;
    expect(rules[0]!.expr).toContain(`job="${job!.job_name}"`);
    const ports = job!.static_configs.flatMap(({ targets }) =>
      targets.map((target) => Number(target.split(':')[1])),
    );
    const served = (['edge-pipeline', 'cloud-sink'] as const).map(
      (name) => parse(readFileSync(configurationOf(name), 'utf8')).metrics,
    );
    expect(ports).toEqual(served);
  });
});

describe.each(['edge-pipeline', 'cloud-sink'] as const)('the unit of %s', (name) => {
  const unit = shipped(`systemd/${name}.service`);
  const settings = (key: string) =>
    [...readFileSync(unit, 'utf8').matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value!);

  describeWith('systemd', 'with systemd', () => {
    it('is one that systemd understands', async () => {
      const run = promisify(execFile);
      const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit]);
      expect(`${stdout}${stderr}`).toBe('');
    });
  });

  it('is understood by the systemd of Ubuntu 22.04 and JetPack 6 (249), which knows no %d', () => {
    expect(readFileSync(unit, 'utf8')).not.toMatch(/^[^#\n]*%d/m);
  });

  it('starts the app with the configuration beside it and the password that systemd hands out', async () => {
    const [start = ''] = settings('ExecStart');
    const program = `/usr/bin/env node /opt/edge-relay/packages/examples/${name}/dist/main.js `;
    expect(start.startsWith(program)).toBe(true);
    const credentials = await temporaryFolder();
    const [credential = ''] = settings('LoadCredential')[0]!.split(':');
    await writeFile(join(credentials, credential), 'a password\n');
    const words = start
      .slice(program.length)
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is systemd that fills it in
      .replace('${CREDENTIALS_DIRECTORY}', credentials)
      .replace(`/etc/edge-relay/${name}.yaml`, configurationOf(name))
      .split(' ');
    const env = Object.fromEntries(settings('Environment').map((pair) => pair.split('=')));
    const app = startApp(name, [...words, '--check'], { env });
    expect(await app.ended, app.log).toBe(0);
    expect(app.output).toMatch(new RegExp(`assword: "\\*\\*\\*" +# ${credentials}/${credential}`));
  });

  it('is not started again and again with a configuration that is wrong, and has time to drain', async () => {
    const app = startApp(name, ['--config', configurationOf(name), '--log-level', 'loud']);
    expect(`${await app.ended}`).toBe(settings('RestartPreventExitStatus')[0]);
    expect(settings('Restart')).toEqual(['on-failure']);
    expect(Number(settings('TimeoutStopSec')[0])).toBeGreaterThan(8);
  });
});
