import { createHash } from 'node:crypto'
import { type ByteText, rawMembers } from './raw-json.ts'

/** How a task ends. `resultData` is JSON text; undefined leaves it out of the result. */
export type Outcome =
  | {
      readonly status: 'success'
      readonly resultData: ByteText | undefined
      readonly resultURL: string | null
    }
  | { readonly status: 'failed'; readonly error: string | null }

/** What a block does once its task is released. */
export type BlockPlan =
  | { readonly kind: 'ends'; readonly afterMs: number; readonly outcome: Outcome }
  /** Runs until a test finishes it. */
  | { readonly kind: 'holds' }
  /** Real work, begun when the task is released. */
  | { readonly kind: 'works'; work(signal: AbortSignal): Promise<Outcome> }

/** The inputs of a task: parsed, as the text that was sent, and that text member by member. */
export type BlockInputs = {
  readonly values: Readonly<Record<string, unknown>>
  readonly text: ByteText
  readonly members: ReadonlyMap<string, ByteText>
}

type BlockRun = (inputs: BlockInputs) => BlockPlan

/** An input or output as the registry describes it. */
export type HandleDef = {
  handle: string
  description?: string
  json_schema?: Record<string, unknown>
  nullable?: boolean
  value?: unknown
}

export type EmulatedBlock = {
  blockName: string
  title?: string
  description?: string
  inputHandleDefs: HandleDef[]
  outputHandleDefs: HandleDef[]
  /** Left out: the block ends at once and returns its inputs. */
  run?: BlockRun
}

/** One version of a package. The version published last is `latest`. */
export type EmulatedPackage = {
  packageName: string
  packageVersion: string
  title?: string
  description?: string
  blocks: EmulatedBlock[]
}

/** A block that can be run, and what tasks say about it. */
export type PublishedBlock = {
  readonly packageName: string
  readonly packageVersion: string
  readonly packageID: string
  readonly workloadID: string
  readonly blockName: string
  readonly run: BlockRun
}

export type PackageShelf = {
  publish(pkg: EmulatedPackage): void
  /** `version` may be `latest`. */
  find(name: string, version: string): EmulatedPackage | undefined
  findBlock(pkg: EmulatedPackage, blockName: string): PublishedBlock | undefined
}

export function createPackageShelf(): PackageShelf {
  const versions = new Map<string, Map<string, EmulatedPackage>>()
  const blocks = new Map<string, PublishedBlock>()

  function publish(pkg: EmulatedPackage): void {
    const known = versions.get(pkg.packageName) ?? new Map<string, EmulatedPackage>()
    known.delete(pkg.packageVersion)
    versions.set(pkg.packageName, known.set(pkg.packageVersion, pkg))
    for (const block of pkg.blocks) {
      const published = toPublished(pkg, block)
      blocks.set(published.workloadID, published)
    }
  }

  return {
    publish,
    find(name, version) {
      const known = versions.get(name)
      return version === 'latest' ? [...(known?.values() ?? [])].at(-1) : known?.get(version)
    },
    findBlock(pkg, blockName) {
      return pkg.blocks.some((block) => block.blockName === blockName)
        ? blocks.get(toWorkloadID(pkg, blockName))
        : undefined
    },
  }
}

function toPublished(pkg: EmulatedPackage, block: EmulatedBlock): PublishedBlock {
  return {
    packageName: pkg.packageName,
    packageVersion: pkg.packageVersion,
    packageID: `${pkg.packageName}@${pkg.packageVersion}`,
    workloadID: toWorkloadID(pkg, block.blockName),
    blockName: block.blockName,
    run: block.run ?? returnInputs,
  }
}

/** The same block of the same version always has the same workload id. */
function toWorkloadID(pkg: EmulatedPackage, blockName: string): string {
  return toUUID(`${pkg.packageName}\n${pkg.packageVersion}\n${blockName}`)
}

/** A stable UUID for a text. */
export function toUUID(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}

/** Reads the inputs of a task from the raw text of `inputValues`. */
export function toBlockInputs(values: Record<string, unknown>, text: ByteText): BlockInputs {
  return { values, text, members: rawMembers(text) }
}

/** One object of outputs, as JSON text. */
export function success(outputs: ByteText): Outcome {
  return { status: 'success', resultData: `[${outputs}]`, resultURL: null }
}

export function endsWith(outcome: Outcome, afterMs = 0): BlockPlan {
  return { kind: 'ends', afterMs, outcome }
}

function returnInputs(inputs: BlockInputs): BlockPlan {
  return endsWith(success(inputs.text))
}
