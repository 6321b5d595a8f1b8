import { FaceDetector, FaceSelector, FrameSource } from 'edge-relay';
import {
  addresses,
  certificateFile,
  choice,
  commas,
  folder,
  judged,
  keyFile,
  number,
  type Objection,
  type OptionsOf,
  onOff,
  operationOptions,
  option,
  type Program,
  port,
  text,
  topic,
  topicFilter,
  whole,
} from 'edge-relay-command-line';
import { cameraOptions } from './camera-options';
import { cascade, margin } from './detection-values';
import { reviewTogether } from './objections';
import { readSources, sources } from './sources';

export type EdgePipelineOptions = OptionsOf<typeof options>;

const EXAMPLES = `Examples:
  Faces of a video to the local broker, as fast as they are found:
    edge-pipeline --role detect --source holiday.mp4
  Forward from the local broker to the cloud:
    EDGE_RELAY_CLOUD_PASSWORD=... edge-pipeline --role bridge --cloud-url mqtts://cloud.example --cloud-username jetson
  What is on its way on disk, for a device that may lose power at any time:
    edge-pipeline --source ./photos --cloud-url mqtt://cloud.example --spool ./spool
  The same, and a killed broker loses nothing, either (cloud-sink has the same switch):
    edge-pipeline --source ./photos --cloud-url mqtt://cloud.example --spool ./spool --receipts
  Both in one process, a folder of pictures over and over, two a second:
    edge-pipeline --source ./photos --loop --frames-per-second 2 --cloud-url mqtt://cloud.example
  Two cameras, each with its name in ids, keys and log lines:
    edge-pipeline --source door=rtsp://user:password@10.0.0.5/stream --source yard=http://10.0.0.6/stream --cloud-url mqtt://cloud.example
  The homework's detector and every face that it finds, as PNG on its topic:
    edge-pipeline --role detect --source holiday.mp4 --preset homework
  Which cameras there are, and one of them by the name that stays the same:
    edge-pipeline --list-cameras
    edge-pipeline --role detect --source /dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_8B1F3A9F-video-index0
  Up to five different pictures of each visit, ten a minute at the most:
    edge-pipeline --role detect --source holiday.mp4 --policy top-k --count 5 --pictures-per-minute 10
  Look at what is seen, at http://127.0.0.1:8081:
    edge-pipeline --role detect --source holiday.mp4 --preview 8081
  All of it in a file, looked at and then used:
    edge-pipeline --config edge.yaml --check
    edge-pipeline --config edge.yaml
  What is wrong, and the cure (edge-pipeline doctor --help tells more):
    edge-pipeline doctor --config edge.yaml
  Watch what is published:
    mosquitto_sub -t hw3facestx2 -C 1 > face.jpg

With role detect or both the app ends by itself when the source does and the last face is acknowledged.
SIGTERM lets what is under way end; exit codes: 0 ended in order, 1 failed, 2 wrong use.`;

