import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests that a connection may send ahead of their turn; one that sends more is cut. */
const MAX_AHEAD = 256

type Handle = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Takes one request of a connection at a time; those sent ahead of their turn wait unseen and hold nothing but their
 * bytes. Node would begin them all, and never say of an answer behind another one that its connection is gone: places
 * of waits were held until their time was over. To be called once the server has its handler. `onTurn` is called first.
 */
export function takeOneAtATime(server: Server, onTurn: Handle): void {
  const handlers = server.listeners('request') as Handle[]
  const handle: Handle = (request, response) => {
    onTurn(request, response)
    for (const handler of handlers) handler.call(server, request, response)
  }
  const connections = new WeakMap<Socket, Connection>()
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    let connection = connections.get(request.socket)
    if (connection === undefined) {
      connection = new Connection(request.socket, handle)
      connections.set(request.socket, connection)
    }
    connection.add(request, response)
  })
}

/** The requests of one connection: the one that is answered, and those whose turn comes after it. */
class Connection {
  readonly #socket: Socket
  readonly #handle: Handle
  readonly #ahead: { request: IncomingMessage; response: ServerResponse }[] = []
  #current: ServerResponse | undefined

  constructor(socket: Socket, handle: Handle) {
    this.#socket = socket
    this.#handle = handle
    socket.on('pause', () => this.#onPause())
    socket.once('close', () => this.#ahead.splice(0))
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    if (this.#current === undefined) this.#begin(request, response)
    else if (this.#ahead.length < MAX_AHEAD) this.#ahead.push({ request, response })
    else this.#socket.destroy()
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    this.#current = response
    response.once('close', () => this.#next())
    this.#handle(request, response)
  }

  #next(): void {
    this.#current = undefined
    // The answer was the last one of its connection: what came after it is not begun, so its caller can send it again.
    if (!this.#socket.writable) this.#ahead.splice(0)
    const next = this.#ahead.shift()
    if (next !== undefined) this.#begin(next.request, next.response)
  }

  /**
   * A body that comes ahead of its turn and is larger than a buffer stops all reading, and a connection that is not
   * read does not show that it is gone. While an answer is being written, writing shows it.
   */
  #onPause(): void {
    const isWriting = this.#current?.headersSent || this.#socket.writableNeedDrain
    if (this.#ahead.length > 0 && !isWriting) this.#socket.destroy()
  }
}
