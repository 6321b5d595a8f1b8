import {
  choicesOf,
  defaultOf,
  detailsOf,
  flagsOf,
  isSwitch,
  type Shape,
  variableOf,
  withSecretFiles,
} from './option';

/** A table of options in Markdown: the name in files, flag and variable, default, meaning. */
export function referenceOf(shape: Shape): string {
  const head = ['Name', 'Flag and variable', 'Default', 'Meaning'];
  const rows = Object.entries(withSecretFiles(shape)).map(([key, schema]) => {
    const { only, text } = detailsOf(schema);
    const choices = choicesOf(schema);
    const usual = defaultOf(schema);
    const isInverse = isSwitch(schema) && usual === true;
    return [
      only === undefined ? code(key) : '',
      [flagsOf(key, schema), variableOf(key, schema)]
        .flatMap((name) => (name ? code(name) : []))
        .join('<br>'),
      usual === undefined ? '' : code(typeof usual === 'string' ? usual : [usual].flat().join(',')),
      // What looks like a tag is none.
      `${isInverse ? 'off: ' : ''}${text.replaceAll('<', '&lt;')}${choices ? `: ${choices.map(code).join(', ')}` : ''}`,
    ].map((cell) => cell.replaceAll('|', '\\|'));
  });
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
