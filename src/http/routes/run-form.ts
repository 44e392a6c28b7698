import { JsonError, type JsonObject, parseJsonObject } from '../../domain/json.ts'
import { GatewayError, type Issue } from '../../errors.ts'
import type { RunEvents } from '../answer/run-events.ts'
import { type Form, type FormFile, type FormOptions, receiveForm } from '../body/form.ts'
import type { HttpExchange } from '../request/caller-of.ts'
import { fingerprintOf, idempotencyKeyOf } from '../request/idempotency-key.ts'
import { toSimplifiedCreate } from './create-body.ts'
import type { PreparedCreate } from './run-and-answer.ts'

const INPUTS_FIELD = 'inputValues'
const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'packageName', 'packageVersion', 'blockName'])

/** What a run's form is read with; `maxBodyBytes` is the limit of its JSON. */
export type RunFormDeps = Pick<FormOptions, 'uploads'> & { maxBodyBytes: number }

/**
 * The create of a run out of a form: text fields as `POST /run` has members, each file's URL as the input of
 * its field's name. Every upload is complete when this resolves; `events` tells of them.
 */
export async function receiveRunForm(
  { uploads, maxBodyBytes }: RunFormDeps,
  exchange: HttpExchange,
  events: RunEvents | undefined,
): Promise<PreparedCreate> {
  const form = await receiveForm(exchange, {
    uploads,
    valueLimits: { [INPUTS_FIELD]: maxBodyBytes },
    hash: idempotencyKeyOf(exchange.request) !== undefined,
    onProgress: (progress) => events?.send('upload', progress),
  })
  const draft = checkFields(form)
  // What is wrong with the rest of the run is known before its files are: so nobody has to finish those.
  const unnamed = form.fileFields.map((field) => ({ field, url: '' }))
  toSimplifiedCreate(toRunBody(draft, toInputs(draft.inputs, unnamed)))
  const create = toSimplifiedCreate(toRunBody(draft, toInputs(draft.inputs, await form.finalise())))
  return { create, fingerprint: fingerprintOf(exchange.request, form.sha256 ?? '') }
}

/** The text fields of a run's form: JSON texts of the names, and the inputs. */
type Draft = { members: [name: string, json: Buffer][]; inputs: JsonObject }

function checkFields({ fields }: Form): Draft {
  const issues: Issue[] = []
  const members = new Map<string, Buffer>()
  for (const { name, value } of fields) {
    if (name !== INPUTS_FIELD && !TEXT_FIELDS.has(name))
      issues.push({ path: name, message: 'is no text field' })
    else if (members.has(name)) issues.push({ path: name, message: 'stands twice' })
    else members.set(name, name === INPUTS_FIELD ? value : toJson(value.toString('utf8')))
  }
  if (issues.length > 0) throw invalid(issues)
  const inputs = parse(members.get(INPUTS_FIELD) ?? Buffer.from('{}'), INPUTS_FIELD)
  members.delete(INPUTS_FIELD)
  return { members: [...members], inputs }
}

/** The body that `POST /run` would have had as JSON. */
function toRunBody({ members }: Draft, inputs: Buffer): JsonObject {
  return parse(toObject([...members, [INPUTS_FIELD, inputs]]), '')
}

/**
 * Inputs with the URLs of files among them, of several files under one name as an array; what was JSON
 * already stays as it is, byte for byte. Throws `invalid_request` when a name is both.
 */
function toInputs(inputs: JsonObject, files: readonly Pick<FormFile, 'field' | 'url'>[]): Buffer {
  const urls = new Map<string, string[]>()
  for (const { field, url } of files) urls.set(field, [...(urls.get(field) ?? []), url])
  const twice = inputs.members.filter(({ name }) => urls.has(name))
  if (twice.length > 0) {
    throw invalid(twice.map(({ name }) => ({ path: name, message: 'is both a file and an input value' })))
  }
  return toObject([
    ...inputs.members.map(({ name, bytes }): [string, Buffer] => [name, bytes]),
    ...[...urls].map(([name, all]): [string, Buffer] => [name, toJson(all.length === 1 ? all[0] : all)]),
  ])
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function toObject(members: readonly [name: string, json: Buffer][]): Buffer {
  const parts = members.flatMap(([name, json], index) => [
    Buffer.from(`${index === 0 ? '' : ','}${JSON.stringify(name)}:`),
    json,
  ])
  return Buffer.concat([Buffer.from('{'), ...parts, Buffer.from('}')])
}

function parse(bytes: Buffer, path: string): JsonObject {
  try {
    return parseJsonObject(bytes)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw invalid([{ path, message: error.message }])
  }
}

function invalid(errors: Issue[]): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail: 'The form is not as documented.', errors })
}
