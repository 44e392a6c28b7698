import type { Scope } from '../domain/caller.ts'
import type { FunctionDescription } from '../domain/function-description.ts'
import { toFailure } from '../errors.ts'
import type { RequestContext } from '../services/callers/request-context.ts'
import type { Uploads } from '../services/files/uploads.ts'
import type { Tasks } from '../services/tasks/tasks.ts'
import { createFileTools } from './file-tools.ts'
import { type FunctionCatalog, toFunctionTool } from './function-tools.ts'
import { createRunTools, type RunToolDeps } from './run-tools.ts'
import { createQueueTools, createTaskTools } from './task-tools.ts'
import type { Tool } from './tool.ts'

/** The tools of a caller: those its scopes allow, and a tool for each function it may run. */
export type ToolBox = {
  list(context: RequestContext): Promise<Tool[]>
  /** The tool of that name, if the caller may call it. */
  find(context: RequestContext, name: string): Promise<Tool | undefined>
}

export type ToolBoxDeps = RunToolDeps & {
  tasks: Tasks
  uploads: Uploads
  functions: FunctionCatalog
}

const FUNCTION_SCOPE: Scope = 'run'

export function createToolBox({ runs, waits, tasks, uploads, functions }: ToolBoxDeps): ToolBox {
  const fixed = [
    ...createRunTools({ runs, waits }),
    ...createTaskTools(tasks),
    ...createQueueTools(tasks),
    ...createFileTools(uploads),
  ]
  const names = new Set(fixed.map(({ name }) => name))
  const has = ({ caller }: RequestContext, scope: Scope) => caller.rules.scopes.has(scope)
  const toTool = (described: FunctionDescription) => toFunctionTool({ runs, waits }, functions, described)
  return {
    list: async (context) => {
      const allowed = fixed.filter(({ scope }) => has(context, scope))
      if (!has(context, FUNCTION_SCOPE)) return allowed
      const described = await functions.list(context)
      return [...allowed, ...described.filter(({ name }) => !names.has(name)).map(toTool)]
    },
    find: async (context, name) => {
      const tool = fixed.find((candidate) => candidate.name === name)
      if (tool !== undefined) return has(context, tool.scope) ? tool : undefined
      if (!has(context, FUNCTION_SCOPE)) return undefined
      const described = await functions.describe(context, name).catch(ifNotThere)
      return described && toTool(described)
    },
  }
}

/** A function that the caller may not run does not exist as a tool. */
function ifNotThere(error: unknown): undefined {
  const { code } = toFailure(error)
  if (code !== 'not_found' && code !== 'function_denied') throw error
}
