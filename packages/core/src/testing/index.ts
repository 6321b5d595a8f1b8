export { type CaptureSuiteOptions, captureSuite } from './capture-suite';
export {
  type Certificate,
  type CertificateAuthority,
  type CertificateOptions,
  makeCertificateAuthority,
  makeSelfSignedCertificate,
} from './certificates';
export {
  Chaos,
  type ChaosDeed,
  type ChaosEvents,
  type ChaosOptions,
  type ChaosReport,
  type ChaosRun,
} from './chaos';
export { type ChaosAct, type ChaosRules, chaosSchedule } from './chaos-schedule';
export { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy';
export { freePort } from './free-port';
export {
  HTTP_FAULTS,
  type HttpFault,
  type HttpFaultProxy,
  type HttpFaultProxyOptions,
  type HttpRequestSeen,
  startHttpFaultProxy,
} from './http-fault-proxy';
export { type ModelSuiteOptions, modelSuite } from './model-suite';
export {
  findMosquitto,
  type Mosquitto,
  type MosquittoOptions,
  type MosquittoTls,
  startMosquitto,
} from './mosquitto';
export { mosquittoParty, type Party, type ProgramOptions, programParty } from './party';
export { SeededRandom } from './seeded-random';
export { type SpoolSuiteBounds, type SpoolSuiteOptions, spoolSuite } from './spool-suite';
export { type StoreSuiteOptions, storeSuite } from './store-suite';
export type { TestFunctions } from './suite';
