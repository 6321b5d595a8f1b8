import { FaceDetector } from 'edge-relay';

const paths = process.argv.slice(2);
if (paths.length === 0 || paths.includes('--help')) {
  console.log('Finds faces in pictures. Say which: neural-detector people.jpg');
  process.exit(paths.length === 0 ? 2 : 0);
}
const detector = new FaceDetector({ model: new URL('./blazeface.js', import.meta.url) });
try {
  for (const path of paths) {
    const faces = await detector.detect(path);
    const boxes = faces.map(
      ({ box, score }) => `${box.x},${box.y} ${box.width}x${box.height} (${score.toFixed(2)})`,
    );
    console.log([`${path}: ${faces.length} ${faces.length === 1 ? 'face' : 'faces'}`, ...boxes].join('\n  '));
  }
} finally {
  await detector.close();
}
