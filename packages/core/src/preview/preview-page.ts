/** The page of a preview: it asks for a frame, draws it, and asks for the next one. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>edge-relay preview</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="preview.css">
<script src="preview.js" type="module"></script>
</head>
<body>
<p id="state" role="status">waiting for a frame</p>
<main id="views"></main>
</body>
</html>
`;

export const style = `
body { margin: 0; padding: 1rem; background: #14171a; color: #dde3e8; font: 14px/1.4 system-ui, sans-serif; }
#state:empty { display: none; }
main { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; max-width: 960px; flex: 1 1 480px; }
canvas { display: block; width: 100%; background: #000; border-radius: 4px; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 1.2em; padding: .5em 0; }
figcaption b { font-weight: 600; }
dl { display: contents; }
dl div { display: flex; gap: .4em; }
dt { color: #8b98a4; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
`;

/** Plain JavaScript for browsers; names come from others, and go into the page as text only. */
export const script = `
const shown = ['captured', 'dropped', 'people', 'selected', 'refused', 'held'];
const state = document.getElementById('state');
const views = new Map();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

for (;;) {
  try {
    const names = await (await fetch('views')).json();
    for (const name of names) if (!views.has(name)) views.set(name, follow(name));
    if (names.length > 0) state.textContent = '';
  } catch {
    state.textContent = 'the program does not answer; trying again';
  }
  await pause(1000);
}

async function follow(name) {
  const { canvas, numbers } = figureOf(name);
  for (;;) {
    try {
      const response = await fetch('look?view=' + encodeURIComponent(name));
      if (response.status === 200) await draw(canvas, numbers, new Uint8Array(await response.arrayBuffer()));
      else await pause(200);
    } catch {
      await pause(1000);
    }
  }
}

function figureOf(name) {
  const figure = document.createElement('figure');
  const canvas = figure.appendChild(document.createElement('canvas'));
  const caption = figure.appendChild(document.createElement('figcaption'));
  caption.appendChild(document.createElement('b')).textContent = name;
  const numbers = caption.appendChild(document.createElement('dl'));
  document.getElementById('views').append(figure);
  return { canvas, numbers };
}

async function draw(canvas, numbers, bytes) {
  const end = bytes.indexOf(10);
  const look = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const picture = await createImageBitmap(new Blob([bytes.subarray(end + 1)], { type: 'image/jpeg' }));
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext('2d');
  context.drawImage(picture, 0, 0);
  picture.close();
  const scale = canvas.width / look.width;
  for (const face of look.faces) mark(context, face, scale);
  canvas.dataset.sequence = look.sequence;
  canvas.dataset.faces = JSON.stringify(look.faces);
  const told = { 'frames/s': look.framesPerSecond };
  for (const key of shown) if (key in look.stats) told[key] = look.stats[key];
  numbers.replaceChildren(...Object.entries(told).map(([key, value]) => {
    const row = document.createElement('div');
    row.appendChild(document.createElement('dt')).textContent = key;
    row.appendChild(document.createElement('dd')).textContent = value;
    return row;
  }));
}

function mark(context, { box, score, track, quality, isPerson }, scale) {
  const [x, y, width, height] = [box.x, box.y, box.width, box.height].map((value) => value * scale);
  context.strokeStyle = context.fillStyle = isPerson ? '#4ade80' : '#facc15';
  context.lineWidth = 2;
  context.strokeRect(x, y, width, height);
  const name = track === undefined ? '' : track.slice(track.lastIndexOf('-') + 1);
  const texts = [name, 'score ' + score.toFixed(1)];
  if (quality !== undefined) texts.push('quality ' + quality.toFixed(2));
  context.font = '12px system-ui, sans-serif';
  const text = texts.filter(Boolean).join('  ');
  const top = y > 18 ? y - 17 : y + height + 1;
  context.fillRect(x - 1, top, context.measureText(text).width + 8, 16);
  context.fillStyle = '#000';
  context.fillText(text, x + 3, top + 12);
}
`;
