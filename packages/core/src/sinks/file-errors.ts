import { messageOf, RelayError, type RelayErrorDetails } from '../errors';

const DENIED = new Set(['EACCES', 'EROFS']);

/** What a file system says in passing: the disk fills, a network disk blinks, somebody tidies up. */
const RETRYABLE: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space, or move the folder to a larger disk.',
  EDQUOT: 'The disk quota is used up: free some space, or raise the quota.',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n) or lower the concurrency.',
  ENFILE: 'Too many files are open on this machine: close some programs.',
  ENOENT: 'Its folder has been removed; it is made again.',
  EIO: 'The disk reports a fault: look at the system log.',
  EBUSY: 'The disk is busy.',
  ESTALE: 'The network disk has been mounted anew.',
  ETIMEDOUT: 'The network disk does not answer.',
};

const LASTING: Readonly<Record<string, string>> = {
  EEXIST: 'There is a file where a folder is needed: remove it, or choose another folder.',
  ENOTDIR: 'There is a file where a folder is needed: remove it, or choose another folder.',
  EPERM: 'The file system does not allow it: see how it is mounted, or choose another folder.',
  EISDIR: 'There is a folder of that name: remove it.',
};

/** The failure of a file system, as a RelayError with its cure. */
export function asStoreError(error: unknown, location: string, key?: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const what = key === undefined ? `The folder ${location}` : `${key} in the folder ${location}`;
  const fail = (cure: string, details: Pick<RelayErrorDetails, 'code' | 'retryable'>) =>
    new RelayError(`${what} cannot be used (${messageOf(error)}). ${cure}`.trim(), {
      ...details,
      stage: 'sink',
      cause: error,
    });
  if (DENIED.has(code)) {
    return fail('Let the user of this process write there, or choose another folder.', {
      code: 'STORE_DENIED',
    });
  }
  const passing = RETRYABLE[code];
  if (passing !== undefined) return fail(passing, { code: 'STORE_FAILED', retryable: true });
  return fail(LASTING[code] ?? '', { code: 'STORE_FAILED' });
}

/** The code of a failed system call, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === undefined ? undefined : code;
}
