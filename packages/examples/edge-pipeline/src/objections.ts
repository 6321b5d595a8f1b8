import { Bridge, FaceDetector, FaceSelector } from 'edge-relay';
import { brokerObjections, complaintOf, type Objection, objectionsTo } from 'edge-relay-command-line';
import { detectorOptions, selectorOptions } from './detect-stages';
import type { EdgePipelineOptions } from './options';
import { sourceObjections } from './sources';

const EDGE = {
  url: 'edgeUrl',
  username: 'edgeUsername',
  password: 'edgePassword',
  ca: 'edgeCa',
  cert: 'edgeCert',
  key: 'edgeKey',
} as const;
const CLOUD = {
  url: 'cloudUrl',
  username: 'cloudUsername',
  password: 'cloudPassword',
  ca: 'cloudCa',
  cert: 'cloudCert',
  key: 'cloudKey',
} as const;
const ANY = { url: 'mqtt://localhost' };

/** What is wrong with options beside each other. */
export function reviewTogether(given: EdgePipelineOptions): Objection[] {
  const sees = given.role !== 'bridge';
  const forwards = given.role !== 'detect';
  return [
    ...brokerObjections(EDGE, given),
    ...(forwards && given.cloudUrl ? brokerObjections(CLOUD, given) : []),
    ...topics(given),
    ...(sees ? sight(given) : []),
  ];
}

function sight(given: EdgePipelineOptions): Objection[] {
  const names = Object.keys(given);
  return [
    ...sourceObjections(given.source ?? [], given),
    ...objectionsTo(() => new FaceDetector(detectorOptions(given)), names),
    ...objectionsTo(() => new FaceSelector(selectorOptions(given)), names),
  ];
}

function topics({
  role,
  edgeUrl,
  cloudUrl,
  edgeTopic,
  cloudTopic,
  receipts,
}: EdgePipelineOptions): Objection[] {
  if (role !== 'bridge' && /[+#]/.test(edgeTopic)) {
    const message = `Faces are sent to one topic: it must not contain the wildcards + and # with role ${role}.`;
    return [{ option: ['edgeTopic'], message }];
  }
  if (role === 'detect') return [];
  const complaint = complaintOf(
    () => new Bridge({ from: ANY, to: ANY, topics: [{ from: edgeTopic, to: cloudTopic }], receipts }),
  );
  if (complaint === undefined) {
    const isCircle = edgeTopic === cloudTopic && edgeUrl.some((url) => cloudUrl?.includes(url));
    const circle = `It is --edge-topic, at the same broker: each face would come back for ever. Give it another name.`;
    return isCircle ? [{ option: ['cloudTopic'], message: circle }] : [];
  }
  const message = complaint
    .replace(/ to (?=")/, ' --cloud-topic ')
    .replace(/ from (?=")/, ' --edge-topic ')
    .replace(/^./, (letter) => letter.toUpperCase());
  return [{ option: ['cloudTopic'], message }];
}
