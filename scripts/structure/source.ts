import { posix } from 'node:path'
import { type Node, parseSync, Visitor } from 'oxc-parser'

/** A function, a method or a class, from its first line to its last. */
export type Block = { kind: 'function' | 'class'; line: number; lines: number }

export type Source = {
  path: string
  lines: number
  /** Files of ours that it names, as paths from the root: imports, re-exports and types, static or not. */
  imports: string[]
  blocks: Block[]
}

/** The callbacks of tests, groups and hooks are lists of steps: their length does not count. */
const TEST_CALLS = /^(describe|test|it|(before|after)(All|Each))\b/

/** Reads a file; throws where it does not parse. */
export function readSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const imports = new Set<string>()
  const blocks: Block[] = []
  const counted = new Set<Node>()
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length

  const addImport = ({ source }: { source: Node | null }) => {
    if (source?.type !== 'Literal' || typeof source.value !== 'string') return
    if (source.value.startsWith('.')) imports.add(posix.join(posix.dirname(path), source.value))
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
  return { path, lines: text.trimEnd().split('\n').length, imports: [...imports], blocks }
}
