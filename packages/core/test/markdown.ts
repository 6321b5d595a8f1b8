import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** A fenced block of code. */
export interface CodeBlock {
  /** Path of the file, relative to the workspace. */
  readonly file: string;
  /** The line of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** Whether `<!-- run -->` stands before it. */
  readonly run: boolean;
  /** The ```text block that follows: what running it prints. */
  readonly output: string | undefined;
}

/** The documentation of a workspace: its README and what else is at its root, the library's, and everything in docs. */
export function documentsOf(workspace: string): string[] {
  const docs = join(workspace, 'docs');
  const guides = existsSync(docs) ? readdirSync(docs, { recursive: true, encoding: 'utf8' }) : [];
  return [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    join('packages', 'core', 'README.md'),
    ...guides.filter((name) => name.endsWith('.md')).map((name) => join('docs', name)),
  ].filter((name) => existsSync(join(workspace, name)));
}

export function blocksOf(file: string, markdown: string): CodeBlock[] {
  const lineAt = (index: number) => markdown.slice(0, index).split('\n').length;
  // In a list they are indented.
  const fences = [...markdown.matchAll(/^(<!-- run -->\n+)?^( *)```(\w+)[^\n]*\n(.*?)^\2```$/gms)];
  return fences.map((fence, index) => {
    const [whole, run, indent, language, text] = fence;
    const next = fences[index + 1];
    const between = next && markdown.slice(fence.index + whole.length, next.index);
    return {
      file,
      line: lineAt(fence.index + whole.indexOf('```')) + 1,
      language: language!,
      text: text!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      run: run !== undefined,
      output: next?.[3] === 'text' && between?.trim() === '' ? next[4] : undefined,
    };
  });
}

/** The links of a document that lead to nothing in the workspace; links to the web are not followed. */
export function brokenLinks(workspace: string, file: string, markdown: string): string[] {
  const prose = markdown.replaceAll(/^( *)```.*?^\1```$/gms, '').replaceAll(/`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map(([, target]) => target!);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split('#') as [string, string?];
      const found = path === '' ? join(workspace, file) : resolve(workspace, dirname(file), path);
      if (relative(workspace, found).startsWith('..') || !existsSync(found)) return true;
      return anchor !== undefined && found.endsWith('.md') && !anchorsOf(found).includes(anchor);
    });
}

/** Headings as GitHub makes them into anchors. */
function anchorsOf(path: string): string[] {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+\s+(.*?)\s*$/gm);
  return [...headings].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
}

/** The commands of a shell block, each as its words, without comments, prompts and variables set for it. */
export function commandsOf(text: string): string[][] {
  return text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/^\$ /, '').replace(/(^|\s)#.*$/, ''))
    .flatMap((line) => line.split(/\s(?:&&|\|\|?|;|&)(?=\s|$)/))
    .map((command) => command.replace(/^\s*(?:\w+=\S*(?:\s+|$))*/, ''))
    .map((command) => command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [])
    .filter((words) => words.length > 0);
}
