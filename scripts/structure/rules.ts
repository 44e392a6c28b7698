import { DOORS, LAYERS, ROOMS } from './layers.ts'
import { readSource, type Source } from './source.ts'

type Violation = { rule: string; file: string; message: string; warning?: true }
type Rule = (sources: readonly Source[]) => Violation[]

const MAX_FUNCTION_LINES = 60
const MAX_CLASS_LINES = 200
const MAX_FILE_LINES = 260
const MAX_FLOOR_FILES = 6

/** Checks a tree, given as texts by path from the root, and gives everything that is wrong with it. */
export function checkStructure(texts: ReadonlyMap<string, string>): Violation[] {
  const sources = [...texts].map(([path, text]) => readSource(path, text))
  const ours = sources.filter(({ path }) => path.startsWith('src/'))
  const srcRules = [findWrongArrows, findCrowdedFloors, findTwinNames, findLongFiles]
  const allRules = [findCircles, findLongBlocks, findDeadExports]
  return [...allRules.flatMap((rule) => rule(sources)), ...srcRules.flatMap((rule) => rule(ours))]
}

const findCircles: Rule = (sources) => {
  const importsOf = new Map(sources.map(({ path, imports }) => [path, imports]))
  const done = new Set<string>()
  const violations: Violation[] = []
  const visit = (file: string, trail: readonly string[]) => {
    const start = trail.indexOf(file)
    if (start >= 0) {
      violations.push({ rule: 'circle', file, message: [...trail.slice(start), file].join(' -> ') })
    } else if (!done.has(file)) {
      for (const target of importsOf.get(file) ?? []) visit(target, [...trail, file])
      done.add(file)
    }
  }
  for (const { path } of sources) visit(path, [])
  return violations
}

const findWrongArrows: Rule = (sources) =>
  sources.flatMap(({ path, imports }) =>
    imports.flatMap((target) => {
      const reason = whyNot(path, target)
      return reason === undefined ? [] : [{ rule: 'arrow', file: path, message: `${target}: ${reason}` }]
    }),
  )

/** Why a file may not import another one; undefined when it may. */
function whyNot(from: string, to: string): string | undefined {
  const [layer, room] = placeOf(from)
  const [toLayer, toRoom] = placeOf(to)
  if (layer !== toLayer) {
    const door = DOORS[`${toLayer}/${toRoom}`]
    if (door !== undefined && door !== layer) return `${toLayer}/${toRoom} is used by ${door} alone`
    return notInRow(LAYERS, layer, toLayer)
  }
  const rooms = ROOMS[layer]
  return rooms === undefined || room === toRoom ? undefined : notInRow(rooms, room, toRoom)
}

function notInRow(table: Record<string, readonly string[]>, row: string, name: string): string | undefined {
  const allowed = table[row]
  if (allowed === undefined) return `${row} has no row in scripts/structure/layers.ts`
  if (allowed.includes(name)) return undefined
  return `${row} may import ${allowed.length === 0 ? 'nothing else of ours' : allowed.join(', ')}`
}

/** The layer and the room of a file of src/. */
function placeOf(path: string): [layer: string, room: string] {
  const [, layer = '', room = '', ...rest] = path.split('/')
  return [layer.replace(/\.ts$/, ''), rest.length === 0 ? 'floor' : room]
}

const findCrowdedFloors: Rule = (sources) =>
  Object.keys(ROOMS).flatMap((layer) => {
    const floor = sources.filter(({ path }) => placeOf(path).join('/') === `${layer}/floor`)
    if (floor.length <= MAX_FLOOR_FILES) return []
    const message = `${floor.length} loose files, at most ${MAX_FLOOR_FILES}: give them a room`
    return [{ rule: 'floor', file: `src/${layer}`, message }]
  })

/** In a layer, names that differ only in their room, in a plural or in the order of their words. */
const findTwinNames: Rule = (sources) => {
  const seen = new Map<string, string>()
  return sources.flatMap(({ path }) => {
    const words = (path.split('/').at(-1) ?? '').replace(/\.ts$/, '').split('-')
    const key = `${placeOf(path)[0]}/${words.map(toSingular).sort().join('-')}`
    const twin = seen.get(key)
    seen.set(key, path)
    return twin === undefined ? [] : [{ rule: 'name', file: path, message: `too like ${twin}` }]
  })
}

function toSingular(word: string): string {
  return word
    .replace(/ies$/, 'y')
    .replace(/(ss|x|ch|sh)es$/, '$1')
    .replace(/([^s])s$/, '$1')
}

const findLongBlocks: Rule = (sources) =>
  sources.flatMap(({ path, blocks }) =>
    blocks.flatMap(({ kind, line, lines }) => {
      const max = kind === 'class' ? MAX_CLASS_LINES : MAX_FUNCTION_LINES
      if (lines <= max) return []
      return [
        { rule: 'length', file: `${path}:${line}`, message: `a ${kind} of ${lines} lines, at most ${max}` },
      ]
    }),
  )

/** An export that no other file takes says that there is a reader where there is none. */
const findDeadExports: Rule = (sources) => {
  const used = new Set(sources.flatMap(({ uses }) => uses))
  return sources.flatMap(({ path, exports }) => {
    // What a test file offers, the test runner may take.
    if (path.startsWith('test/') || used.has(`${path} *`)) return []
    const dead = exports.filter((name) => !used.has(`${path} ${name}`))
    return dead.map((name) => ({ rule: 'export', file: path, message: `no other file imports ${name}` }))
  })
}

const findLongFiles: Rule = (sources) =>
  sources
    .filter(({ lines }) => lines > MAX_FILE_LINES)
    .map(({ path, lines }) => ({
      rule: 'length',
      file: path,
      message: `a file of ${lines} lines, better at most ${MAX_FILE_LINES}`,
      warning: true,
    }))
