import { posix } from 'node:path'
import { type Node, type Program, parseSync, Visitor } from 'oxc-parser'

/** A function, a method or a class, from its first line to its last. */
type Block = { kind: 'function' | 'class'; line: number; lines: number }

export type Source = {
  path: string
  lines: number
  /** Files of ours that it names, as paths from the root: imports, re-exports and types, static or not. */
  imports: string[]
  /** The names that it exports itself. */
  exports: string[]
  /** What it takes from files of ours: `path name`, or `path *` where that may be anything. */
  uses: string[]
  blocks: Block[]
}

/** The callbacks of tests, groups and hooks are lists of steps: their length does not count. */
const TEST_CALLS = /^(describe|test|it|(before|after)(All|Each))\b/

/** Reads a file; throws where it does not parse. */
export function readSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const imports = new Set<string>()
  const { exports, uses } = readNames(path, program)
  const blocks: Block[] = []
  const counted = new Set<Node>()
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length

  const addImport = ({ source }: { source: Node | null }) => {
    const target = toTarget(path, source)
    if (target !== undefined) imports.add(target)
  }
  const addBlock = (kind: Block['kind'], node: Node, body: Node = node) => {
    if (counted.has(body)) return
    counted.add(body)
    const line = lineAt(node.start)
    blocks.push({ kind, line, lines: lineAt(node.end) - line + 1 })
  }
  const addFunction = (node: Node) => addBlock('function', node)
  const addClass = (node: Node) => addBlock('class', node)

  new Visitor({
    ImportDeclaration: addImport,
    ExportNamedDeclaration: addImport,
    ExportAllDeclaration: addImport,
    ImportExpression: addImport,
    TSImportType: addImport,
    ClassDeclaration: addClass,
    ClassExpression: addClass,
    FunctionDeclaration: addFunction,
    FunctionExpression: addFunction,
    ArrowFunctionExpression: addFunction,
    // A method is counted with its name and parameters, once.
    MethodDefinition: (node) => addBlock('function', node, node.value),
    Property: (node) => {
      if (node.method) addBlock('function', node, node.value)
    },
    CallExpression: (node) => {
      if (!TEST_CALLS.test(text.slice(node.callee.start, node.callee.end))) return
      for (const argument of node.arguments) counted.add(argument)
    },
  }).visit(program)
  return { path, lines: text.trimEnd().split('\n').length, imports: [...imports], exports, uses, blocks }
}

/** The file of ours that an import names, as a path from the root. */
function toTarget(path: string, source: Node | null): string | undefined {
  if (source?.type !== 'Literal' || typeof source.value !== 'string') return undefined
  return source.value.startsWith('.') ? posix.join(posix.dirname(path), source.value) : undefined
}

/** What a file exports, and what it takes from other files of ours. */
function readNames(path: string, program: Program): Pick<Source, 'exports' | 'uses'> {
  const exports: string[] = []
  const uses: string[] = []
  const use = (source: Node | null, name: string) => {
    const target = toTarget(path, source)
    if (target !== undefined) uses.push(`${target} ${name}`)
  }
  const useAll = ({ source }: { source: Node }) => use(source, '*')
  new Visitor({
    ImportDeclaration: ({ source, specifiers }) => {
      for (const specifier of specifiers) {
        use(source, specifier.type === 'ImportSpecifier' ? nameOf(specifier.imported) : '*')
      }
    },
    ExportNamedDeclaration: ({ source, specifiers, declaration }) => {
      if (source !== null) for (const { local } of specifiers) use(source, nameOf(local))
      else exports.push(...specifiers.map(({ exported }) => nameOf(exported)), ...declaredNames(declaration))
    },
    ExportAllDeclaration: useAll,
    ImportExpression: useAll,
    TSImportType: useAll,
  }).visit(program)
  return { exports, uses }
}

/** A name in a list of imports or exports, which may be quoted. */
function nameOf(node: { type: string; name?: string; value?: unknown }): string {
  return node.name ?? String(node.value)
}

/** The names that an exported declaration brings; of one that takes an object apart, none. */
function declaredNames(declaration: Node | null): string[] {
  if (declaration === null) return []
  const ids =
    declaration.type === 'VariableDeclaration'
      ? declaration.declarations.map(({ id }) => id as Node)
      : 'id' in declaration
        ? [declaration.id as Node]
        : []
  return ids.flatMap((id) => (id?.type === 'Identifier' ? [id.name] : []))
}
