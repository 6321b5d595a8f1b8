// npm run api: writes down the library's public surface in packages/core/api, one report for each entry, so that a
// change to it shows in review. `--check [folder]` writes nothing, and fails where the reports there say otherwise.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { setup } from './setup.mjs';
import { root } from './steps.mjs';

const core = join(root, 'packages', 'core');
/** The entries of `exports`, and how their reports are called. */
const reports = { index: 'edge-relay', testing: 'edge-relay-testing' };
const [option, kept = join(core, 'api')] = process.argv.slice(2);
const isCheck = option === '--check';

if (isCheck) {
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-api-'));
  try {
    writeReports(folder);
    process.exitCode = compare(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  await setup({ quiet: true });
  writeReports(kept);
}

function writeReports(reportFolder) {
  mkdirSync(reportFolder, { recursive: true });
  const reportTempFolder = mkdtempSync(join(tmpdir(), 'edge-relay-api-'));
  for (const [entry, name] of Object.entries(reports)) {
    const configObject = {
      projectFolder: core,
      mainEntryPointFilePath: join(core, 'dist', `${entry}.d.ts`),
      compiler: { tsconfigFilePath: join(core, 'tsconfig.json') },
      apiReport: { enabled: true, reportFileName: `${name}.api.md`, reportFolder, reportTempFolder },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      // What docstrings say is looked at by docstrings.test.ts; the report is about types.
      messages: {
        extractorMessageReporting: { default: { logLevel: 'none' } },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    };
    const packageJsonFullPath = join(core, 'package.json');
    const config = ExtractorConfig.prepare({ configObject, packageJsonFullPath });
    const isQuiet = ({ logLevel }) => logLevel !== 'error';
    Extractor.invoke(config, {
      localBuild: true,
      messageCallback: (message) => {
        message.handled = isQuiet(message);
      },
    });
  }
  rmSync(reportTempFolder, { recursive: true });
}

/** Prints what is different; gives the exit code. */
function compare(folder) {
  const files = ['diff', '--no-index', '--no-prefix', '--unified=1', kept, folder];
  const { status, stdout } = spawnSync('git', files, { encoding: 'utf8' });
  if (status === 0) return 0;
  console.log(stdout.trimEnd());
  console.log('\nThe public surface is not what packages/core/api says. Where the change is meant:');
  console.log('npm run api, commit the reports, and add a changeset (npx changeset).');
  return 1;
}
