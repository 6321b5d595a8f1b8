import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Mosquitto, makeCertificateAuthority, startMosquitto } from 'edge-relay/testing';
import { expect, it, onTestFinished } from 'vitest';
import { blocksOf } from '../packages/core/test/markdown';
import { describeWith } from '../packages/core/test/requirements';
import { type AppProcess, startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';

const document = readFileSync(fileURLToPath(new URL('../docs/security.md', import.meta.url)), 'utf8');
const blocks = blocksOf('security.md', document).filter(({ language }) => language === 'conf');
const PASSWORD = 'ge:heim/1 %';
const FACES = 3;

/** The file that the document shows under this name. */
function shown(path: string): string {
  const block = blocks.find(({ text }) => text.startsWith(`# /etc/mosquitto/${path}\n`));
  if (!block) throw new Error(`docs/security.md does not show ${path}`);
  return block.text;
}

/** A Mosquitto with the document's configuration, its files in a folder of ours. */
async function startAsShown(
  config: string,
  access: string,
  users: readonly string[],
): Promise<{ readonly broker: Mosquitto; readonly folder: string }> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, access), shown(access));
  const passwords = join(folder, 'passwords');
  await writeFile(passwords, '');
  for (const user of users) execFileSync('mosquitto_passwd', ['-b', passwords, user, PASSWORD]);
  const authority = makeCertificateAuthority();
  const server = authority.issue({ name: 'cloud', hosts: ['127.0.0.1'] });
  const files = { 'authority.crt': authority.ca, 'cloud.crt': server.cert, 'cloud.key': server.key };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  for (const name of ['device-1', 'sink']) {
    const { cert, key } = authority.issue({ name });
    await writeFile(join(folder, `${name}.crt`), cert);
    await writeFile(join(folder, `${name}.key`), key);
  }
  const port = await freePort();
  const text = shown(config)
    .replace(/^listener .*$/m, '')
    .replaceAll(/\/etc\/mosquitto\/(?:certs\/)?/g, `${folder}/`);
  const broker = await startMosquitto({ port, config: text });
  onTestFinished(() => broker.close());
  return { broker, folder };
}

describeWith('mosquitto', 'the set-up of docs/security.md', () => {
  it.each([
    ['passwords', 'conf.d/cloud.conf'],
    ['client certificates', 'conf.d/cloud-mutual.conf'],
  ] as const)('carries faces to the store, with %s, and logs no password', async (kind, cloudConfig) => {
    const { broker: edge } = await startAsShown('conf.d/edge.conf', 'edge.acl', ['detector', 'bridge']);
    const { broker: cloud, folder } = await startAsShown(cloudConfig, 'cloud.acl', ['device-1', 'sink']);
    const store = await temporaryFolder();
    const cloudUrl = `mqtts://127.0.0.1:${cloud.port}`;
    const file = (name: string) => join(folder, name);
    const isByPassword = kind === 'passwords';
    const apps: AppProcess[] = [];
    const start = (
      ...[app, args, env]: [Parameters<typeof startApp>[0], string[], Record<string, string>]
    ) => {
      // Faces leave the device only when their receipts get through.
      const started = startApp(app, [...args, '--receipts'], { env });
      apps.push(started);
      return started;
    };
    const logs = () => apps.map(({ log }) => log).join('\n');

    start(
      'cloud-sink',
      [
        ...['--cloud-url', cloudUrl, '--ca', file('authority.crt'), '--store', store],
        ...(isByPassword ? ['--username', 'sink'] : ['--cert', file('sink.crt'), '--key', file('sink.key')]),
      ],
      { EDGE_RELAY_PASSWORD: isByPassword ? PASSWORD : '' },
    );
    start(
      'edge-pipeline',
      [
        ...['--role', 'bridge', '--edge-url', edge.url, '--edge-username', 'bridge'],
        ...['--cloud-url', cloudUrl, '--cloud-ca', file('authority.crt')],
        ...(isByPassword
          ? ['--cloud-username', 'device-1']
          : ['--cloud-cert', file('device-1.crt'), '--cloud-key', file('device-1.key')]),
      ],
      { EDGE_RELAY_EDGE_PASSWORD: PASSWORD, EDGE_RELAY_CLOUD_PASSWORD: isByPassword ? PASSWORD : '' },
    );
    await until(() => ['from', 'to'].every((side) => logs().includes(`connected ${side}`)), logs);
    // Within the address, as the document says it can be, and behind one where nobody is.
    const detector = `mqtt://detector:${encodeURIComponent(PASSWORD)}@127.0.0.1:${edge.port}`;
    const detecting = start(
      'edge-pipeline',
      ['--role', 'detect', '--source', await photoFolder(1), '--edge-url', `mqtt://127.0.0.1:1,${detector}`],
      {},
    );
    expect(await detecting.ended, logs()).toBe(0);
    await until(async () => (await filesIn(store)).length === FACES, logs);
    expect(detecting.log).toContain(`${FACES} stored`);
    expect(detecting.log).toContain(
      `publishing to hw3facestx2 at mqtt://detector:***@127.0.0.1:${edge.port}`,
    );
    expect(logs()).not.toContain(PASSWORD);
    expect(logs()).not.toContain(encodeURIComponent(PASSWORD));
  });

  it('lets nobody in without a name, and says why', async () => {
    const { broker: edge } = await startAsShown('conf.d/edge.conf', 'edge.acl', []);
    const app = startApp('cloud-sink', ['--cloud-url', edge.url, '--store', await temporaryFolder()]);
    expect(await app.ended).toBe(1);
    expect(app.log).toMatch(/error .*wants a user name and password \(not authorised\)\. Set username/);
  });
});
