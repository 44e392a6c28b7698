import type { AddressInfo } from 'node:net'
import multipart from '@fastify/multipart'
import Fastify from 'fastify'
import { request } from 'undici'

/* The simplest upload: read the file into memory, then send its parts one after the other. */

const [uploadUrl = ''] = process.argv.slice(2)
const app = Fastify()
app.register(multipart, { limits: { fileSize: 4 * 2 ** 30 } })
app.post('/files', async (incoming) => {
  const file = await incoming.file()
  if (file === undefined) throw new Error('no file')
  const bytes = await file.toBuffer()
  const headers = { authorization: 'Bearer emulator-key', 'content-type': 'application/json' }
  const body = JSON.stringify({ file_extension: '.bin', size: bytes.length })
  const init = await request(`${uploadUrl}/init`, { method: 'POST', headers, body })
  const { data } = (await init.body.json()) as {
    data: { upload_id: string; part_size: number; presigned_urls: Record<string, string> }
  }
  for (const [number, url] of Object.entries(data.presigned_urls)) {
    const start = (Number(number) - 1) * data.part_size
    const part = await request(url, { method: 'PUT', body: bytes.subarray(start, start + data.part_size) })
    await part.body.dump()
  }
  const done = await request(`${uploadUrl}/${data.upload_id}/url`, { headers })
  return done.body.json()
})
await app.listen({ port: 0, host: '127.0.0.1' })
console.log(`listening ${(app.server.address() as AddressInfo).port}`)
