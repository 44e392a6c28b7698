/** What can be asked of the emulated service; `unknown` is any path that is none of the others. */
export const OPERATIONS = [
  'create',
  'list',
  'latest',
  'detail',
  'result',
  'logs',
  'dashboard',
  'pause',
  'resume',
  'upload-init',
  'upload-url',
  'part',
  'file',
  'package-info',
  'unknown',
] as const
export type Operation = (typeof OPERATIONS)[number]

const WRITES: ReadonlySet<Operation> = new Set(['create', 'pause', 'resume', 'upload-init', 'part'])

/** Whether an operation changes something: faults tell by it whether a request is processed first. */
export function isWrite(operation: Operation): boolean {
  return WRITES.has(operation)
}

export function isOperation(value: unknown): value is Operation {
  return OPERATIONS.some((operation) => operation === value)
}
