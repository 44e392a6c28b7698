import { toFunctionInputs } from '../../domain/function-inputs.ts'
import type { JsonObject } from '../../domain/json.ts'
import { GatewayError } from '../../errors.ts'
import type { NamedFunctions } from '../../services/functions/functions.ts'
import type { RunEvents } from '../answer/run-events.ts'
import { receiveForm } from '../body/form.ts'
import type { HttpExchange } from '../request/caller-of.ts'
import { fingerprintOf, idempotencyKeyOf } from '../request/idempotency-key.ts'
import type { RunFormDeps } from './run-form.ts'

const SIZE_FIELD = 'size'

/**
 * The inputs of a function out of a form: text fields typed by its schema, each file as its URL. Every upload
 * is complete when this resolves; `events` tells of them. Throws `GatewayError`.
 */
export async function receiveFunctionForm(
  { functions, uploads }: Omit<RunFormDeps, 'maxBodyBytes'> & { functions: NamedFunctions },
  name: string,
  exchange: HttpExchange,
  events: RunEvents | undefined,
): Promise<{ inputs: JsonObject; fingerprint: string }> {
  const block = await functions.blockOf(exchange.context, name)
  const form = await receiveForm(exchange, {
    uploads,
    // An input of that name is an input: sizes are then declared by the header alone.
    sizeField: block?.inputs.has(SIZE_FIELD) ? null : SIZE_FIELD,
    hash: idempotencyKeyOf(exchange.request) !== undefined,
    onProgress: (progress) => events?.send('upload', progress),
  })
  const texts = form.fields.map((field) => ({ name: field.name, text: field.value.toString('utf8') }))
  const toInputs = (files: readonly { name: string; url: string }[]): JsonObject => {
    const made = toFunctionInputs([...texts, ...files], block)
    if ('inputs' in made) return made.inputs
    const detail = 'The fields are not as the function takes them.'
    throw new GatewayError({ code: 'invalid_request', detail, errors: made.problems })
  }
  // What is wrong with the rest of the form is known before its files have URLs: so nobody has to finish those.
  toInputs(form.fileFields.map((field) => ({ name: field, url: '' })))
  const files = await form.finalise()
  const inputs = toInputs(files.map(({ field, url }) => ({ name: field, url })))
  return { inputs, fingerprint: fingerprintOf(exchange.request, form.sha256 ?? '') }
}
