/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { ManifestRow } from 'edge-relay';
import { FaceDialog } from './face-dialog';
import { FaceGrid } from './face-grid';

interface Day {
  readonly camera: string;
  readonly day: string;
}

const camera = document.querySelector<HTMLSelectElement>('#camera')!;
const day = document.querySelector<HTMLSelectElement>('#day')!;
const older = document.querySelector<HTMLButtonElement>('#older')!;
const trouble = document.querySelector<HTMLElement>('#trouble')!;
const again = document.querySelector<HTMLButtonElement>('#again')!;
const live = document.querySelector<HTMLElement>('#live')!;
const grid = new FaceGrid(document.querySelector('#faces')!, document.querySelector('#empty')!);
const dialog = new FaceDialog(document.querySelector('dialog')!, grid);

/** Faces that come by themselves push out the oldest beyond so many. */
const LIVE_FACES = 600;
/** How long a connection that was refused is left alone. */
const RETRY_MS = 5_000;

let days: readonly Day[] | undefined;
let before = '';
/** How many were loaded because they were asked for. */
let asked = 0;
/** The request whose answer is waited for: one that comes later takes its place. */
let loading: AbortController | undefined;
/** What came by itself meanwhile, and an answer may not know of yet. */
let news: (() => void)[] = [];
/** What failed, to be done once more. */
let tryAgain = () => {};

camera.addEventListener('change', () => {
  showDays();
  void load();
});
day.addEventListener('change', () => void load());
older.addEventListener('click', () => void load(before));
again.addEventListener('click', () => tryAgain());
grid.onOpen = (row) => dialog.open(row);

await load();
listen();

/** The days of the camera that is chosen. */
function showDays(): void {
  const chosen = day.value;
  while (day.options.length > 1) day.remove(1);
  const fitting = (days ?? []).filter((each) => camera.value === '' || each.camera === camera.value);
  for (const each of new Set(fitting.map(({ day }) => day))) addOption(day, each);
  day.value = [...day.options].some(({ value }) => value === chosen) ? chosen : '';
}

function addOption(select: HTMLSelectElement, value: string): void {
  if ([...select.options].some((option) => option.value === value)) return;
  select.add(new Option(value, value));
}

/** Shows faces from the newest on, or after those that are shown. */
async function load(from = ''): Promise<void> {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  news = [];
  trouble.hidden = true;
  try {
    if (days === undefined) await loadDays(mine.signal);
    const query = new URLSearchParams({ camera: camera.value, day: day.value, before: from });
    const { rows, next } = await ask<{ rows: ManifestRow[]; next?: string }>(
      `api/faces?${query}`,
      mine.signal,
    );
    if (loading !== mine) return;
    if (from === '') grid.clear();
    for (const row of rows) grid.add(row);
    asked = grid.size;
    before = next ?? '';
    older.hidden = next === undefined;
    for (const happen of news) happen();
  } catch (error) {
    if (loading !== mine) return;
    showTrouble(error as Error, from);
  }
  loading = undefined;
  news = [];
}

async function loadDays(signal: AbortSignal): Promise<void> {
  days = await ask<Day[]>('api/days', signal);
  for (const name of [...new Set(days.map((each) => each.camera))].sort()) addOption(camera, name);
  showDays();
}

async function ask<Answer>(url: string, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(url, { signal }).catch(() => {
    throw new Error('The server does not answer.');
  });
  if (!response.ok) throw new Error(`The faces could not be loaded: ${await reasonIn(response)}`);
  return (await response.json()) as Answer;
}

/** Ours say why; the page of a proxy is none that belongs here. */
async function reasonIn(response: Response): Promise<string> {
  const isOurs = response.headers.get('content-type')?.startsWith('text/plain');
  return isOurs ? response.text() : `the answer is ${response.status} ${response.statusText}.`;
}

function showTrouble({ message }: Error, from: string): void {
  // What is shown would be taken for what was asked for.
  if (from === '') {
    grid.clear();
    older.hidden = true;
  }
  tryAgain = () => void load(from);
  trouble.querySelector('p')!.textContent = message;
  trouble.hidden = false;
}

/** New faces come by themselves. */
function listen(wasLost = false): void {
  const events = new EventSource('api/events');
  let hasMissed = wasLost;
  events.addEventListener('open', () => {
    say('live', 'live');
    // What was stored while we did not listen.
    if (hasMissed) void load();
    hasMissed = false;
  });
  events.addEventListener('error', () => {
    hasMissed = true;
    say('lost', 'not connected; trying again');
    // After an answer that is no stream the browser gives up.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen(true), RETRY_MS);
  });
  events.addEventListener('stored', ({ data }) => {
    const row = JSON.parse(data) as ManifestRow;
    const fits = camera.value === '' || camera.value === row.camera;
    if (fits && (day.value === '' || row.captured.startsWith(day.value))) happen(() => addLive(row));
    addOption(camera, row.camera);
    if (fits) addOption(day, row.captured.slice(0, 10));
  });
  events.addEventListener('forgotten', ({ data }) => {
    const { key } = JSON.parse(data) as { key: string };
    happen(() => grid.remove(key));
  });
}

/** Does it now, and once more when the answer that is waited for is there. */
function happen(what: () => void): void {
  what();
  if (loading) news.push(what);
}

/** A page that is open all day does not grow all day. */
function addLive(row: ManifestRow): void {
  grid.add(row, true);
  if (grid.size <= Math.max(LIVE_FACES, asked)) return;
  grid.remove(grid.oldest!.key);
  // "Older" goes on behind what is left.
  before = `${grid.oldest!.captured} ${grid.oldest!.key}`;
  older.hidden = false;
}

function say(state: string, text: string): void {
  live.dataset.state = state;
  live.textContent = text;
}
