import type { ManifestRow, ManifestTimes } from 'edge-relay';
import type { FaceGrid } from './face-grid';
import { pictureUrl } from './picture-url';

const WAY = ['captured', 'read', 'detected', 'published', 'bridged', 'received', 'stored'] as const;
/** How long the second press on "Forget" is waited for. */
const SURE_MS = 4_000;

/** One face, large, with what is known of it and how long it took. */
export class FaceDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #grid: FaceGrid;
  #row: ManifestRow | undefined;
  #isForgetting = false;
  #sure: ReturnType<typeof setTimeout> | undefined;

  constructor(dialog: HTMLDialogElement, grid: FaceGrid) {
    this.#dialog = dialog;
    this.#grid = grid;
    this.#on('close', () => dialog.close());
    this.#on('previous', () => this.#go(-1));
    this.#on('next', () => this.#go(1));
    this.#on('forget', () => void this.#forget());
    dialog.addEventListener('close', () => this.#row && grid.focus(this.#row.key));
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
    dialog.addEventListener('keydown', ({ key }) => {
      if (key === 'ArrowLeft') this.#go(-1);
      if (key === 'ArrowRight') this.#go(1);
    });
  }

  open(row: ManifestRow): void {
    this.#row = row;
    this.#calm();
    this.#part('said').textContent = '';
    const picture = this.#part<HTMLImageElement>('picture');
    picture.src = pictureUrl(row.key);
    picture.alt = `Face taken by ${row.camera}`;
    this.#part('title').textContent = `${row.camera}, ${row.captured.replace('T', ' ').replace('Z', ' UTC')}`;
    this.#part('hops').replaceChildren(...hops(row));
    this.#part('facts').replaceChildren(...facts(row));
    const download = this.#part<HTMLAnchorElement>('download');
    download.href = pictureUrl(row.key, true);
    download.download = row.key.split('/').at(-1) ?? 'face';
    this.#part<HTMLButtonElement>('previous').disabled = !this.#grid.beside(row, -1);
    this.#part<HTMLButtonElement>('next').disabled = !this.#grid.beside(row, 1);
    if (!this.#dialog.open) this.#dialog.showModal();
    // With a button that can be pressed no longer the arrow keys would be lost.
    if (document.activeElement?.matches(':disabled')) this.#part('title').focus();
  }

  #go(places: number): void {
    const row = this.#row && this.#grid.beside(this.#row, places);
    if (row) this.open(row);
  }

  /** The first press asks, the second does it. */
  async #forget(): Promise<void> {
    const row = this.#row;
    const button = this.#part<HTMLButtonElement>('forget');
    if (!row || this.#isForgetting) return;
    if (this.#sure === undefined) {
      button.textContent = 'For good?';
      button.classList.add('sure');
      this.#sure = setTimeout(() => this.#calm(), SURE_MS);
      return;
    }
    this.#calm();
    // Before the news of it takes the face away.
    const next = this.#grid.beside(row, 1) ?? this.#grid.beside(row, -1);
    this.#isForgetting = true;
    const { key, camera, captured } = row;
    const response = await fetch('api/forget', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key, camera, captured }),
    }).catch(() => undefined);
    this.#isForgetting = false;
    if (!response?.ok) {
      this.#part('said').textContent = response ? await response.text() : 'The server does not answer.';
      return;
    }
    this.#grid.remove(key);
    if (next) this.open(next);
    else this.#dialog.close();
  }

  #calm(): void {
    clearTimeout(this.#sure);
    this.#sure = undefined;
    const button = this.#part('forget');
    button.textContent = 'Forget';
    button.classList.remove('sure');
  }

  #on(id: string, listener: () => void): void {
    this.#part(id).addEventListener('click', listener);
  }

  #part<Part extends HTMLElement = HTMLElement>(id: string): Part {
    return this.#dialog.querySelector<Part>(`#${id}`)!;
  }
}

function hops(row: ManifestRow): HTMLElement[] {
  // When a recording was taken says nothing of how fast it was read.
  const isLive = row.clock === 'device' || row.clock === 'stream';
  const places = WAY.filter((place) => row[place] !== undefined && (place !== 'captured' || isLive));
  const steps = places.slice(1).map((place, index) => {
    const before: keyof ManifestTimes = places[index]!;
    return { place, ms: Date.parse(row[place]!) - Date.parse(row[before]!) };
  });
  const longest = Math.max(1, ...steps.map(({ ms }) => ms));
  return steps.map(({ place, ms }) => {
    const line = document.createElement('li');
    const [name, bar, value] = [
      document.createElement('span'),
      document.createElement('meter'),
      document.createElement('output'),
    ];
    name.textContent = place;
    bar.max = longest;
    bar.value = Math.max(0, ms);
    bar.setAttribute('aria-hidden', 'true');
    value.textContent = duration(ms);
    line.append(name, bar, value);
    return line;
  });
}

function facts(row: ManifestRow): HTMLElement[] {
  const { box } = row;
  const known: [string, string | number | undefined][] = [
    ['Track', row.track],
    ['Score', row.score],
    ['Quality', row.quality],
    ['Box', box && `${box.width} × ${box.height} at ${box.x}, ${box.y} of ${row.framesize ?? 'the frame'}`],
    ['Detector', row.detector],
    ['Number', row.number],
    ['Size', `${(row.bytes / 1000).toFixed(1)} KB, ${row.type ?? 'unknown'}`],
    ['Id', row.id],
    ['Key', row.key],
    ['SHA-256', row.sha256],
  ];
  return known
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => {
      const [term, text] = [document.createElement('dt'), document.createElement('dd')];
      term.textContent = name;
      text.textContent = String(value);
      return [term, text];
    });
}

function duration(ms: number): string {
  if (Math.abs(ms) < 1_000) return `${ms} ms`;
  if (Math.abs(ms) < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}
