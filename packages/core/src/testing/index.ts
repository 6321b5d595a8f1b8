export { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy';
export { freePort } from './free-port';
export { findMosquitto, type Mosquitto, type MosquittoOptions, startMosquitto } from './mosquitto';
