import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Something that users of the library can name, and what its docstring says. */
export interface PublicName {
  /** `PublisherOptions.spool` for a member. */
  readonly name: string;
  /** File and line of its declaration, relative to the library. */
  readonly place: string;
  /** Text and tags; empty where there is none. */
  readonly docstring: string;
  /** Whether it is a member of options that may be left out. */
  readonly isOptionalOption: boolean;
}

const core = fileURLToPath(new URL('..', import.meta.url));

/** Every name that the entry files export, and the members that users see of them, each once. */
export function publicNames(entries: readonly string[]): PublicName[] {
  const program = ts.createProgram([...entries], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.Preserve,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  });
  const checker = program.getTypeChecker();
  const names = new Map<string, PublicName>();

  const add = (name: string, symbol: ts.Symbol, isOptionalOption = false) => {
    const [declaration] = symbol.declarations ?? [];
    // What comes from a package is documented there.
    if (!declaration || declaration.getSourceFile().fileName.includes('/node_modules/')) return;
    const file = declaration.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart());
    const tags = symbol
      .getJsDocTags(checker)
      .map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`);
    const text = ts.displayPartsToString(symbol.getDocumentationComment(checker));
    const place = `${file.fileName.slice(core.length)}:${line + 1}`;
    names.set(name, { name, place, docstring: [text, ...tags].join('\n').trim(), isOptionalOption });
  };

  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      add(exported.name, symbol);
      for (const member of membersOf(symbol)) {
        const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0;
        add(`${exported.name}.${member.name}`, member, isOptional && exported.name.endsWith('Options'));
      }
    }
  }
  return [...names.values()];
}

/** The public members that a class, an interface or an object type declares itself; those named by symbols explain themselves. */
function membersOf(symbol: ts.Symbol): ts.Symbol[] {
  const literals = (symbol.declarations ?? [])
    .filter(ts.isTypeAliasDeclaration)
    .flatMap(({ type }) =>
      ts.isUnionTypeNode(type) || ts.isIntersectionTypeNode(type) ? type.types : [type],
    )
    .filter(ts.isTypeLiteralNode)
    .flatMap((literal) => [...literal.members])
    .map((member) => (member as unknown as { symbol: ts.Symbol }).symbol);
  return [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? []), ...literals].filter(
    (member) => isSeen(member) && !member.name.startsWith('__'),
  );
}

function isSeen(member: ts.Symbol): boolean {
  const [declaration] = member.declarations ?? [];
  if (!declaration || ts.isTypeParameterDeclaration(declaration)) return false;
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  if ((ts.getCombinedModifierFlags(declaration) & hidden) !== 0) return false;
  const name = ts.getNameOfDeclaration(declaration);
  return name !== undefined && !ts.isPrivateIdentifier(name) && !ts.isComputedPropertyName(name);
}
