/** The part of a URL before its host, to the last `@`: a password may hold one itself. Not `anna:***`. */
const USER_AND_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/)(?![^\s/:@]*:\*\*\*@)[^\s/]+@/gi;
/** A password with a `/` that ought to be written as %2F: such an address is none, and the error shows it. Not a port. */
const PASSWORD_WITH_SLASH = /([a-z][a-z0-9+.-]*:\/\/)[^\s/:@[]*:(?!\d+\/|\*\*\*@)\S{0,1000}@/gi;
/** Cameras want them in the query or even in the path: `?user=anna&pwd=secret`, `/user=anna_password=secret_`. */
const PARAMETER = /\b((?:user|usr|login|pass|pwd|pw|token|auth|secret|api_?key)[a-z_-]*=)[^&\s'"]+/gi;

/**
 * A text as it may stand in a log: `rtsp://anna:secret@host` as `rtsp://***@host`, `?password=secret` as
 * `?password=***`.
 */
export function withoutCredentials(text: string): string {
  return text
    .replaceAll(USER_AND_PASSWORD, '$1***@')
    .replaceAll(PASSWORD_WITH_SLASH, '$1***@')
    .replaceAll(PARAMETER, '$1***');
}
