import type { Transform, Writer } from './stage';

// biome-ignore lint/suspicious/noExplicitAny: inside, any stage follows any other; signatures check the types.
export type AnyStage = Transform<any, any> | Writer<any>;

export function isStage(value: unknown): value is AnyStage {
  return typeof value === 'object' && value !== null && ('transform' in value || 'write' in value);
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
export function isTransform(stage: AnyStage): stage is Transform<any, any> {
  return 'transform' in stage;
}

/** A chain is any number of transforms and then one writer. Throws a `TypeError` for anything else. */
export function assertChain(
  stages: readonly unknown[],
  where: string,
): asserts stages is readonly AnyStage[] {
  if (stages.length === 0) throw new TypeError(`${where} needs at least one stage that has write().`);
  stages.forEach((stage, index) => {
    const position = `Stage ${index + 1} of ${where}`;
    if (!isStage(stage)) throw new TypeError(`${position} has neither transform() nor write().`);
    const concurrency = stage.concurrency ?? 1;
    if (!(Number.isInteger(concurrency) && concurrency > 0)) {
      throw new TypeError(
        `${position} states a concurrency of ${concurrency}; it must be a whole number above 0.`,
      );
    }
    const isLast = index === stages.length - 1;
    if (isLast && isTransform(stage)) throw new TypeError(`${where} must end with a stage that has write().`);
    if (!isLast && !isTransform(stage)) throw new TypeError(`${position} has write() and must be the last.`);
  });
}
