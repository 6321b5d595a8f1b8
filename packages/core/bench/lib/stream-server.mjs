// A camera of 30 frames a second over HTTP: /mjpeg and /h264.ts, each frame at its time. Prints its port, and a line
// `stream frame milliseconds` when a frame is written. Arguments: a file of JPEGs, and one of MPEG-TS.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const RATE = 30;
const PACKET = 188;
const VIDEO_PID = 0x100;
const [jpegs, transport] = process.argv.slice(2).map((path) => readFileSync(path));

const pictures = [];
for (let at = 0; at < jpegs.length; ) {
  const next = jpegs.indexOf(Buffer.from([0xff, 0xd8, 0xff]), at + 3);
  const end = next < 0 ? jpegs.length : next;
  const head = `--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${end - at}\r\n\r\n`;
  pictures.push(Buffer.concat([Buffer.from(head), jpegs.subarray(at, end), Buffer.from('\r\n')]));
  at = end;
}
const accessUnits = [];
let begin = 0;
let isFirst = true;
for (let at = 0; at < transport.length; at += PACKET) {
  const pid = transport.readUInt16BE(at + 1) & 0x1fff;
  if (pid !== VIDEO_PID || !(transport[at + 1] & 0x40)) continue;
  if (!isFirst) {
    accessUnits.push(transport.subarray(begin, at));
    begin = at;
  }
  isFirst = false;
}
accessUnits.push(transport.subarray(begin));

const streams = {
  '/mjpeg': { type: 'multipart/x-mixed-replace; boundary=frame', parts: pictures },
  '/h264.ts': { type: 'video/mp2t', parts: accessUnits },
};
const server = createServer((request, response) => {
  const { type, parts } = streams[request.url] ?? {};
  if (!parts) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': type });
  response.socket.setNoDelay(true);
  const started = performance.now();
  let frame = 0;
  const timer = setInterval(() => {
    for (; frame < parts.length && started + (frame * 1000) / RATE <= performance.now(); frame += 1) {
      response.write(parts[frame]);
      console.log(`${request.url} ${frame} ${Date.now()}`);
    }
    if (frame === parts.length) response.end();
    if (response.destroyed || frame === parts.length) clearInterval(timer);
  }, 1);
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port} 0`));
process.stdin.resume().on('end', () => process.exit());
