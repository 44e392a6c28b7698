import type { BlockSchema } from '../../domain/block-schema.ts'
import { type CreateRequest, toCreateRequest } from '../../domain/create-request.ts'
import { describeFunction, type FunctionDescription } from '../../domain/function-description.ts'
import { findFixedInputs, mergeInputs, toConfiguredInputs } from '../../domain/function-inputs.ts'
import { findInputIssues } from '../../domain/input-check.ts'
import type { Issue } from '../../domain/issue.ts'
import type { JsonObject } from '../../domain/json.ts'
import type { FunctionConfig } from '../../domain/named-function.ts'
import { isFunctionAllowed } from '../../domain/patterns.ts'
import { GatewayError } from '../../errors.ts'
import type { CallerRegistry } from '../callers/caller-registry.ts'
import type { Caller, RequestContext } from '../callers/request-context.ts'
import { requireFunction } from '../callers/rules.ts'
import type { ServiceLog } from '../service-log.ts'
import type { PackageCache } from './package-cache.ts'

/** One warning per function in this time says that its inputs are not validated. */
const WARN_EVERY_MS = 60_000

type CallerContext = Pick<RequestContext, 'caller'>

/** The named functions, each for the callers that may run it. */
export type NamedFunctions = {
  /** Throws `not_found` or `function_denied`. */
  require(context: CallerContext, name: string): FunctionConfig
  /** The functions that the caller may run, in the order of the configuration. */
  list(context: CallerContext): Promise<FunctionDescription[]>
  /** Throws `not_found` or `function_denied`. */
  describe(context: CallerContext, name: string): Promise<FunctionDescription>
  /** The block behind a function, undefined while the registry is unavailable. Throws as `require`. */
  blockOf(context: CallerContext, name: string): Promise<BlockSchema | undefined>
  /**
   * The create of a run. The bytes of the caller's `inputs` go upstream as they are, to the exact version they
   * were validated against. Issues with the inputs are in `inputProblems`. Throws as `require`.
   */
  prepare(context: CallerContext, name: string, inputs: JsonObject): Promise<CreateRequest>
}

type NamedFunctionsDeps = {
  /** Read again for each request, so that a reload takes effect. */
  callerRegistry: Pick<CallerRegistry, 'current'>
  packageCache: PackageCache
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  log: ServiceLog
}

/** A function with the exact version to run and the block to validate against, as far as they are known. */
type Resolved = { config: FunctionConfig; packageVersion: string; block: BlockSchema | undefined }

export function createNamedFunctions(deps: NamedFunctionsDeps): NamedFunctions {
  const { callerRegistry, packageCache, monotonicNow, log } = deps
  const functions = () => callerRegistry.current().functions
  const warnings = createWarnings(log, monotonicNow)

  const require = ({ caller }: CallerContext, name: string): FunctionConfig => {
    const config = functions().find((candidate) => candidate.name === name)
    if (config === undefined) throw new GatewayError({ code: 'not_found', what: 'function' })
    requireFunction(caller, name)
    return config
  }
  const resolve = async (caller: Caller, config: FunctionConfig): Promise<Resolved> => {
    const found = await packageCache.find(caller, config)
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

function findProblems({ config, block }: Resolved, inputs: JsonObject): Issue[] {
  const fixed = findFixedInputs(config, inputs)
  if (block === undefined) return fixed
  const present = new Set([...Object.keys(config.inputs), ...Object.keys(config.fixed)])
  // An issue with a fixed input would reveal its value.
  const own = inputs.members.filter(({ name }) => !Object.hasOwn(config.fixed, name))
  return [...fixed, ...findInputIssues(block, { ...inputs, members: own }, present)]
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

/** Warnings about functions for the operator, limited in number. */
type Warnings = {
  /** Inputs are not validated, because the registry is unavailable or does not know the block. */
  unchecked(config: FunctionConfig, isRegistryAway: boolean): void
  /** Validates the configured values, once per version of the block. */
  configuration(config: FunctionConfig, block: BlockSchema): void
}

function createWarnings(log: ServiceLog, monotonicNow: () => number): Warnings {
  const uncheckedAtMs = new Map<string, number>()
  const checked = new WeakMap<FunctionConfig, BlockSchema>()
  return {
    unchecked: ({ name }, isRegistryAway) => {
      const lastMs = uncheckedAtMs.get(name) ?? Number.NEGATIVE_INFINITY
      if (monotonicNow() - lastMs < WARN_EVERY_MS) return
      uncheckedAtMs.set(name, monotonicNow())
      const why = isRegistryAway ? 'the registry is away' : 'its package has no such block'
      log.warn({ function: name }, `inputs are not validated: ${why}`)
    },
    configuration: (config, block) => {
      if (checked.get(config) === block) return
      checked.set(config, block)
      const settable = new Set(block.inputs.keys())
      const errors = findInputIssues(block, toConfiguredInputs(config), settable)
      if (errors.length === 0) return
      log.warn({ function: config.name, errors }, 'values of the configuration do not fit the function')
    },
  }
}
