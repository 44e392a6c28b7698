import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { type Answer, bodyBytes, errorAnswer, headersOf, send } from './answers.ts'
import { type Fault, stageOf } from './faults.ts'
import type { Operation } from './operation-names.ts'
import { toByteText } from './raw-json.ts'

/** One request under way, and what a fault needs to treat it badly. */
export type EmulatedCall = {
  readonly operation: Operation
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Does what was asked and returns the right answer. */
  process(): Answer | Promise<Answer>
  /** Reads what is left of the body without using it. */
  drain(): Promise<void>
}

const HTML = '<!DOCTYPE html><html><body><h1>Bad Gateway</h1></body></html>'
const CHUNK = Buffer.alloc(64 * 1024, 'a')
/** libuv takes data and a reset that arrive together for an orderly end: the client must read the data first. */
const BEFORE_RESET_MS = 20
const FIRST_FINAL_STATUS = 200
const LAST_STATUS_OF_NODE = 999

/** Answers a request as the fault says. Ends when the client has its answer, or has gone. */
export async function misbehave(fault: Fault, call: EmulatedCall): Promise<void> {
  if (stageOf(fault, call.operation) === 'before-answer') {
    return spoil(fault, call, await call.process())
  }
  if (fault.kind === 'delay' || fault.kind === 'gate' || fault.kind === 'slow-read') {
    await hold(fault, call.response)
    if (!call.response.destroyed) send(call.response, await call.process())
    return
  }
  if (isReadFirst(fault)) await call.drain()
  return spoil(fault, call, errorAnswer(500, 'emulated fault'))
}

/** A refusal is sent after the body was read, as most services do; `early-answer` is there for the others. */
function isReadFirst(fault: Fault): boolean {
  return ['status', 'html', 'redirect', 'no-answer-close'].includes(fault.kind)
}

async function spoil(fault: Fault, { response }: EmulatedCall, answer: Answer): Promise<void> {
  switch (fault.kind) {
    case 'status':
      return sendStatus(response, fault)
    case 'early-answer':
      return send(response, errorAnswer(fault.status, `emulated status ${fault.status}`))
    case 'delay':
    case 'gate':
    case 'slow-read':
      await hold(fault, response)
      return send(response, answer)
    case 'hang':
      return
    case 'reset':
      return fault.when === 'mid-answer' ? resetMidway(response, answer) : reset(response)
    case 'no-answer-close':
      response.socket?.destroy()
      return
    case 'drip':
      return drip(response, answer, fault.intervalMs)
    case 'tiny-chunks':
      return sendTinyChunks(response, answer, fault.until)
    case 'huge':
      return sendHuge(response, fault.bytes)
    case 'endless-103':
      return hintForEver(response, fault.intervalMs)
    default:
      return send(response, spoilBody(fault, answer))
  }
}

/** Faults of the answer's content, in HTTP that is right. */
function spoilBody(fault: Fault, answer: Answer): Answer {
  switch (fault.kind) {
    case 'html':
      return { status: fault.status ?? 200, headers: { 'content-type': 'text/html' }, body: HTML }
    case 'truncated-json':
      return { ...answer, body: answer.body.slice(0, answer.body.length >> 1) }
    case 'invalid-json':
      return { ...answer, body: `${toByteText(bodyBytes(answer)).slice(0, -1)},nonsense` }
    case 'redirect':
      return { status: fault.status ?? 302, headers: { location: fault.location }, body: '' }
    case 'gzip':
      return {
        ...answer,
        headers: { ...answer.headers, 'content-encoding': 'gzip' },
        body: gzipSync(bodyBytes(answer)),
      }
    default:
      return answer
  }
}

/** Waits as the fault says, or until the client has gone. */
async function hold(
  fault: Extract<Fault, { kind: 'delay' | 'gate' | 'slow-read' }>,
  response: ServerResponse,
) {
  if (fault.kind === 'delay') return pause(response, fault.ms)
  await Promise.race([fault.until, new Promise((done) => response.once('close', done))])
}

/** A pause that ends early when the client goes, so that nothing outlives its connection. */
export function pause(response: ServerResponse, ms: number): Promise<void> {
  return new Promise((resolve) => {
    function end(): void {
      clearTimeout(timer)
      response.off('close', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    response.once('close', end)
  })
}

function sendStatus(response: ServerResponse, fault: Extract<Fault, { kind: 'status' }>): void {
  const { status, headers } = fault
  const body = fault.body ?? errorAnswer(status, `emulated status ${status}`).body
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  if (status >= FIRST_FINAL_STATUS && status <= LAST_STATUS_OF_NODE) {
    send(response, { status, headers: toLowerCase(headers), body: bytes })
  } else {
    sendRaw(response, { status, headers: toLowerCase(headers), body: bytes })
  }
}

/** For what Node refuses to write: the status line goes on the socket as it is. */
function sendRaw(response: ServerResponse, answer: Answer): void {
  const lines = Object.entries(headersOf(answer)).map(([name, value]) => `${name}: ${value}\r\n`)
  response.socket?.write(`HTTP/1.1 ${answer.status} Emulated\r\n${lines.join('')}connection: close\r\n\r\n`)
  response.socket?.end(answer.body)
}

function toLowerCase(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

async function resetMidway(response: ServerResponse, answer: Answer): Promise<void> {
  const bytes = bodyBytes(answer)
  response.writeHead(answer.status, headersOf(answer)).flushHeaders()
  response.write(bytes.subarray(0, bytes.length >> 1))
  await pause(response, BEFORE_RESET_MS)
  reset(response)
}

async function drip(response: ServerResponse, answer: Answer, intervalMs: number): Promise<void> {
  if (response.destroyed) return
  response.writeHead(answer.status, headersOf(answer)).flushHeaders()
  const bytes = bodyBytes(answer)
  for (let at = 0; at < bytes.length; at++) {
    await pause(response, intervalMs)
    if (response.destroyed) return
    response.write(bytes.subarray(at, at + 1))
  }
  response.end()
}

async function sendTinyChunks(
  response: ServerResponse,
  answer: Answer,
  until?: Promise<void>,
): Promise<void> {
  const { 'content-length': _length, ...headers } = headersOf(answer)
  response.writeHead(answer.status, headers)
  const bytes = bodyBytes(answer)
  for (let at = 0; at < bytes.length && !response.destroyed; at++) {
    if (!response.write(bytes.subarray(at, at + 1))) await drained(response)
  }
  await until
  response.end()
}

async function sendHuge(response: ServerResponse, size: number): Promise<void> {
  const frame = '{"padding":""}'
  const bytes = Math.max(size, frame.length)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes })
  response.write(frame.slice(0, -2))
  for (let left = bytes - frame.length; left > 0 && !response.destroyed; left -= CHUNK.length) {
    if (!response.write(CHUNK.subarray(0, left))) await drained(response)
  }
  response.end(frame.slice(-2))
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    function end(): void {
      response.off('drain', end).off('close', end)
      resolve()
    }
    response.once('drain', end).once('close', end)
  })
}

async function hintForEver(response: ServerResponse, intervalMs: number): Promise<void> {
  while (!response.destroyed) {
    response.writeEarlyHints({ link: '</hint>; rel=preload; as=style' })
    await pause(response, intervalMs)
  }
}
