import { toFunctionInputs } from '../../domain/function-inputs.ts'
import type { JsonObject } from '../../domain/json.ts'
import { GatewayError } from '../../errors.ts'
import type { Uploads } from '../../services/files/uploads.ts'
import type { NamedFunctions } from '../../services/functions/functions.ts'
import type { RunEvents } from '../answer/run-events.ts'
import type { HttpExchange } from '../request/http-exchange.ts'
import { buildFromForm } from './form-build.ts'

const SIZE_FIELD = 'size'

/**
 * The inputs of a function out of a form: text fields typed by its schema, each file as its URL. Every upload
 * is complete when this resolves; `events` gets their progress. Throws `GatewayError`.
 */
export async function receiveFunctionForm(
  { functions, uploads }: { functions: NamedFunctions; uploads: Uploads },
  name: string,
  exchange: HttpExchange,
  events: RunEvents | undefined,
): Promise<{ inputs: JsonObject; fingerprint: string }> {
  const block = await functions.blockOf(exchange.context, name)
  // An input of that name is an input: sizes are then declared by the header alone.
  const sizeField = block?.inputs.has(SIZE_FIELD) ? null : SIZE_FIELD
  const { built, fingerprint } = await buildFromForm(
    exchange,
    { uploads, events, sizeField },
    (fields, files) => {
      const texts = fields.map(({ name, value }) => ({ name, text: value.toString('utf8') }))
      const urls = files.map(({ field, url }) => ({ name: field, url }))
      const made = toFunctionInputs([...texts, ...urls], block)
      if ('inputs' in made) return made.inputs
      const detail = 'Change the fields that errors lists: they do not fit the function.'
      throw new GatewayError({ code: 'invalid_request', detail, errors: made.issues })
    },
  )
  return { inputs: built, fingerprint }
}
