import type { Issue } from './issue.ts'
import { isBlockName, isPackageName, isPackageVersion } from './names.ts'

declare const namesChecked: unique symbol

/**
 * A task to create: what rules are asked about and what is sent, made from the same bytes. Made by
 * `toCreateRequest` alone, so its names are valid: rules and upstream can't read them differently.
 */
export type CreateRequest = CreateParts & {
  /** The whole create body as it goes upstream. */
  readonly body: Buffer
  readonly [namesChecked]: true
}

export type CreateParts = {
  readonly packageName: string
  readonly packageVersion: string
  readonly blockName: string
  /** The bytes of the member of that name, a JSON object. */
  readonly inputValues: Buffer | undefined
  /** The body as the caller wrote it; left out, it is made of the other parts. */
  readonly body?: Buffer
  /** The named function that this is a run of; rules are asked about the function then, not the package. */
  readonly functionName?: string
  /**
   * What is wrong with the inputs, if they were checked already; a create with any is refused. Not thrown at
   * once: a repeat of a create gets its task, even if the block has changed and refuses these inputs today.
   */
  readonly inputProblems?: readonly Issue[]
}

/** A create with names that are not valid. `issues` have JSON Pointers into the create body. */
export class CreateRequestError extends Error {
  override readonly name = 'CreateRequestError'
  readonly issues: readonly Issue[]

  constructor(issues: readonly Issue[]) {
    super('a create has names that are not valid')
    this.issues = issues
  }
}

/** A create from its parts; inputs, or the whole body, are passed on byte for byte. Throws `CreateRequestError`. */
export function toCreateRequest(parts: CreateParts): CreateRequest {
  const issues = findNameIssues(parts)
  if (issues.length > 0) throw new CreateRequestError(issues)
  return { ...parts, body: parts.body ?? toBody(parts) } as CreateRequest
}

function findNameIssues({ packageName, packageVersion, blockName }: CreateParts) {
  const issues: Issue[] = []
  if (!isPackageName(packageName))
    issues.push({ path: '/packageName', message: 'must be a package name such as @acme/pdf' })
  if (!isPackageVersion(packageVersion))
    issues.push({ path: '/packageVersion', message: 'must be a version such as 1.4.0, or latest' })
  if (!isBlockName(blockName)) issues.push({ path: '/blockName', message: 'must be a block name' })
  return issues
}

function toBody({ packageName, packageVersion, blockName, inputValues }: CreateParts): Buffer {
  const head = JSON.stringify({ type: 'serverless', packageName, packageVersion, blockName })
  if (inputValues === undefined) return Buffer.from(head)
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"inputValues":`), inputValues, Buffer.from('}')])
}
