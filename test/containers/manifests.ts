import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment } from 'kubernetes-types/apps/v1';
import type { EnvVar, Volume } from 'kubernetes-types/core/v1';
import ts from 'typescript';
import { parse, parseAllDocuments } from 'yaml';
import { bytesOf, type Container } from './container';

export interface Kustomization {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly resources: readonly string[];
  readonly configMapGenerator: readonly Generator[];
  readonly secretGenerator: readonly Generator[];
}

interface Generator {
  readonly name: string;
  readonly files?: readonly string[];
  readonly envs?: readonly string[];
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

export function readKustomization(folder: string): Kustomization {
  return parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'));
}

/** Kubernetes reads YAML 1.1, in which 0440 is octal. */
export function readManifests(folder: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(folder, 'k3s.yaml'), 'utf8'), { version: '1.1' });
  return documents.map((document) => document.toJS() as Manifest);
}

/** The containers of a folder's deployments, with what its kustomization puts into them. */
export function containersOf(folder: string, settings: Readonly<Record<string, string>>): Container[] {
  const { configMapGenerator, secretGenerator } = readKustomization(folder);
  const filesOf = (generators: readonly Generator[], name: string | undefined) => {
    const files = generators.find((generator) => generator.name === name)?.files ?? [];
    return Object.fromEntries(files.map((file) => [file.slice(file.lastIndexOf('/') + 1), file]));
  };
  const deployments = readManifests(folder).filter(({ kind }) => kind === 'Deployment') as Deployment[];
  return deployments.map(({ spec }) => {
    const pod = spec!.template.spec!;
    const [container] = pod.containers;
    const volumeOf = (name: string) => pod.volumes!.find((volume) => volume.name === name)!;
    const files = (volume: Volume): Record<string, string> => {
      if (volume.configMap) return filesOf(configMapGenerator, volume.configMap.name);
      const known = filesOf(secretGenerator, volume.secret?.secretName);
      return Object.fromEntries((volume.secret?.items ?? []).map(({ key, path }) => [path, known[key]!]));
    };
    const mounts = (container!.volumeMounts ?? []).map(({ name, mountPath }) => ({
      mountPath,
      volume: volumeOf(name),
    }));
    return {
      name: container!.name,
      image: container!.image!,
      arguments: container!.args ?? [],
      environment: Object.fromEntries(
        (container!.env ?? []).flatMap((variable) => {
          const value = readVariable(variable, settings);
          return value === undefined ? [] : [[variable.name, value]];
        }),
      ),
      files: Object.fromEntries(
        mounts.flatMap(({ mountPath, volume }) =>
          Object.entries(files(volume)).map(([name, file]) => [`${mountPath}/${name}`, file]),
        ),
      ),
      volumes: Object.fromEntries(
        mounts.flatMap(({ mountPath, volume }) => {
          const claim = volume.persistentVolumeClaim?.claimName;
          return claim === undefined ? [] : [[mountPath, claim]];
        }),
      ),
      user: pod.securityContext?.runAsUser,
      groups: pod.securityContext?.supplementalGroups ?? [],
      memoryBytes: bytesOf(String(container!.resources?.limits?.memory)),
      stopSeconds: pod.terminationGracePeriodSeconds!,
      isReadOnly: container!.securityContext?.readOnlyRootFilesystem ?? false,
    };
  });
}

function readVariable(
  { name, value, valueFrom }: EnvVar,
  settings: Readonly<Record<string, string>>,
): string | undefined {
  const reference = valueFrom?.configMapKeyRef;
  if (!reference) return value;
  const set = settings[reference.key];
  if (set === undefined && !reference.optional)
    throw new Error(`couldn't find key ${reference.key} for ${name} in ConfigMap ${reference.name}`);
  return set;
}

const SCHEMAS: Readonly<Record<string, string>> = {
  Namespace: 'core/v1',
  PersistentVolumeClaim: 'core/v1',
  Service: 'core/v1',
  Deployment: 'apps/v1',
};

/** What Kubernetes' own description of its API, as types, says against manifests. */
export function problemsOf(manifests: readonly Manifest[]): string[] {
  const unknown = manifests.filter(({ apiVersion, kind }) => {
    const schema = SCHEMAS[kind];
    return schema === undefined || apiVersion !== schema.replace('core/', '');
  });
  if (unknown.length > 0) return unknown.map(({ apiVersion, kind }) => `no schema for ${apiVersion} ${kind}`);
  const source = manifests
    .map(({ kind, ...rest }, index) => {
      const type = `import('kubernetes-types/${SCHEMAS[kind]}').${kind}`;
      return `export const manifest${index}: ${type} = ${JSON.stringify({ kind, ...rest })};\n`;
    })
    .join('');
  const file = join(import.meta.dirname, 'manifests.generated.ts');
  const options: ts.CompilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true, types: [] },
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? source : readFile(name));
  host.getSourceFile = (name, ...more) =>
    name === file ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022) : getSourceFile(name, ...more);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
