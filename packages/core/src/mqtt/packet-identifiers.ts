import type { IClientOptions } from 'mqtt';

/** The highest that our own PUBLISH packets use; those above are MQTT.js's, for SUBSCRIBE. */
export const LAST_OWN_IDENTIFIER = 65_000;
const LAST = 65_535;

/**
 * Packet identifiers for MQTT.js, apart from ours: it would take the PUBACK of a message of ours for the
 * answer to a subscription of its own with the same one (MQTT 5 section 2.2.1).
 */
export function mqttJsIdentifiers(): NonNullable<IClientOptions['messageIdProvider']> {
  let last = LAST;
  return {
    allocate: () => {
      last = last === LAST ? LAST_OWN_IDENTIFIER + 1 : last + 1;
      return last;
    },
    getLastAllocated: () => last,
    register: () => true,
    deallocate: () => {},
    clear: () => {},
  };
}
