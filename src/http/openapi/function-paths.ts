import type { FastifyInstance } from 'fastify'
import type { FunctionDescription } from '../../domain/function-description.ts'

type Document = ReturnType<FastifyInstance['swagger']>
type Json = Readonly<Record<string, unknown>>

const TEMPLATE_PATH = '/run/{function}'

/** The API description with an additional path for each named function. */
export function withFunctions(document: Document, functions: readonly FunctionDescription[]): Document {
  const paths = (document as { paths?: Json }).paths ?? {}
  const template = (paths[TEMPLATE_PATH] as { post?: Json } | undefined)?.post
  if (template === undefined) return document
  const added = functions.map((described) => [
    `/run/${described.name}`,
    { post: toOperation(template, described) },
  ])
  return { ...(document as object), paths: { ...paths, ...Object.fromEntries(added) } } as Document
}

/** The general operation with the schemas of one function. */
function toOperation(template: Json, described: FunctionDescription): Json {
  const { name, description, packageName, packageVersion, blockName, inputSchema, example } = described
  const parameters = (template.parameters ?? []) as readonly { in?: string }[]
  const origin = `Runs \`${blockName}\` of \`${packageName}\` ${packageVersion}.`
  return {
    ...template,
    summary: name,
    description: [description, origin, template.description].filter(Boolean).join('\n\n'),
    parameters: parameters.filter((parameter) => parameter.in !== 'path'),
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: inputSchema, example: example.inputs },
        // Fields follow the same schema; a file becomes its URL.
        'multipart/form-data': { schema: { type: 'object' } },
      },
    },
    responses: { ...(template.responses as Json), 200: toSuccess(template, described) },
  }
}

function toSuccess(template: Json, { outputSchema }: FunctionDescription): Json {
  const success = (template.responses as Record<string, Json>)['200'] ?? {}
  const content = success.content as Record<string, { schema: Json }> | undefined
  const schema = content?.['application/json']?.schema ?? {}
  // Upstream gives the outputs as an object or as a list with one object.
  const resultData = { anyOf: [{ type: 'array', items: outputSchema }, outputSchema] }
  const properties = { ...(schema.properties as Json), resultData }
  return { ...success, content: { 'application/json': { schema: { ...schema, properties } } } }
}
