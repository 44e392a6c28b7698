import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Answer, errorAnswer, send } from './answers.ts'
import type { Fault } from './faults.ts'
import { type EmulatedCall, misbehave } from './misbehave.ts'

/** Longer than clients keep a connection, so that no request meets one that is being closed. */
const KEEP_ALIVE_MS = 75_000
/** Ten thousand clients may connect at once. */
const BACKLOG = 4096

/** Answers a request correctly, or as a fault says. An error here never ends the process. */
export function serve(fault: Fault | undefined, call: EmulatedCall): void {
  const { response } = call
  if (fault !== undefined) {
    misbehave(fault, call).catch(() => response.destroy())
    return
  }
  try {
    const answer = call.process()
    if (answer instanceof Promise) answer.then((late) => send(response, late)).catch(() => response.destroy())
    else send(response, answer)
  } catch {
    send(response, EMULATOR_FAULT)
  }
}

const EMULATOR_FAULT: Answer = errorAnswer(500, 'the emulator failed on this request')

/** The raw path and the query of a request's target. */
export function splitTarget(request: IncomingMessage): { path: string; query: string } {
  const target = request.url ?? ''
  const mark = target.indexOf('?')
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** Reads a body whole. `done` is called once; with undefined when it is too large or the client has gone. */
export function readBody(request: IncomingMessage, limit: number, done: (body?: Buffer) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  function finish(body?: Buffer): void {
    request.off('data', take).off('end', complete).off('close', finish)
    done(body)
  }
  function take(chunk: Buffer): void {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes > limit) finish()
  }
  function complete(): void {
    finish(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes))
  }
  request.on('data', take).on('end', complete).on('close', finish)
}

/** Reads the rest of a body without keeping it; ends also when the client goes. */
export function drainBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.complete || request.destroyed) return resolve()
    request.once('end', resolve).once('close', resolve).resume()
  })
}

export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** Starts listening; gives the server's base URL as this machine reaches it. */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return `http://${toReachable(host)}:${(server.address() as AddressInfo).port}`
}

function toReachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** Closes a server and, at once, all of its connections. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
