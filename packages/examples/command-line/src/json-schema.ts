import { z } from 'zod';
import { choicesOf, defaultOf, detailsOf, inFiles, type Shape, typeOf } from './option';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** A value that a variable gives is text until it is read. */
const VARIABLE: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/** What a configuration file may hold, for editors. */
export function jsonSchemaOf(name: string, options: Shape): JsonSchema {
  const shape = inFiles(options);
  const properties = Object.entries(shape).map(([key, schema]) => {
    const { text, read } = detailsOf(schema);
    const { $schema: _, default: usual, ...own } = z.toJSONSchema(schema, { io: 'input' });
    // What is given as text on the command line may be text in a file, too.
    const other = read && typeOf(schema) !== 'string' ? { type: 'string' as const } : VARIABLE;
    const isText = typeOf(schema) === 'string' && !choicesOf(schema);
    const value: JsonSchema = isText ? own : { anyOf: [own, other] };
    const description = `${text[0]?.toUpperCase()}${text.slice(1)}.`;
    return [key, { description, ...(usual !== undefined && { default: defaultOf(schema) }), ...value }];
  });
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Configuration of ${name}`,
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}
