import type { CreateRequest } from '../../domain/create-request.ts'
import type { Issue } from '../../domain/issue.ts'
import { type JsonMember, type JsonObject, joinMembers, toJsonBytes } from '../../domain/json.ts'
import { GatewayError } from '../../errors.ts'
import type { Uploads } from '../../services/files/uploads.ts'
import type { RunEvents } from '../answer/run-events.ts'
import type { FormField } from '../body/form.ts'
import { parseSentObject } from '../body/json-body.ts'
import type { HttpExchange } from '../request/http-exchange.ts'
import { toSimplifiedCreate } from './create-body.ts'
import { buildFromForm, type FileUrl } from './form-build.ts'
import type { PreparedCreate } from './run-and-answer.ts'

const INPUTS_FIELD = 'inputValues'
const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'packageName', 'packageVersion', 'blockName'])

/** What a run's form is read with; `maxBodyBytes` is the limit of its JSON. */
export type RunFormDeps = { uploads: Uploads; maxBodyBytes: number }

/**
 * The create of a run out of a form: text fields as `POST /run` has members, each file's URL as the input of
 * its field's name. Every upload is complete when this resolves; `events` gets their progress.
 */
export async function receiveRunForm(
  { uploads, maxBodyBytes }: RunFormDeps,
  exchange: HttpExchange,
  events: RunEvents | undefined,
): Promise<PreparedCreate> {
  const options = { uploads, events, valueLimits: { [INPUTS_FIELD]: maxBodyBytes } }
  const { built, fingerprint } = await buildFromForm(exchange, options, toCreate)
  return { create: built, fingerprint }
}

/** Makes the body that `POST /run` would have had as JSON. */
function toCreate(fields: readonly FormField[], files: readonly FileUrl[]): CreateRequest {
  const { members, inputs } = checkFields(fields)
  const body = joinMembers([...members, { name: INPUTS_FIELD, bytes: addFiles(inputs, files) }])
  return toSimplifiedCreate(parse(body, ''))
}

/** The text fields of a run's form: members of its body, and the inputs. */
function checkFields(fields: readonly FormField[]): { members: JsonMember[]; inputs: JsonObject } {
  const issues: Issue[] = []
  const members = new Map<string, Buffer>()
  for (const { name, value } of fields) {
    if (name !== INPUTS_FIELD && !TEXT_FIELDS.has(name)) {
      issues.push({ path: name, message: 'is not a text field' })
    } else if (members.has(name)) issues.push({ path: name, message: 'appears more than once' })
    else members.set(name, name === INPUTS_FIELD ? value : toJsonBytes(value.toString('utf8')))
  }
  if (issues.length > 0) throw invalid(issues)
  const inputs = parse(members.get(INPUTS_FIELD) ?? Buffer.from('{}'), INPUTS_FIELD)
  members.delete(INPUTS_FIELD)
  return { members: [...members].map(([name, bytes]) => ({ name, bytes })), inputs }
}

/**
 * Inputs with the URLs of files among them, of several files under one name as an array; what was JSON
 * already stays as it is, byte for byte. Throws `invalid_request` when a name is both.
 */
function addFiles(inputs: JsonObject, files: readonly FileUrl[]): Buffer {
  const urls = new Map<string, string[]>()
  for (const { field, url } of files) urls.set(field, [...(urls.get(field) ?? []), url])
  const both = inputs.members.filter(({ name }) => urls.has(name))
  if (both.length > 0) {
    throw invalid(both.map(({ name }) => ({ path: name, message: 'is both a file and an input value' })))
  }
  const added = [...urls].map(([name, all]) => ({
    name,
    bytes: toJsonBytes(all.length === 1 ? all[0] : all),
  }))
  return joinMembers([...inputs.members, ...added])
}

function parse(bytes: Buffer, path: string): JsonObject {
  return parseSentObject(bytes, (message) => invalid([{ path, message }]))
}

function invalid(errors: Issue[]): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail: 'Invalid form.', errors })
}
