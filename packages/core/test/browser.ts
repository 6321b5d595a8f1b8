import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

export interface Visit {
  readonly page: Page;
  readonly browser: BrowserContext;
  /** What the page complained of. */
  readonly problems: string[];
  close(): Promise<void>;
}

export interface VisitOptions {
  /** In pixels. @default 1200 x 900 */
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: 'light' | 'dark';
  readonly hasTouch?: boolean;
}

/** Without these Chromium looks for servers of its maker; as root it starts without a sandbox only. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Opens a page in the system's Chromium, with a profile of its own. */
export async function visit(url: string, options: VisitOptions = {}): Promise<Visit> {
  const profile = await mkdtemp(join(tmpdir(), 'edge-relay-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim(),
    args: QUIET,
    viewport: { width: 1200, height: 900 },
    ...options,
  });
  const page = browser.pages()[0] ?? (await browser.newPage());
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(url);
  const close = async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { page, browser, problems, close };
}
