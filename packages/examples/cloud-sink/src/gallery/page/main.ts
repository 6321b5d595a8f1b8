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
const live = document.querySelector<HTMLElement>('#live')!;
const grid = new FaceGrid(document.querySelector('#faces')!, document.querySelector('#empty')!);
const dialog = new FaceDialog(document.querySelector('dialog')!, grid);

/** Faces that come by themselves push out the oldest beyond so many. */
const LIVE_FACES = 600;

let days: readonly Day[] = [];
let before = '';
/** How many were loaded because they were asked for. */
let asked = 0;

await loadDays();
await load();
listen();

camera.addEventListener('change', () => {
  showDays();
  void load();
});
day.addEventListener('change', () => void load());
older.addEventListener('click', () => void load(before));
grid.onOpen = (row) => dialog.open(row);

async function loadDays(): Promise<void> {
  days = await (await fetch('api/days')).json();
  for (const name of [...new Set(days.map((each) => each.camera))].sort()) addOption(camera, name);
  showDays();
}

/** The days of the camera that is chosen. */
function showDays(): void {
  const chosen = day.value;
  while (day.options.length > 1) day.remove(1);
  const fitting = days.filter((each) => camera.value === '' || each.camera === camera.value);
  for (const each of new Set(fitting.map(({ day }) => day))) addOption(day, each);
  day.value = [...day.options].some(({ value }) => value === chosen) ? chosen : '';
}

function addOption(select: HTMLSelectElement, value: string): void {
  if ([...select.options].some((option) => option.value === value)) return;
  select.add(new Option(value, value));
}

/** Shows faces from the newest on, or after those that are shown. */
async function load(from = ''): Promise<void> {
  const query = new URLSearchParams({ camera: camera.value, day: day.value, before: from });
  const response = await fetch(`api/faces?${query}`);
  const { rows, next } = (await response.json()) as { rows: ManifestRow[]; next?: string };
  if (from === '') grid.clear();
  for (const row of rows) grid.add(row);
  asked = grid.size;
  before = next ?? '';
  older.hidden = next === undefined;
}

/** New faces come by themselves. */
function listen(): void {
  const events = new EventSource('api/events');
  let wasLost = false;
  events.addEventListener('open', () => {
    say('live', 'live');
    // What was stored while we did not listen.
    if (wasLost) void load();
    wasLost = false;
  });
  events.addEventListener('error', () => {
    wasLost = true;
    say('lost', 'not connected; trying again');
  });
  events.addEventListener('stored', ({ data }) => {
    const row = JSON.parse(data) as ManifestRow;
    const fits = camera.value === '' || camera.value === row.camera;
    if (fits && (day.value === '' || row.captured.startsWith(day.value))) addLive(row);
    addOption(camera, row.camera);
    if (fits) addOption(day, row.captured.slice(0, 10));
  });
  events.addEventListener('forgotten', ({ data }) => grid.remove(JSON.parse(data).key));
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
