import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  ContextConfigDefault,
  FastifySchema,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
  RouteGenericInterface,
  RouteOptions,
} from 'fastify'

type TypedRoute<Schema extends FastifySchema> = RouteOptions<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  RouteGenericInterface,
  ContextConfigDefault,
  Schema,
  TypeBoxTypeProvider
>

/** The path and the tag of a route that both surfaces have, simplified and native. */
export type RouteAddress<Tag extends string> = { url: string; tag: Tag | 'native' }

/** A route as `app.ts` registers it. */
export type Route = RouteOptions

/** Types a route's handler by its schema, and drops the types again so that all routes have one type. */
export function defineRoute<const Schema extends FastifySchema>(route: TypedRoute<Schema>): Route {
  return route as unknown as Route
}
