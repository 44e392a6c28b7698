import type { BlockSchema } from '../../domain/block-schema.ts'
import { type CreateRequest, toCreateRequest } from '../../domain/create-request.ts'
import { describeFunction, type FunctionDescription } from '../../domain/function-description.ts'
import { findFixedInputs, mergeInputs, toConfiguredInputs } from '../../domain/function-inputs.ts'
import { findInputProblems, type InputProblem } from '../../domain/input-check.ts'
import type { JsonObject } from '../../domain/json.ts'
import type { FunctionConfig } from '../../domain/named-function.ts'
import { isFunctionAllowed } from '../../domain/patterns.ts'
import { GatewayError } from '../../errors.ts'
import type { Caller, RequestContext } from '../callers/request-context.ts'
import { requireFunction } from '../callers/rules.ts'
import type { ServiceLog } from '../service-log.ts'
import type { PackageCache } from './package-cache.ts'

/** How often it is said of one function that its inputs are not checked. */
const WARN_EVERY_MS = 60_000

/** On whose behalf. */
type Asker = Pick<RequestContext, 'caller'>

/** The named functions, as each caller may use them. */
export type NamedFunctions = {
  /** Throws `not_found` or `function_denied`. */
  require(context: Asker, name: string): FunctionConfig
  /** Those the caller may run, in the order of the configuration. */
  list(context: Asker): Promise<FunctionDescription[]>
  /** Throws `not_found` or `function_denied`. */
  describe(context: Asker, name: string): Promise<FunctionDescription>
  /** The block behind a function, undefined while the registry is away. Throws as `require`. */
  blockOf(context: Asker, name: string): Promise<BlockSchema | undefined>
  /**
   * The create of a run. `inputs` is what the caller gave; its bytes go upstream as they are, in the very
   * version they were checked against; what is wrong with them is told in `inputProblems`. Throws as `require`.
   */
  prepare(context: Asker, name: string, inputs: JsonObject): Promise<CreateRequest>
}

export type NamedFunctionsDeps = {
  packageInfo: PackageCache
  now: () => number
  log: ServiceLog
}

/** What a function is run as: in which version, checked against what. */
type Resolved = { config: FunctionConfig; packageVersion: string; block: BlockSchema | undefined }

/** `functions` is asked anew by each request, so that a configuration can be changed under way. */
export function createNamedFunctions(
  functions: () => readonly FunctionConfig[],
  parts: NamedFunctionsDeps,
): NamedFunctions {
  const { packageInfo, now, log } = parts
  const warnings = new Warnings(log, now)

  const require = ({ caller }: Asker, name: string): FunctionConfig => {
    const config = functions().find((candidate) => candidate.name === name)
    if (config === undefined) throw new GatewayError({ code: 'not_found', what: 'function' })
    requireFunction(caller, name)
    return config
  }
  const resolve = async (caller: Caller, config: FunctionConfig): Promise<Resolved> => {
    const found = await packageInfo.find(caller, config)
    const block = found?.blocks.get(config.blockName)
    if (block === undefined) warnings.unchecked(config, found === undefined)
    else warnings.configuration(config, block)
    return { config, packageVersion: found?.packageVersion ?? config.packageVersion, block }
  }
  const describe = async (caller: Caller, config: FunctionConfig): Promise<FunctionDescription> => {
    const { packageVersion, block } = await resolve(caller, config)
    return describeFunction(config, packageVersion, block)
  }

  return {
    require,
    list: ({ caller }) => {
      const allowed = functions().filter(({ name }) => isFunctionAllowed(caller.rules.functions, name))
      return Promise.all(allowed.map((config) => describe(caller, config)))
    },
    describe: async (context, name) => describe(context.caller, require(context, name)),
    blockOf: async (context, name) => (await resolve(context.caller, require(context, name))).block,
    prepare: async (context, name, inputs) => {
      const resolved = await resolve(context.caller, require(context, name))
      return toCreate(resolved, inputs)
    },
  }
}

function findProblems({ config, block }: Resolved, inputs: JsonObject): InputProblem[] {
  const fixed = findFixedInputs(config, inputs)
  if (block === undefined) return fixed
  const present = new Set([...Object.keys(config.inputs), ...Object.keys(config.fixed)])
  // A fault of a fixed input would tell what it is.
  const own = inputs.members.filter(({ name }) => !Object.hasOwn(config.fixed, name))
  return [...fixed, ...findInputProblems(block, { ...inputs, members: own }, present)]
}

function toCreate(resolved: Resolved, inputs: JsonObject): CreateRequest {
  const { config, packageVersion } = resolved
  const { name: functionName, packageName, blockName } = config
  const inputValues = mergeInputs(config, inputs)
  const inputProblems = findProblems(resolved, inputs)
  return toCreateRequest({
    packageName,
    packageVersion,
    blockName,
    inputValues,
    functionName,
    inputProblems,
  })
}

/** What an operator is told of functions, not more often than it helps. */
class Warnings {
  readonly #log: ServiceLog
  readonly #now: () => number
  readonly #uncheckedAtMs = new Map<string, number>()
  readonly #looked = new WeakMap<FunctionConfig, BlockSchema>()

  constructor(log: ServiceLog, now: () => number) {
    this.#log = log
    this.#now = now
  }

  /** Inputs pass unchecked, because the registry is away or does not know the block. */
  unchecked({ name }: FunctionConfig, registryIsAway: boolean): void {
    const lastMs = this.#uncheckedAtMs.get(name) ?? Number.NEGATIVE_INFINITY
    if (this.#now() - lastMs < WARN_EVERY_MS) return
    this.#uncheckedAtMs.set(name, this.#now())
    const why = registryIsAway ? 'the registry is away' : 'its package has no such block'
    this.#log.warn({ function: name }, `inputs are not validated: ${why}`)
  }

  /** Once for each version: whether the values of the configuration are what the block takes. */
  configuration(config: FunctionConfig, block: BlockSchema): void {
    if (this.#looked.get(config) === block) return
    this.#looked.set(config, block)
    const settable = new Set(block.inputs.keys())
    const errors = findInputProblems(block, toConfiguredInputs(config), settable)
    if (errors.length === 0) return
    const details = { function: config.name, errors }
    this.#log.warn(details, 'values of the configuration do not fit the function')
  }
}
