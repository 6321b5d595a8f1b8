import type { ManifestRow } from 'edge-relay';
import { pictureUrl } from './picture-url';

/** The faces that are shown, the newest first, by hour. */
export class FaceGrid {
  onOpen: (row: ManifestRow) => void = () => {};
  readonly #place: HTMLElement;
  readonly #empty: HTMLElement;
  /** By key, in the order in which they are shown. */
  readonly #rows: ManifestRow[] = [];

  constructor(place: HTMLElement, empty: HTMLElement) {
    this.#place = place;
    this.#empty = empty;
    place.addEventListener('keydown', (event) => this.#walk(event));
  }

  clear(): void {
    this.#rows.length = 0;
    this.#place.replaceChildren();
    this.#empty.hidden = false;
  }

  add(row: ManifestRow, isNew = false): void {
    if (this.#rows.some(({ key }) => key === row.key)) return;
    const after = this.#rows.findIndex((other) => other.captured < row.captured);
    const place = after < 0 ? this.#rows.length : after;
    this.#rows.splice(place, 0, row);
    const hour = this.#hourOf(row);
    const next = this.#rows[place + 1];
    const nextCard = next && hour.querySelector(`[data-key=${CSS.escape(next.key)}]`);
    hour.insertBefore(this.#card(row, isNew), nextCard ?? null);
    this.#empty.hidden = true;
  }

  remove(key: string): void {
    const index = this.#rows.findIndex((row) => row.key === key);
    if (index < 0) return;
    this.#rows.splice(index, 1);
    const card = this.#place.querySelector(`[data-key=${CSS.escape(key)}]`);
    const hour = card?.parentElement;
    card?.remove();
    if (hour?.childElementCount === 0) hour.parentElement?.remove();
    this.#empty.hidden = this.#rows.length > 0;
  }

  get size(): number {
    return this.#rows.length;
  }

  /** The last that is shown. */
  get oldest(): ManifestRow | undefined {
    return this.#rows.at(-1);
  }

  /** The face so many places further on. */
  beside({ key }: ManifestRow, places: number): ManifestRow | undefined {
    const index = this.#rows.findIndex((row) => row.key === key);
    return index < 0 ? undefined : this.#rows[index + places];
  }

  focus(key: string): void {
    this.#place.querySelector<HTMLElement>(`[data-key=${CSS.escape(key)}]`)?.focus();
  }

  #hourOf({ captured }: ManifestRow): HTMLElement {
    const hour = captured.slice(0, 13);
    const known = this.#place.querySelector<HTMLElement>(`[data-hour="${hour}"]`);
    if (known) return known;
    const [title, faces, part] = [element('h2'), element('div'), element('section')];
    title.textContent = `${hour.replace('T', ', ')}:00 UTC`;
    faces.className = 'hour';
    faces.dataset.hour = hour;
    part.append(title, faces);
    const later = [...this.#place.children].find(
      (other) => (other.querySelector<HTMLElement>('.hour')?.dataset.hour ?? '') < hour,
    );
    this.#place.insertBefore(part, later ?? null);
    return faces;
  }

  #card(row: ManifestRow, isNew: boolean): HTMLElement {
    const card = element('button');
    card.type = 'button';
    card.className = isNew ? 'card new' : 'card';
    card.dataset.key = row.key;
    const time = row.captured.slice(11, 19);
    card.setAttribute('aria-label', `Face at ${time}, camera ${row.camera}`);
    const image = element('img');
    image.loading = 'lazy';
    image.alt = '';
    image.src = pictureUrl(row.key);
    // The store may have removed it by its rules since.
    image.addEventListener('error', () => {
      card.classList.add('gone');
      card.title = 'The picture is not kept any more.';
    });
    const [when, who] = [element('span'), element('span')];
    when.textContent = time;
    who.textContent = row.track === undefined ? row.camera : `${row.camera} · ${row.track}`;
    card.append(image, when, who);
    card.addEventListener('click', () => this.onOpen(row));
    return card;
  }

  /** The arrow keys go from face to face, as Tab does. */
  #walk(event: KeyboardEvent): void {
    const cards = [...this.#place.querySelectorAll<HTMLElement>('.card')];
    const index = cards.indexOf(document.activeElement as HTMLElement);
    const top = cards[0]?.offsetTop;
    const columns = Math.max(1, cards.filter(({ offsetTop }) => offsetTop === top).length);
    const steps: Record<string, number> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
    };
    const step = steps[event.key];
    if (index < 0 || step === undefined) return;
    event.preventDefault();
    cards[Math.min(cards.length - 1, Math.max(0, index + step))]?.focus();
  }
}

function element<Name extends keyof HTMLElementTagNameMap>(name: Name): HTMLElementTagNameMap[Name] {
  return document.createElement(name);
}
