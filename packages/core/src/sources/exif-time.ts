/**
 * When a picture was taken, in milliseconds since 1970 (UTC): EXIF DateTimeOriginal with
 * SubSecTimeOriginal and OffsetTimeOriginal. A picture without an offset was taken in the time zone of
 * this process, as far as anybody can tell. Undefined where there is no such time.
 */
export async function exifTime(exif: Uint8Array): Promise<number | undefined> {
  const photo = await readPhoto(exif);
  const taken = photo?.DateTimeOriginal;
  if (!(taken instanceof Date) || Number.isNaN(taken.getTime())) return undefined;
  const milliseconds = Math.floor(Number(`0.${digitsOf(photo?.SubSecTimeOriginal)}`) * 1000);
  const offset = /^([+-])(\d\d):(\d\d)/.exec(String(photo?.OffsetTimeOriginal ?? photo?.OffsetTime ?? ''));
  // exif-reader gives the wall clock's figures as if they were UTC.
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return taken.getTime() - (offset[1] === '-' ? -minutes : minutes) * 60_000 + milliseconds;
  }
  const figures = taken.toISOString().replace('Z', '');
  return new Date(figures).getTime() + milliseconds;
}

async function readPhoto(exif: Uint8Array) {
  const { default: readExif } = await import('exif-reader');
  try {
    return readExif(Buffer.from(exif.buffer, exif.byteOffset, exif.byteLength)).Photo;
  } catch {
    // A picture with a broken EXIF block is still a picture; its file has a date.
    return undefined;
  }
}

function digitsOf(text: unknown): string {
  return /^\d+/.exec(String(text ?? ''))?.[0] ?? '0';
}
