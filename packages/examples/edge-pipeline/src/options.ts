import {
  addresses,
  command,
  InvalidArgumentError,
  onOff,
  setting,
  textFile,
  whole,
} from 'edge-relay-command-line';
import { parseSource, type SourceSetting } from './sources';

export interface EdgePipelineOptions {
  readonly role: 'detect' | 'bridge' | 'both';
  readonly source?: readonly SourceSetting[];
  readonly camera?: string;
  readonly loop?: boolean;
  readonly realTime?: boolean;
  readonly framesPerSecond?: number;
  readonly startTime?: Date;
  readonly listCameras?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly exact?: boolean;
  readonly transport?: 'tcp' | 'udp';
  readonly stallSeconds?: number;
  readonly openSeconds?: number;
  readonly inputFormat?: 'mjpeg' | 'raw';
  readonly controls?: Readonly<Record<string, number>>;
  readonly preset?: 'homework';
  readonly cascade?: string;
  readonly scaleFactor?: number;
  readonly minNeighbors?: number;
  readonly minFaceSize?: number;
  readonly maxFaceSize?: number;
  readonly detectionWidth?: number;
  readonly workers?: number;
  readonly motionGate?: boolean;
  readonly closeLooks?: boolean;
  readonly fullLookMs?: number;
  readonly budgetMs?: number;
  readonly policy: 'all' | 'first' | 'best' | 'best-every' | 'top-k';
  readonly latestSeconds?: number;
  readonly everySeconds?: number;
  readonly count?: number;
  readonly gapSeconds?: number;
  readonly minimumQuality?: number;
  readonly picturesPerMinute?: number;
  readonly bytesPerMinute?: number;
  readonly margin?: number;
  readonly format: 'png' | 'jpeg' | 'webp';
  readonly quality?: number;
  readonly edgeUrl: readonly string[];
  readonly edgeTopic: string;
  readonly edgeUsername?: string;
  readonly edgePassword?: string;
  /** PEM text, as the certificate and its key. */
  readonly edgeCa?: string;
  readonly edgeCert?: string;
  readonly edgeKey?: string;
  readonly cloudUrl?: readonly string[];
  readonly cloudTopic: string;
  readonly cloudUsername?: string;
  readonly cloudPassword?: string;
  /** PEM text, as the certificate and its key. */
  readonly cloudCa?: string;
  readonly cloudCert?: string;
  readonly cloudKey?: string;
  readonly bridgeClientId?: string;
  readonly spool?: string;
  readonly receipts?: boolean;
  readonly preview?: number;
  readonly previewHost?: string;
}

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
  Watch what is published:
    mosquitto_sub -t hw3facestx2 -C 1 > face.jpg

