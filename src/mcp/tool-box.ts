import type { Scope } from '../domain/caller.ts'
import type { RequestContext } from '../services/caller.ts'
import type { Tasks } from '../services/tasks.ts'
import { createFileTools, type UploadBytes } from './file-tools.ts'
import { type FunctionCatalog, toFunctionTool } from './function-tools.ts'
import { createRunTools, type RunToolParts } from './run-tools.ts'
import { createQueueTools, createTaskTools } from './task-tools.ts'
import type { Tool } from './tool.ts'

/** The tools of a caller: those its scopes allow, and a tool for each function it may run. */
export type ToolBox = {
  list(context: RequestContext): Promise<Tool[]>
  /** The tool of that name, if the caller may call it. */
  find(context: RequestContext, name: string): Promise<Tool | undefined>
}

export type ToolBoxParts = RunToolParts & {
  tasks: Tasks
  /** Left out: there is no upload_file. */
  upload?: UploadBytes
  /** Left out: there are no tools of functions. */
  functions?: FunctionCatalog
}

const FUNCTION_SCOPE: Scope = 'run'

export function createToolBox(parts: ToolBoxParts): ToolBox {
  const { tasks, upload, functions } = parts
  const fixed = [
    ...createRunTools(parts),
    ...createTaskTools(tasks),
    ...createQueueTools(tasks),
    ...(upload === undefined ? [] : createFileTools(upload)),
  ]
  const names = new Set(fixed.map(({ name }) => name))
  const has = ({ caller }: RequestContext, scope: Scope) => caller.rules.scopes.has(scope)
  const functionTools = async (context: RequestContext): Promise<Tool[]> => {
    if (functions === undefined || !has(context, FUNCTION_SCOPE)) return []
    const described = await functions.list(context)
    return described
      .filter(({ name }) => !names.has(name))
      .map((description) => toFunctionTool(parts, functions, description))
  }
  return {
    list: async (context) => [
      ...fixed.filter(({ scope }) => has(context, scope)),
      ...(await functionTools(context)),
    ],
    find: async (context, name) => {
      const tool = fixed.find((candidate) => candidate.name === name)
      if (tool !== undefined) return has(context, tool.scope) ? tool : undefined
      return (await functionTools(context)).find((candidate) => candidate.name === name)
    },
  }
}
