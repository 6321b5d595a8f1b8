import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startMosquitto } from '../src/testing/mosquitto';
import { Consumer, packLibrary } from './consumer';
import { blocksOf, brokenLinks, type CodeBlock, commandsOf, documentsOf } from './markdown';
import { photos } from './photos';
import { describeWith } from './requirements';

const workspace = fileURLToPath(new URL('../../..', import.meta.url));
const documents = documentsOf(workspace).map((file) => ({
  file,
  markdown: readFileSync(join(workspace, file), 'utf8'),
}));
const blocks = documents.flatMap(({ file, markdown }) => blocksOf(file, markdown));
const inTypeScript = blocks.filter(({ language }) => language === 'ts');
/** What the documents call their broker; the tests put one of their own in its place. */
const BROKER = 'mqtt://localhost';
const place = ({ file, line }: CodeBlock) => `${file}:${line}`;

describe('code in TypeScript', () => {
  let archive: string;
  beforeAll(async () => {
    archive = await packLibrary();
  });

  test('compiles against the library as it is published', async () => {
    expect(await problemsOf(inTypeScript)).toEqual([]);
  });

  test('would not compile if it were wrong', async () => {
    const [wrong] = blocksOf(
      'wrong.md',
      "```ts\nimport { pipeline } from 'edge-relay';\n\nawait pipeline(5);\n```",
    );
    expect(await problemsOf([wrong!])).toEqual([expect.stringMatching(/^wrong\.md:4: error TS2554/)]);
  });

  test('each driver of docs/extend.md takes 40 lines', () => {
    const drivers = inTypeScript.filter(({ file, run }) => file === join('docs', 'extend.md') && run);
    expect(drivers.map(({ text }) => text.trimEnd().split('\n').length <= 40)).toEqual([true, true, true]);
  });

  const runnable = inTypeScript.filter(({ run }) => run);
  const needsBroker = (block: CodeBlock) => block.text.includes(BROKER);

  test.each(runnable.filter((block) => !needsBroker(block)).map((block) => [place(block), block] as const))(
    'at %s prints what the document says',
    async (_, block) => {
      await printsWhatItSays(block, block.text);
    },
  );

  describeWith('mosquitto', 'with a broker', () => {
    test.each(runnable.filter(needsBroker).map((block) => [place(block), block] as const))(
      'at %s prints what the document says',
      async (_, block) => {
        const broker = await startMosquitto();
        onTestFinished(() => broker.close());
        await printsWhatItSays(block, block.text.replaceAll(BROKER, broker.url));
      },
    );
  });

  /** Runs the code beside a folder `photos` with one photo of three people. */
  async function printsWhatItSays(block: CodeBlock, text: string): Promise<void> {
    const { code } = await transform(text, { loader: 'ts', format: 'esm', target: 'node20' });
    const project = await Consumer.create(archive, { 'main.mjs': code });
    mkdirSync(join(project.folder, 'photos'));
    copyFileSync(photos.three, join(project.folder, 'photos', 'people.jpg'));
    const printed = await project.run(['main.mjs']);
    if (block.output !== undefined) expect(printed.trimEnd()).toBe(block.output.trimEnd());
  }

  /** What the compiler has to say, by file and line of the documents. */
  async function problemsOf(checked: readonly CodeBlock[]): Promise<string[]> {
    const project = await Consumer.create(archive, {
      'package.json': '{ "type": "module" }',
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          target: 'es2023',
          lib: ['es2023', 'esnext.disposable'],
          module: 'esnext',
          moduleResolution: 'bundler',
          moduleDetection: 'force',
          strict: true,
          skipLibCheck: true,
          types: ['node'],
        },
        files: checked.map((_, index) => `block-${index}.ts`),
      }),
    });
    checked.forEach(({ text }, index) => {
      project.write(`block-${index}.ts`, text);
    });
    const output = await project.compile();
    return output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) =>
        line.replace(/^block-(\d+)\.ts\((\d+),\d+\)/, (_, index, offset) => {
          const block = checked[Number(index)]!;
          return `${block.file}:${block.line + Number(offset) - 1}`;
        }),
      );
  }
});

