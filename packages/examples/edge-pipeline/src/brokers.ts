import type { BrokerOptions } from 'edge-relay';
import type { EdgePipelineOptions } from './options';

/** How to reach the broker on the device. */
export function edgeBroker(options: EdgePipelineOptions) {
  return {
    url: options.edgeUrl,
    username: options.edgeUsername,
    password: options.edgePassword,
    ca: options.edgeCa,
    cert: options.edgeCert,
    key: options.edgeKey,
  } satisfies BrokerOptions;
}

/** How to reach the one in the cloud; without an address where none is named. */
export function cloudBroker(options: EdgePipelineOptions) {
  return {
    url: options.cloudUrl ?? [],
    username: options.cloudUsername,
    password: options.cloudPassword,
    ca: options.cloudCa,
    cert: options.cloudCert,
    key: options.cloudKey,
  } satisfies BrokerOptions;
}
