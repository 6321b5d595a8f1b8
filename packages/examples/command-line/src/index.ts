export { brokerFinding } from './broker-finding';
export {
  addresses,
  brokerObjections,
  certificateFile,
  keyFile,
  topic,
  topicFilter,
} from './broker-values';
export { clockFinding } from './clock-finding';
export { counted } from './counted';
export { type Check, doctorOptions, examine } from './doctor';
export type { Finding } from './finding';
export { Health } from './health';
export { jsonSchemaOf } from './json-schema';
export { complaintOf, judged, objectionsTo } from './judged';
export { Log } from './log';
export { Meter, measureConnections, type Reading, Tally } from './meter';
export { didYouMean } from './nearest';
export { operationOptions } from './operation-options';
export { type OptionsOf, option, readAll, type Shape } from './option';
export { bar, Progress } from './progress';
export { referenceOf } from './reference';
export { type App, runApp, type Work } from './run-app';
export { type Objection, type Program, readSettings, type Settings } from './settings';
export { choice, commas, date, folder, number, onOff, pairs, port, text, whole } from './values';
export { wayFinding } from './way-finding';