describe('commands', () => {
  const inShell = blocks.filter(({ language }) => ['sh', 'bash'].includes(language));

  test.each(inShell.map((block) => [place(block), block] as const))('at %s can be typed', (_, block) => {
    expect(commandsOf(block.text).flatMap(problemsOf)).toEqual([]);
  });

  test.each([
    ['npm run nothing', /no script/],
    ['npm run bench -- nothing', /no benchmark/],
    ['cd here && frobnicate --fast', /frobnicate is not a program/],
    ['URL=x node nowhere.js', /nowhere\.js is not there/],
  ])('%s could not', (command, problem) => {
    expect(commandsOf(command).flatMap(problemsOf)).toEqual([expect.stringMatching(problem)]);
  });
});

test.each(documents)('links of $file lead somewhere', ({ file, markdown }) => {
  expect(brokenLinks(workspace, file, markdown)).toEqual([]);
});

test('a link that leads nowhere would be seen', () => {
  const markdown = [
    '[a](./nowhere.md) [b](#nothing) [c](packages/core/README.md#nothing) ![d](../outside.png)',
    '[e](package.json) [f](packages/core/README.md#licence) [g](https://example.com) `[h](code.md)`',
  ].join('\n');
  const broken = ['./nowhere.md', '#nothing', 'packages/core/README.md#nothing', '../outside.png'];
  expect(brokenLinks(workspace, 'README.md', markdown)).toEqual(broken);
});

/** Programs of others that the documents may call; their options are not looked at. */
const programs = new Set(
  [
    [
      'alias',
      'apt-get',
      'cd',
      'chmod',
      'chown',
      'cp',
      'curl',
      'docker',
      'echo',
      'export',
      'ffmpeg',
      'ffplay',
      'git',
      'install',
      'kill',
      'ls',
      'mkdir',
      'sudo',
    ],
    [
      'journalctl',
      'mosquitto',
      'mosquitto_pub',
      'mosquitto_passwd',
      'mosquitto_sub',
      'openssl',
      'pnpm',
      'systemctl',
      'scp',
      'ssh',
      'tail',
      'v4l2-ctl',
    ],
    // Words of the shell.
    ['for', 'done'],
  ].flat(),
);

const { scripts } = JSON.parse(readFileSync(join(workspace, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

function problemsOf(words: readonly string[]): string[] {
  const [program, ...args] = words as [string, ...string[]];
  if (program === 'npm') return problemsOfNpm(args);
  if (program === 'npx' || program === 'node') {
    const target = args.find((word) => !word.startsWith('-'));
    return target === undefined ? [] : problemsOfApp(target, args.slice(args.indexOf(target) + 1));
  }
  return programs.has(program) ? [] : problemsOfApp(program, args);
}

function problemsOfNpm([command, ...args]: readonly string[]): string[] {
  if (command !== 'run') return [];
  const [script = '', separator, ...rest] = args;
  if (!Object.hasOwn(scripts, script)) return [`package.json has no script ${script}`];
  if (separator !== '--') return [];
  if (script === 'demo') return problemsOfApp('demo', rest);
  const benchmark = join(workspace, 'packages', 'core', 'bench', `${rest[0]}.ts`);
  return script === 'bench' && !existsSync(benchmark) ? [`there is no benchmark ${rest[0]}`] : [];
}

/** Whether the app is one of ours, by its name or the path of its main file, and its help tells of its options. */
function problemsOfApp(target: string, args: readonly string[]): string[] {
  const name = /^packages\/examples\/([\w-]+)\/dist\/main\.js$/.exec(target)?.[1] ?? target;
  const main = join(workspace, 'packages', 'examples', name, 'dist', 'main.js');
  if (!existsSync(main)) {
    if (!/\.[cm]?js$/.test(target)) return [`${target} is not a program that this test knows`];
    return existsSync(join(workspace, target)) ? [] : [`${target} is not there`];
  }
  // A command of the app, such as `audit`, has options of its own.
  const command = args.slice(
    0,
    Math.max(
      0,
      args.findIndex((word) => word.startsWith('-')),
    ),
  );
  const help = execFileSync(process.execPath, [main, ...command, '--help'], { encoding: 'utf8' });
  const options = args.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0]!);
  return options
    .filter((option) => !help.includes(option))
    .map((option) => `the help of ${name} has no ${option}`);
}
