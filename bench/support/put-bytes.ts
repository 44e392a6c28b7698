import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const CHUNK = Buffer.alloc(256 * 1024, 'x')

/** One request whose body is `bytes` bytes between a head and a tail, written as fast as they are taken. */
export type BulkRequest = {
  url: string
  method: 'PUT' | 'POST'
  headers?: Readonly<Record<string, string>>
  bytes: number
  before?: string
  after?: string
}

/** Sends one request on a connection of its own and gives status and body of the answer. */
export async function sendBytes(request: BulkRequest): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(request.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  try {
    return await sendOn(socket, request)
  } finally {
    socket.destroy()
  }
}

/** The same on a connection that is there, which must be idle. */
export async function sendOn(
  socket: Socket,
  request: BulkRequest,
): Promise<{ status: number; body: string }> {
  const { url, method, headers = {}, bytes, before = '', after = '' } = request
  const { pathname, search, host } = new URL(url)
  const length = bytes + Buffer.byteLength(before) + Buffer.byteLength(after)
  const lines = Object.entries({ host, 'content-length': String(length), ...headers })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const answer = readAnswer(socket)
  // A failed write has its reason in the answer.
  answer.catch(() => {})
  socket.write(`${method} ${pathname}${search} HTTP/1.1\r\n${head}\r\n${before}`)
  for (let left = bytes; left > 0 && !socket.destroyed; left -= CHUNK.length) {
    if (!socket.write(left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left))) {
      await Promise.race([once(socket, 'drain'), answer])
    }
  }
  if (after !== '') socket.write(after)
  return answer
}

function readAnswer(socket: Socket): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1] ?? 0)
      if (text.length < end + 4 + length) return
      settle(() => resolve({ status: Number(text.slice(9, 12)), body: text.slice(end + 4) }))
    }
    const onClose = () => settle(() => reject(new Error('the connection closed before the answer')))
    const settle = (finish: () => void) => {
      socket.off('data', onData).off('close', onClose).off('error', onClose)
      finish()
    }
    socket.on('data', onData).on('close', onClose).on('error', onClose)
  })
}
