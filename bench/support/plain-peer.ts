import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { Pool } from 'undici'

/* The simplest forwarder: a route that calls upstream with the key and passes the answer on. It checks no caller. */

const [upstreamUrl = ''] = process.argv.slice(2)
const pool = new Pool(upstreamUrl, { connections: 256 })
const app = Fastify()
app.get('/tasks/:taskID', async (request, reply) => {
  const { taskID } = request.params as { taskID: string }
  const path = `/v3/users/me/tasks/${encodeURIComponent(taskID)}`
  const answer = await pool.request({ path, method: 'GET', headers: { authorization: 'Bearer key' } })
  return reply
    .code(answer.statusCode)
    .type('application/json')
    .send(await answer.body.text())
})
await app.listen({ port: 0, host: '127.0.0.1' })
console.log(`listening ${(app.server.address() as AddressInfo).port}`)
