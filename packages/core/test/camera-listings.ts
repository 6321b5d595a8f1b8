/**
 * What well-known cameras say of themselves, in the words of ffmpeg (`-list_formats all`, which tells no
 * rates) and of v4l2-ctl (`--list-formats-ext`): the layouts of the programs, the modes of the cameras.
 */

/** ffmpeg's lines for encodings and sizes. */
function ffmpegListing(
  ...formats: readonly (readonly [kind: string, encoding: string, name: string, sizes: string])[]
) {
  const lines = formats.map(
    ([kind, encoding, name, sizes]) =>
      `[video4linux2,v4l2 @ 0x55d8f0c4a6c0] ${kind.padEnd(10)}: ${encoding.padStart(11)} : ${name.padStart(20)} : ${sizes}`,
  );
  return [...lines, '/dev/video0: Immediate exit requested'];
}

type Rates = Readonly<Record<string, readonly string[]>>;

/** v4l2-ctl's lines since version 1.18. */
function v4l2Listing(formats: Readonly<Record<string, Rates>>): string[] {
  const lines = ['ioctl: VIDIOC_ENUM_FMT', '\tType: Video Capture', ''];
  Object.entries(formats).forEach(([format, sizes], index) => {
    lines.push(`\t[${index}]: ${format}`);
    for (const [size, rates] of Object.entries(sizes)) {
      lines.push(`\t\tSize: ${size}`);
      for (const rate of rates) lines.push(`\t\t\tInterval: ${interval(rate)}`);
    }
  });
  return lines;
}

function interval(rate: string): string {
  return `Discrete ${(1 / Number(rate)).toFixed(3)}s (${Number(rate).toFixed(3)} fps)`;
}

const upTo30 = ['30', '24', '20', '15', '10', '7.5', '5'];

/** Logitech HD Pro Webcam C920: 1080p at 30 only as JPEG (USB 2). */
export const c920 = {
  ffmpeg: ffmpegListing(
    ['Raw', 'yuyv422', 'YUYV 4:2:2', '640x480 160x90 320x240 800x448 1280x720 1920x1080 2304x1296 2304x1536'],
    ['Compressed', 'h264', 'H.264', '640x480 1280x720 1920x1080'],
    ['Compressed', 'mjpeg', 'Motion-JPEG', '640x480 160x90 320x240 800x448 1280x720 1920x1080'],
  ),
  v4l2: v4l2Listing({
    "'YUYV' (YUYV 4:2:2)": {
      'Discrete 640x480': upTo30,
      'Discrete 1280x720': ['10', '7.5', '5'],
      'Discrete 1920x1080': ['5'],
      'Discrete 2304x1536': ['2'],
    },
    "'H264' (H.264, compressed)": { 'Discrete 1920x1080': upTo30 },
    "'MJPG' (Motion-JPEG, compressed)": {
      'Discrete 640x480': upTo30,
      'Discrete 1280x720': upTo30,
      'Discrete 1920x1080': upTo30,
    },
  }),
};

/** Logitech C270: no 1080p; 720p and 1280 x 960 at 30 only as JPEG. */
export const c270 = {
  ffmpeg: ffmpegListing(
    ['Raw', 'yuyv422', 'YUYV 4:2:2', '640x480 160x120 320x240 800x600 1280x720 1280x960'],
    ['Compressed', 'mjpeg', 'Motion-JPEG', '640x480 160x120 320x240 800x600 1280x720 1280x960'],
  ),
  v4l2: v4l2Listing({
    "'YUYV' (YUYV 4:2:2)": {
      'Discrete 640x480': ['30', '25', '20', '15', '10', '5'],
      'Discrete 1280x720': ['10', '5'],
      'Discrete 1280x960': ['7.5', '5'],
    },
    "'MJPG' (Motion-JPEG, compressed)": {
      'Discrete 640x480': ['30', '25', '20', '15', '10', '5'],
      'Discrete 1280x720': ['30', '25', '20', '15', '10', '5'],
      'Discrete 1280x960': ['30', '25', '20', '15', '10', '5'],
    },
  }),
};