With role detect or both the app ends by itself when the source does and the last face is acknowledged.
SIGTERM lets what is under way end; exit codes: 0 ended in order, 1 failed, 2 wrong use.`;

/** Reads the command line and the environment; ends the process with code 2 where they are wrong. */
export function parseOptions(argv: readonly string[]): EdgePipelineOptions {
  const program = command(
    'edge-pipeline',
    'Sees faces, publishes them at the edge, forwards them to the cloud.',
    EXAMPLES,
  )
    .addOption(
      setting('--role <role>', 'what this process does', {
        default: 'both',
        choices: ['detect', 'bridge', 'both'],
      }),
    )
    .addOption(
      setting(
        '--source <[name=]location>',
        'rtsp://, http://, "exec:command", a video, a folder or pattern of pictures; again for each camera',
        { parse: parseSource },
      ),
    )
    .addOption(setting('--camera <name>', 'name in ids and keys; from the source without it'))
    .addOption(setting('--loop', 'begin again at the end of the source'))
    .addOption(setting('--real-time', 'play a video at its own pace'))
    .addOption(
      setting('--frames-per-second <number>', 'pace of pictures; asked of a camera', {
        parse: whole(0.001, { fraction: true }),
      }),
    )
    .addOption(
      setting('--start-time <time>', 'when the recording began, such as 2026-01-31T12:00:00Z', {
        parse: time,
      }),
    )
    .addOption(
      setting('--list-cameras', 'show the cameras with their modes and which would be chosen, and end'),
    )
    .addOption(setting('--width <pixels>', 'of the camera, as asked for or expected', { parse: whole(1) }))
    .addOption(setting('--height <pixels>', 'of the camera, as asked for or expected', { parse: whole(1) }))
    .addOption(setting('--exact', 'ends where the camera gives another size or rate'))
    .addOption(
      setting('--input-format <format>', 'how a USB camera sends; what reaches the rate without it', {
        choices: ['mjpeg', 'raw'],
      }),
    )
    .addOption(
      setting('--controls <name=number,...>', 'of a V4L2 camera, such as brightness=128', {
        parse: controls,
      }),
    )
    .addOption(setting('--transport <protocol>', 'of RTSP', { choices: ['tcp', 'udp'] }))
    .addOption(
      setting('--stall-seconds <number>', 'without a frame, after which a camera is started again', {
        parse: whole(0.001, { fraction: true }),
      }),
    )
    .addOption(
      setting('--open-seconds <number>', 'to the first frame, after which a camera is started again', {
        parse: whole(0.001, { fraction: true }),
      }),
    )
    .addOption(setting('--preset <name>', 'settings of the detector by name', { choices: ['homework'] }))
    .addOption(setting('--cascade <name>', 'frontalface_alt2, frontalface_default, or a file'))
    .addOption(
      setting('--scale-factor <number>', 'step between sizes looked for', {
        parse: whole(1, { fraction: true }),
      }),
    )
    .addOption(setting('--min-neighbors <number>', 'windows that must agree', { parse: whole(0) }))
    .addOption(setting('--min-face-size <pixels>', 'smallest face, in the full frame', { parse: whole(0) }))
    .addOption(setting('--max-face-size <pixels>', 'largest face, in the full frame', { parse: whole(0) }))
    .addOption(
      setting('--detection-width <pixels>', 'width of the picture searched; 0 searches in full', {
        parse: whole(0),
      }),
    )
    .addOption(setting('--workers <number>', 'detecting threads', { parse: whole(1) }))
    .addOption(
      setting('--motion-gate <on|off>', 'in a video, look only where something moved', { parse: onOff }),
    )
    .addOption(
      setting('--close-looks <on|off>', 'in a video, look at known faces and at parts of a frame in turn', {
        parse: onOff,
      }),
    )
    .addOption(
      setting('--full-look-ms <milliseconds>', 'nothing in a video stays unlooked at for longer; 0 never', {
        parse: whole(0, { fraction: true }),
      }),
    )
    .addOption(
      setting('--budget-ms <milliseconds>', 'what a frame of a video may cost, of all threads; 0 no limit', {
        parse: whole(0, { fraction: true }),
      }),
    )
    .addOption(
      setting(
        '--policy <policy>',
        'which faces are sent: of each visit the best, ..., or all; see docs/selection.md',
        {
          choices: ['all', 'first', 'best', 'best-every', 'top-k'],
        },
      ),
    )
    .addOption(
      setting('--latest-seconds <seconds>', 'best, top-k: sent so long after a visit began at the latest', {
        parse: whole(0.1, { fraction: true }),
      }),
    )
    .addOption(
      setting('--every-seconds <seconds>', 'best-every: the period', {
        parse: whole(0.1, { fraction: true }),
      }),
    )
    .addOption(setting('--count <number>', 'top-k: pictures of a visit at the most', { parse: whole(1) }))
    .addOption(
      setting('--gap-seconds <seconds>', 'somebody unseen for so long has left', {
        parse: whole(0.1, { fraction: true }),
      }),
    )
    .addOption(
      setting('--minimum-quality <number>', 'a worse picture is not sent, from 0 to 1', {
        parse: whole(0, { fraction: true }),
      }),
    )
    .addOption(
      setting('--pictures-per-minute <number>', 'budget; what is beyond is not sent, but counted', {
        parse: whole(0.01, { fraction: true }),
      }),
    )
    .addOption(
      setting('--bytes-per-minute <number>', 'budget; what is beyond is not sent, but counted', {
        parse: whole(1),
      }),
    )
    .addOption(
      setting('--margin <share>', 'added around the face, as a share of its size', {
        parse: whole(0, { fraction: true }),
      }),
    )
    .addOption(
      setting('--format <format>', 'of the pictures published; jpeg, or png with --preset homework', {
        choices: ['png', 'jpeg', 'webp'],
      }),
    )
    .addOption(setting('--quality <number>', '1 to 100, for jpeg and webp', { parse: whole(1) }))
    .addOption(
      setting('--edge-url <url>', 'the local broker; several with commas, tried in order', {
        default: ['mqtt://localhost'],
        parse: addresses,
      }),
    )
    .addOption(setting('--edge-topic <topic>', 'topic at the local broker', { default: 'hw3facestx2' }))
    .addOption(setting('--edge-username <name>', 'user at the local broker'))
    .addOption(setting('--edge-password <password>', 'password at the local broker; better by environment'))
    .addOption(
      setting('--edge-ca <file>', 'PEM file of the authority to trust with mqtts://', { parse: textFile }),
    )
    .addOption(
      setting('--edge-cert <file>', 'PEM file of our certificate, for a broker that wants one', {
        parse: textFile,
      }),
    )
    .addOption(setting('--edge-key <file>', 'PEM file of the key of our certificate', { parse: textFile }))
    .addOption(
      setting('--cloud-url <url>', 'the cloud broker (bridge, both); several with commas, tried in order', {
        parse: addresses,
      }),
    )
    .addOption(setting('--cloud-topic <topic>', 'topic at the cloud broker', { default: 'hw3faces' }))
    .addOption(setting('--cloud-username <name>', 'user at the cloud broker'))
    .addOption(setting('--cloud-password <password>', 'password at the cloud broker; better by environment'))
    .addOption(
      setting('--cloud-ca <file>', 'PEM file of the authority to trust with mqtts://', { parse: textFile }),
    )
    .addOption(
      setting('--cloud-cert <file>', 'PEM file of our certificate, for a broker that wants one', {
        parse: textFile,
      }),
    )
    .addOption(setting('--cloud-key <file>', 'PEM file of the key of our certificate', { parse: textFile }))
    .addOption(setting('--bridge-client-id <id>', "name of the bridge's session at the local broker"))
    .addOption(
      setting('--spool <folder>', 'keeps what is on its way on disk, so that a killed process loses nothing'),
    )
    .addOption(
      setting('--receipts', 'keeps each face until cloud-sink (with --receipts, too) says that it is stored'),
    )
    .addOption(setting('--preview <port>', 'serves a page with what is seen at this port', { parse: port }))
    .addOption(
      setting(
        '--preview-host <address>',
        'address of the page; 0.0.0.0 shows it to anybody who can reach us',
      ),
    )
    .parse(argv as string[], { from: 'user' });
  const given = program.opts<EdgePipelineOptions>();
  const isHomework = given.preset === 'homework';
  const options = {
    ...given,
    policy: given.policy ?? (isHomework ? 'all' : 'best'),
    format: given.format ?? (isHomework ? 'png' : 'jpeg'),
  };
  const { role, source, cloudUrl, listCameras } = options;
  if (listCameras) return options;
  if (role !== 'bridge' && source === undefined) {
    program.error(`error: role ${role} needs --source (or EDGE_RELAY_SOURCE)`);
  }
  if (role !== 'detect' && cloudUrl === undefined) {
    program.error(
      `error: role ${role} needs --cloud-url (or EDGE_RELAY_CLOUD_URL); for faces without a bridge: --role detect`,
    );
  }
  if (role === 'bridge' && options.preview !== undefined) {
    program.error('error: role bridge sees nothing; --preview is for detect and both');
  }
  return options;
}

function controls(text: string): Record<string, number> {
  const pairs = text.split(',').map((pair) => /^\s*([a-z0-9_]+)=(-?\d+)\s*$/.exec(pair));
  if (!pairs.every((pair) => pair !== null)) {
    throw new InvalidArgumentError('It must be names and numbers such as brightness=128,gain=10.');
  }
  return Object.fromEntries(pairs.map(([, name, number]) => [name!, Number(number)]));
}

function port(text: string): number {
  const value = whole(0)(text);
  if (value <= 65_535) return value;
  throw new InvalidArgumentError('It must be a port from 0 to 65535.');
}

function time(text: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime()))
    throw new InvalidArgumentError('It must be a time such as 2026-01-31T12:00:00Z.');
  return value;
}
