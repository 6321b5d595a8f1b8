import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { messageOf } from '../errors';
import { pemText } from './broker-options';
import { codeOf, type FailedConnection, type Problem } from './failed-connection';

/** What we do not like about the broker's certificate: codes of X509_verify_cert(3) and of Node. */
export function problemWithTheirs({ reason, broker, shown, address }: FailedConnection): Problem | undefined {
  const now = timeOf(new Date());
  switch (codeOf(reason)) {
    case 'CERT_HAS_EXPIRED': {
      const isItself = shown === undefined || Date.parse(shown.valid_to) < Date.now();
      const date = shown && isItself ? ` on ${timeOf(shown.valid_to)}` : '';
      return {
        what: `shows a certificate ${isItself ? 'that expired' : 'whose authority has expired'}${date}`,
        cure: `Renew it there. (The clock here says ${now}.)`,
      };
    }
    case 'CERT_NOT_YET_VALID': {
      const date = shown ? ` before ${timeOf(shown.valid_from)}` : ' yet';
      // Devices without a battery start with a wrong clock, and set it when they reach the network.
      return {
        what: `shows a certificate that is not valid${date}`,
        cure: `Set the clock here, which says ${now}.`,
        mayPass: true,
      };
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return {
        what: 'shows a certificate that is signed by itself',
        cure: 'If it is the right one, give that certificate as ca.',
      };
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return {
        what: `shows a certificate of an authority that is not trusted${shown ? ` (${shown.issuer.CN})` : ''}`,
        cure:
          broker.ca === undefined
            ? "Give the authority's certificate as ca."
            : 'The one given as ca is another; or the broker does not send the certificates in between.',
      };
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return {
        what: `shows a certificate for ${namesOf(reason)}, not for ${address.host}`,
        cure: 'Use a name of the certificate in url, or give the broker a certificate for this one.',
      };
    default:
      if (!/^(CERT|CRL|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH)/.test(codeOf(reason))) return undefined;
      return {
        what: `shows a certificate that is not accepted (${messageOf(reason)})`,
        cure: 'Give it another.',
      };
  }
}

/** What the broker does not like about ours: the alerts of TLS (RFC 8446 section 6.2), by number. */
export function problemWithOurs({ reason, broker }: FailedConnection): Problem | undefined {
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(codeOf(reason))) {
    return { what: 'speaks no TLS at this port', cure: 'Use its port for TLS (8883), or mqtt:// or ws://.' };
  }
  const number = Number(/SSL alert number (\d+)/.exec(reason instanceof Error ? reason.message : '')?.[1]);
  if (Number.isNaN(number)) return undefined;
  const wantsOne = { what: 'wants a certificate from us', cure: 'Set cert and key.' };
  const ours = broker.cert === undefined ? undefined : new X509Certificate(pemText(broker.cert));
  switch (number) {
    case 116:
      return wantsOne;
    case 40:
      return ours
        ? { what: 'broke the TLS handshake off', cure: 'Check cert, and the ciphers it takes.' }
        : wantsOne;
    case 45:
      return {
        what: `says that our certificate has expired (it is valid up to ${ours && timeOf(ours.validTo)})`,
        cure: 'Renew cert and key.',
      };
    case 48:
      return {
        what: `does not trust the authority of our certificate (${ours?.issuer.replace(/^CN=/, '')})`,
        cure: 'Set cert and key of an authority that it trusts.',
      };
    case 70:
      return { what: 'speaks no version of TLS that we speak', cure: 'Let it speak TLS 1.2 or 1.3.' };
    default:
      return {
        what: `does not accept our certificate (TLS alert ${number})`,
        cure: 'Check cert and key, and what the broker asks of them.',
      };
  }
}

function namesOf(reason: unknown): string {
  const { subjectaltname, subject } = (reason as { cert: PeerCertificate }).cert;
  return subjectaltname?.replaceAll(/DNS:|IP Address:/g, '') ?? String(subject.CN);
}

/** `2026-01-31T12:00:00Z` */
function timeOf(time: Date | string): string {
  return new Date(time).toISOString().replace(/\.\d+/, '');
}
