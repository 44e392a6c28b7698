import type { Uploads } from '../../services/files/uploads.ts'
import type { RunEvents } from '../answer/run-events.ts'
import { type Form, type FormFile, type FormOptions, receiveForm } from '../body/form.ts'
import type { HttpExchange } from '../request/http-exchange.ts'
import { fingerprintOf, idempotencyKeyOf } from '../request/idempotency-key.ts'

/** A file of a form by the URL it was uploaded to. */
export type FileUrl = Pick<FormFile, 'field' | 'url'>

type FormBuildOptions = Pick<FormOptions, 'sizeField' | 'valueLimits'> & {
  uploads: Uploads
  /** Where the progress of uploads is sent; undefined when the caller does not follow events. */
  events: RunEvents | undefined
}

/**
 * Receives a form and builds what it asks for out of its fields and the URLs of its files. Every upload is
 * complete when this resolves. `build` throws `GatewayError` for a form that is wrong; it is called before the
 * files have URLs as well, so that a form that is refused leaves no finished uploads behind.
 */
export async function buildFromForm<T>(
  exchange: HttpExchange,
  { events, ...options }: FormBuildOptions,
  build: (fields: Form['fields'], files: readonly FileUrl[]) => T,
): Promise<{ built: T; fingerprint: string }> {
  const form = await receiveForm(exchange, {
    ...options,
    hash: idempotencyKeyOf(exchange.request) !== undefined,
    onProgress: (progress) => events?.send('upload', progress),
  })
  build(
    form.fields,
    form.fileFields.map((field) => ({ field, url: '' })),
  )
  const built = build(form.fields, await form.finalise())
  return { built, fingerprint: fingerprintOf(exchange.request, form.sha256 ?? '') }
}
