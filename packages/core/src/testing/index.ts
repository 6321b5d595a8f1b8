export { type CaptureSuiteOptions, captureSuite } from './capture-suite';
export {
  type Certificate,
  type CertificateAuthority,
  type CertificateOptions,
  makeCertificateAuthority,
  makeSelfSignedCertificate,
} from './certificates';
export { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy';
export { freePort } from './free-port';
export {
  findMosquitto,
  type Mosquitto,
  type MosquittoOptions,
  type MosquittoTls,
  startMosquitto,
} from './mosquitto';
export { type SpoolSuiteBounds, type SpoolSuiteOptions, spoolSuite } from './spool-suite';
export { type StoreSuiteOptions, storeSuite } from './store-suite';
export type { TestFunctions } from './suite';
