/**
 * A task to create: what is checked and what is sent, made from the same bytes. `body` is the whole
 * create body as it goes upstream; `inputValues` the bytes of its member of that name.
 */
export type CreateRequest = {
  packageName: string
  packageVersion: string
  blockName: string
  inputValues: Buffer | undefined
  body: Buffer
  /** The named function this is a run of; set by services/functions.ts alone: it is then what rules are asked about. */
  functionName?: string
  /**
   * What is wrong with the inputs, if they were looked at already; a create with any is refused. Not thrown at
   * once: the repeat of a create that was made is answered, whatever its inputs would be held against today.
   */
  inputProblems?: readonly { path: string; message: string }[]
}

/** A create from its parts; the inputs are passed on byte for byte. */
export function toCreateRequest(parts: Omit<CreateRequest, 'body'>): CreateRequest {
  const { packageName, packageVersion, blockName, inputValues } = parts
  const head = JSON.stringify({ type: 'serverless', packageName, packageVersion, blockName })
  const body =
    inputValues === undefined
      ? Buffer.from(head)
      : Buffer.concat([Buffer.from(`${head.slice(0, -1)},"inputValues":`), inputValues, Buffer.from('}')])
  return { ...parts, body }
}
