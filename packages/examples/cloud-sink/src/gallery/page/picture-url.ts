/** Where the server has the bytes of an object, or sends on to them. */
export function pictureUrl(key: string, isDownload = false): string {
  return `picture?${new URLSearchParams({ key, ...(isDownload && { download: '1' }) })}`;
}