/** The camera of a Raspberry Pi through bcm2835-v4l2: any size in a range, in pixels of many kinds. */
export const raspberryPi = {
  ffmpeg: ffmpegListing(
    ['Raw', 'yuv420p', 'Planar YUV 4:2:0', '{32-2592, 2}x{32-1944, 2}'],
    ['Raw', 'yuyv422', 'YUYV 4:2:2', '{32-2592, 2}x{32-1944, 2}'],
    ['Raw', 'rgb24', '24-bit RGB 8-8-8', '{32-2592, 2}x{32-1944, 2}'],
    ['Compressed', 'mjpeg', 'JFIF JPEG', '{32-2592, 2}x{32-1944, 2}'],
    ['Compressed', 'h264', 'H.264', '{32-2592, 2}x{32-1944, 2}'],
    ['Compressed', 'mjpeg', 'Motion-JPEG', '{32-2592, 2}x{32-1944, 2}'],
    ['Raw', 'Unsupported', 'YVYU 4:2:2', '{32-2592, 2}x{32-1944, 2}'],
    ['Raw', 'nv12', 'Y/CbCr 4:2:0', '{32-2592, 2}x{32-1944, 2}'],
  ),
  v4l2: [
    'ioctl: VIDIOC_ENUM_FMT',
    '\tType: Video Capture',
    '',
    "\t[0]: 'YU12' (Planar YUV 4:2:0)",
    '\t\tSize: Stepwise 32x32 - 2592x1944 with step 2/2',
    "\t[1]: 'MJPG' (Motion-JPEG, compressed)",
    '\t\tSize: Stepwise 32x32 - 2592x1944 with step 2/2',
  ],
};

/** The sensor on a Jetson TX2's board: a Bayer mosaic, which only NVIDIA's own software makes pictures of. */
export const jetsonSensor = {
  ffmpeg: ffmpegListing(['Raw', 'Unsupported', '10-bit Bayer RGRG/GBGB', '2592x1944 2592x1458 1280x720']),
  v4l2: v4l2Listing({ "'RG10' (10-bit Bayer RGRG/GBGB)": { 'Discrete 2592x1944': ['30'] } }),
};

/** A colour camera on a Jetson's board with an image processor of its own: UYVY, and no USB in between. */
export const jetsonWithProcessor = {
  ffmpeg: ffmpegListing(['Raw', 'uyvy422', 'UYVY 4:2:2', '3840x2160 1920x1080 1280x720']),
  v4l2: v4l2Listing({
    "'UYVY' (UYVY 4:2:2)": {
      'Discrete 3840x2160': ['30'],
      'Discrete 1920x1080': ['60'],
      'Discrete 1280x720': ['60'],
    },
  }),
};

/** ELP and Arducam boards with a 2 megapixel sensor; v4l2-ctl in its layout before version 1.18. */
export const elp = {
  ffmpeg: ffmpegListing(
    ['Compressed', 'mjpeg', 'Motion-JPEG', '1920x1080 1280x1024 1280x720 1024x768 800x600 640x480 320x240'],
    ['Raw', 'yuyv422', 'YUYV 4:2:2', '1920x1080 1280x1024 1280x720 1024x768 800x600 640x480 320x240'],
  ),
  v4l2: [
    'ioctl: VIDIOC_ENUM_FMT',
    '\tIndex       : 0',
    '\tType        : Video Capture',
    "\tPixel Format: 'MJPG' (compressed)",
    '\tName        : Motion-JPEG',
    '\t\tSize: Discrete 1920x1080',
    '\t\t\tInterval: Discrete 0.033s (30.000 fps)',
    '\t\tSize: Discrete 640x480',
    '\t\t\tInterval: Discrete 0.008s (120.101 fps)',
    '\t\t\tInterval: Discrete 0.017s (60.000 fps)',
    '\t\t\tInterval: Discrete 0.033s (30.000 fps)',
    '',
    '\tIndex       : 1',
    '\tType        : Video Capture',
    "\tPixel Format: 'YUYV'",
    '\tName        : YUYV 4:2:2',
    '\t\tSize: Discrete 1920x1080',
    '\t\t\tInterval: Discrete 0.167s (6.000 fps)',
    '\t\tSize: Discrete 640x480',
    '\t\t\tInterval: Discrete 0.033s (30.000 fps)',
  ],
};

/** A cheap camera that only makes JPEGs, and calls 30 frames 29.97. */
export const jpegOnly = {
  ffmpeg: ffmpegListing(['Compressed', 'mjpeg', 'Motion-JPEG', '640x480 352x288 320x240 1280x720']),
  v4l2: v4l2Listing({
    "'MJPG' (Motion-JPEG, compressed)": {
      'Discrete 640x480': ['29.97'],
      'Discrete 1280x720': ['29.97', '15'],
    },
  }),
};
