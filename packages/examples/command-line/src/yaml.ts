import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';

/** The package yaml. It is made of seventy files: only who reads or writes a configuration waits until it is loaded. */
export function loadYaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml');
}
