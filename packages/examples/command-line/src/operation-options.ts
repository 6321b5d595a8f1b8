import { logOptions } from './log';
import { option } from './option';
import { port, text } from './values';

/** How a program that runs on its own is watched. */
export const operationOptions = {
  ...logOptions,
  metrics: option(port().optional(), {
    text: 'serves /metrics (Prometheus), /healthz and /readyz at this port',
    value: 'port',
  }),
  metricsHost: option(text().default('127.0.0.1'), {
    text: 'where they can be reached; 0.0.0.0 from everywhere',
    value: 'address',
  }),
};