const options = {
  role: option(choice('detect', 'bridge', 'both').default('both'), {
    text: 'what this process does',
    value: 'role',
  }),
  source: option(sources().optional(), {
    text: 'rtsp://, http://, "exec:command", a video, a folder or pattern of pictures; again for each camera',
    value: '[name=]location',
    repeatable: true,
    read: readSources,
  }),
  camera: option(judged(text(), (camera) => new FrameSource('any.jpg', { camera })).optional(), {
    text: 'name in ids and keys; from the source without it',
    value: 'name',
  }),
  listCameras: option(onOff().optional(), {
    text: 'show the cameras with their modes and which would be chosen, and end',
    only: 'process',
  }),
  ...cameraOptions,
  preset: option(choice('homework').optional(), { text: 'settings of the detector by name', value: 'name' }),
  cascade: option(cascade().optional(), {
    text: 'frontalface_alt2, frontalface_default, or a file',
    value: 'name',
  }),
  scaleFactor: option(judged(number(1), (scaleFactor) => new FaceDetector({ scaleFactor })).optional(), {
    text: 'step between sizes looked for',
    value: 'number',
  }),
  minNeighbors: option(whole(0).optional(), { text: 'windows that must agree', value: 'number' }),
  minFaceSize: option(whole(0).optional(), { text: 'smallest face, in the full frame', value: 'pixels' }),
  maxFaceSize: option(whole(0).optional(), { text: 'largest face, in the full frame', value: 'pixels' }),
  detectionWidth: option(whole(0).optional(), {
    text: 'width of the picture searched; 0 searches in full',
    value: 'pixels',
  }),
  workers: option(whole(1).optional(), { text: 'detecting threads', value: 'number' }),
  motionGate: option(onOff().optional(), {
    text: 'in a video, look only where something moved',
    value: 'on|off',
  }),
  closeLooks: option(onOff().optional(), {
    text: 'in a video, look at known faces and at parts of a frame in turn',
    value: 'on|off',
  }),
  fullLookMs: option(number(0).optional(), {
    text: 'nothing in a video stays unlooked at for longer; 0 never',
    value: 'milliseconds',
  }),
  budgetMs: option(number(0).optional(), {
    text: 'what a frame of a video may cost, of all threads; 0 no limit',
    value: 'milliseconds',
  }),
  policy: option(choice('all', 'first', 'best', 'best-every', 'top-k').optional(), {
    text: 'which faces are sent: of each visit the best, ..., or all; see docs/selection.md',
    value: 'policy',
  }),
  latestSeconds: option(number(0.1).optional(), {
    text: 'best, top-k: sent so long after a visit began at the latest',
    value: 'seconds',
  }),
  everySeconds: option(number(0.1).optional(), { text: 'best-every: the period', value: 'seconds' }),
  count: option(judged(whole(1), (count) => new FaceSelector({ policy: 'top-k', count })).optional(), {
    text: 'top-k: pictures of a visit at the most',
    value: 'number',
  }),
  gapSeconds: option(number(0.1).optional(), {
    text: 'somebody unseen for so long has left',
    value: 'seconds',
  }),
  minimumQuality: option(number(0, 1).optional(), {
    text: 'a worse picture is not sent, from 0 to 1',
    value: 'number',
  }),
  picturesPerMinute: option(number(0.01).optional(), {
    text: 'budget; what is beyond is not sent, but counted',
    value: 'number',
  }),
  bytesPerMinute: option(whole(1).optional(), {
    text: 'budget; what is beyond is not sent, but counted',
    value: 'number',
  }),
  margin: option(margin().optional(), {
    text: 'added around the face, as a share of its size',
    value: 'share',
  }),
  format: option(choice('png', 'jpeg', 'webp').optional(), {
    text: 'of the pictures published; jpeg, or png with --preset homework',
    value: 'format',
  }),
  quality: option(whole(1, 100).optional(), { text: '1 to 100, for jpeg and webp', value: 'number' }),
  edgeUrl: option(addresses().default(['mqtt://localhost']), {
    text: 'the local broker; several with commas, tried in order',
    value: 'url',
    read: commas,
  }),
  edgeTopic: option(topicFilter().default('hw3facestx2'), {
    text: 'topic at the local broker',
    value: 'topic',
  }),
  edgeUsername: option(text().optional(), { text: 'user at the local broker', value: 'name' }),
  edgePassword: option(text().optional(), {
    text: 'password at the local broker; better by environment',
    value: 'password',
    secret: true,
  }),
  edgeCa: option(certificateFile().optional(), {
    text: 'PEM file of the authority to trust with mqtts://',
    value: 'file',
  }),
  edgeCert: option(certificateFile().optional(), {
    text: 'PEM file of our certificate, for a broker that wants one',
    value: 'file',
  }),
  edgeKey: option(keyFile().optional(), { text: 'PEM file of the key of our certificate', value: 'file' }),
  cloudUrl: option(addresses().optional(), {
    text: 'the cloud broker (bridge, both); several with commas, tried in order',
    value: 'url',
    read: commas,
  }),
  cloudTopic: option(topicFilter().default('hw3faces'), {
    text: 'topic at the cloud broker',
    value: 'topic',
  }),
  cloudUsername: option(text().optional(), { text: 'user at the cloud broker', value: 'name' }),
  cloudPassword: option(text().optional(), {
    text: 'password at the cloud broker; better by environment',
    value: 'password',
    secret: true,
  }),
  cloudCa: option(certificateFile().optional(), {
    text: 'PEM file of the authority to trust with mqtts://',
    value: 'file',
  }),
  cloudCert: option(certificateFile().optional(), {
    text: 'PEM file of our certificate, for a broker that wants one',
    value: 'file',
  }),
  cloudKey: option(keyFile().optional(), { text: 'PEM file of the key of our certificate', value: 'file' }),
  bridgeClientId: option(text().optional(), {
    text: "name of the bridge's session at the local broker",
    value: 'id',
  }),
  spool: option(folder().optional(), {
    text: 'keeps what is on its way on disk, so that a killed process loses nothing',
    value: 'folder',
  }),
  receipts: option(onOff().optional(), {
    text: 'keeps each face until cloud-sink (with --receipts, too) says that it is stored',
  }),
  preview: option(port().optional(), { text: 'serves a page with what is seen at this port', value: 'port' }),
  previewHost: option(text().optional(), {
    text: 'address of the page; 0.0.0.0 shows it to anybody who can reach us',
    value: 'address',
  }),
  statusTopic: option(topic().optional(), {
    text: 'topic at the local broker that says whether the detector is connected, retained: 1, or 0 by last will; <topic>/<camera> says how each camera is',
    value: 'topic',
  }),
  bridgeStatusTopic: option(topic().optional(), {
    text: 'the same of the bridge, at both brokers',
    value: 'topic',
  }),
  ...operationOptions,
};

export const edgePipeline: Program<typeof options> = {
  name: 'edge-pipeline',
  commands: ['doctor'],
  description: 'Sees faces, publishes them at the edge, forwards them to the cloud.',
  examples: EXAMPLES,
  options,
  file: options,
  review,
};

/** What is missing, and what is wrong with options beside each other. */
function review(given: EdgePipelineOptions): Objection[] {
  const { listCameras, role, source, cloudUrl, preview } = given;
  if (listCameras) return [];
  const missing = [
    role !== 'bridge' && source === undefined && `role ${role} needs --source (or EDGE_RELAY_SOURCE)`,
    role !== 'detect' &&
      cloudUrl === undefined &&
      `role ${role} needs --cloud-url (or EDGE_RELAY_CLOUD_URL); for faces without a bridge: --role detect`,
  ].filter((message) => message !== false);
  const objections: Objection[] = [...missing.map((message) => ({ message })), ...reviewTogether(given)];
  if (preview !== undefined && preview !== 0 && preview === given.metrics) {
    objections.push({ option: ['preview'], message: 'It is the port of --metrics: give each its own.' });
  }
  if (role !== 'bridge' || preview === undefined) return objections;
  const message = 'Role bridge sees nothing; --preview is for detect and both.';
  return [...objections, { option: ['preview'], message }];
}
