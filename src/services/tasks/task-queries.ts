import { Type } from 'typebox'
import { WORKLOAD_ID_PATTERN } from '../../domain/names.ts'

/** Most tasks in a page of a list, and most workloads in one request for their latest tasks: upstream's bounds. */
export const MAX_PAGE_SIZE = 100
export const MAX_WORKLOADS = 50

/** Visible ASCII, so that a filter fits into a URL and a log whatever it means. */
const Filter = (description: string) =>
  Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,2048}$', description }))

/**
 * The members of a list query that HTTP and MCP share. `size` is missing: it is a text in a URL and a number in
 * the arguments of a tool.
 */
export const LIST_FILTERS = {
  nextToken: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,4096}$',
      description: 'The nextToken of the previous page.',
    }),
  ),
  status: Filter('Only tasks of this status: queued, scheduling, scheduled, running, success, failed.'),
  taskType: Type.Optional(Type.Union([Type.Literal('user'), Type.Literal('shared')])),
  workload: Type.Optional(Type.Literal('serverless')),
  workloadID: Filter('Only tasks of this workload.'),
  packageID: Filter('Only tasks of this package.'),
}

export const WorkloadID = Type.String({ pattern: WORKLOAD_ID_PATTERN })
