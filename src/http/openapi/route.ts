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

/** A route as `app.ts` registers it. */
export type Route = RouteOptions

/** Gives a route's handler the types of its schema, and forgets them again for whoever registers it. */
export function defineRoute<const Schema extends FastifySchema>(route: TypedRoute<Schema>): Route {
  return route as unknown as Route
}
