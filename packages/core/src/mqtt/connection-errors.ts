import { messageOf, RelayError } from '../errors';
import { codeOf, type FailedConnection, type Problem } from './failed-connection';
import { problemWithOurs, problemWithTheirs } from './tls-problems';

/** Names the problem, the address without password, and the cure. What no waiting cures is `BROKER_REFUSED`. */
export function connectionError(failed: FailedConnection): RelayError {
  const { stage, address, reason } = failed;
  const refusal =
    refusalByBroker(failed) ??
    problemWithTheirs(failed) ??
    problemWithOurs(failed) ??
    refusalByWebServer(reason);
  if (!refusal) {
    const why = reason === undefined ? 'it closed the connection' : messageOf(reason) || codeOf(reason);
    const { cure } = unreachable(failed);
    return new RelayError(`${stage}: cannot reach the broker at ${address.url} (${why}). ${cure}`, {
      code: 'BROKER_UNREACHABLE',
      stage,
      retryable: true,
      cause: reason,
    });
  }
  const { what, cure, mayPass = false } = refusal;
  return new RelayError(`${stage}: the broker at ${address.url} ${what}. ${cure}`, {
    code: mayPass ? 'BROKER_UNREACHABLE' : 'BROKER_REFUSED',
    stage,
    retryable: mayPass,
    cause: reason,
  });
}

/** One error for all the addresses of a broker; it may pass where one of them may. */
export function allFailed(stage: string, errors: readonly RelayError[]): RelayError {
  const [first, ...others] = errors;
  if (first && others.length === 0) return first;
  const passing = errors.find(({ retryable }) => retryable);
  const texts = errors.map(({ message }) => message.replace(`${stage}: `, ''));
  return new RelayError(`${stage}: none of ${errors.length} addresses answers: ${texts.join(' ')}`, {
    code: (passing ?? first)?.code ?? 'BROKER_UNREACHABLE',
    stage,
    retryable: passing !== undefined,
    cause: new AggregateError(errors, 'every address failed'),
  });
}

/** Whether the broker said "Unacceptable protocol version" (3.1.1) or "Unsupported Protocol Version" (5). */
export function speaksAnotherVersion(reason: unknown): boolean {
  const code = (reason as { code?: unknown } | undefined)?.code;
  return code === 0x01 || code === 0x84;
}

/** What CONNACK says (MQTT 5 section 3.2.2.2; 1 to 5 are those of 3.1.1 section 3.2.2.3). */
function refusalByBroker({ address, reason }: FailedConnection): Problem | undefined {
  const code = (reason as { code?: unknown } | undefined)?.code;
  if (typeof code !== 'number') return undefined;
  const user = JSON.stringify(address.username);
  switch (code) {
    case 0x02:
    case 0x85:
      return { what: 'refuses our client id', cure: 'Set another clientId.' };
    case 0x04:
    case 0x86:
      return {
        what: `refuses user ${user}: wrong user name or password`,
        cure: 'Check username and password.',
      };
    case 0x05:
    case 0x87:
      if (user === undefined) {
        return {
          what: 'wants a user name and password (not authorised)',
          cure: 'Set username and password.',
        };
      }
      return {
        what: `does not let user ${user} in (not authorised)`,
        cure: "Check username and password, and the broker's access rules.",
      };
    case 0x01:
    case 0x84:
      return {
        what: 'does not speak our version of MQTT',
        cure: 'Set protocolVersion to another, or leave it out.',
      };
    case 0x8a:
    case 0x8c:
      return { what: `refuses us (${messageOf(reason)})`, cure: "Check the broker's access rules." };
    default:
      return { what: `takes nobody now (${messageOf(reason)})`, cure: 'It is tried again.', mayPass: true };
  }
}

/** What stands in front of a broker's WebSocket listener may answer by itself. */
function refusalByWebServer(reason: unknown): Problem | undefined {
  const status = Number(/Unexpected server response: (\d+)/.exec(messageOf(reason))?.[1]);
  if (Number.isNaN(status)) return undefined;
  const mayPass = status >= 500 || [408, 425, 429].includes(status);
  return { what: `answers with HTTP status ${status}`, cure: 'Check host and path of url.', mayPass };
}

function unreachable({ address, reason }: FailedConnection): { readonly cure: string } {
  const code = codeOf(reason);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return { cure: 'Is the name of the host right, and the network up?' };
  if (reason !== undefined && code !== 'ECONNRESET')
    return { cure: 'Is it running, and is the address right?' };
  const isSecure = address.protocol === 'mqtts' || address.protocol === 'wss';
  return { cure: isSecure ? 'Does it speak TLS at this port?' : 'Does it want TLS (mqtts:// or wss://)?' };
}
