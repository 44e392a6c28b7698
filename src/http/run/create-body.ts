import { Type } from 'typebox'
import type { CreateRequest } from '../../domain/create-request.ts'
import { type JsonObject, memberBytes } from '../../domain/json.ts'
import { toDirectCreate } from '../../services/runs/direct-create.ts'
import { createBodyCheck, readJsonObject } from '../body/json-body.ts'
import type { HttpExchange } from '../request/http-exchange.ts'
import { fingerprintOf } from '../request/idempotency-key.ts'
import type { PreparedCreate } from './run-and-answer.ts'

const NAMES = {
  packageName: Type.String({ description: '@acme/ocr' }),
  packageVersion: Type.String({ description: '1.4.0, or latest' }),
  blockName: Type.String(),
  inputValues: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
}

/** The body of `POST /run` and `POST /tasks`. */
export const RunBody = Type.Object(
  { type: Type.Optional(Type.Literal('serverless')), ...NAMES },
  { additionalProperties: false },
)

/** The body of the native create: upstream's own, of the one type that is documented. */
export const NativeCreateBody = Type.Object({ type: Type.Literal('serverless'), ...NAMES })

const checkRunBody = createBodyCheck(RunBody)
const checkNativeBody = createBodyCheck(NativeCreateBody)

/** A create from a simplified body: its inputs go upstream byte for byte. Throws `invalid_request`. */
export function toSimplifiedCreate(body: JsonObject): CreateRequest {
  const { packageName, packageVersion, blockName } = checkRunBody(body)
  const inputValues = memberBytes(body, 'inputValues')
  return toDirectCreate({ packageName, packageVersion, blockName, inputValues })
}

/** A create from a native body: all of it goes upstream byte for byte. Throws `invalid_request`. */
export function toNativeCreate(body: JsonObject): CreateRequest {
  const { packageName, packageVersion, blockName } = checkNativeBody(body)
  const inputValues = memberBytes(body, 'inputValues')
  return toDirectCreate({ packageName, packageVersion, blockName, inputValues, body: body.bytes })
}

/** The create that a JSON body of at most `limitBytes` asks for; `toCreate` knows its form. Throws 400, 408, 413 or 415. */
export async function readCreate(
  { request, reply }: HttpExchange,
  limitBytes: number,
  toCreate: (body: JsonObject) => CreateRequest,
): Promise<PreparedCreate> {
  const body = await readJsonObject(request, reply, limitBytes)
  return { create: toCreate(body), fingerprint: fingerprintOf(request, body.bytes) }
}
