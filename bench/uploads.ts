import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchProcess, peakMib, residentMib, startNode, startProcess } from './support/processes.ts'
import { type BulkRequest, sendBytes, sendOn } from './support/put-bytes.ts'

const NGINX = '/usr/sbin/nginx'
const TOKEN = 'bench-token-aaaaaaaaaaaaaaaa'
const MIB = 2 ** 20
const ROUNDS = 3
const BOUNDARY = 'bench-boundary-3f7a9c'

type Api = { url: string; uploadUrl: string }
type Way = { name: string; send: () => Promise<unknown> }

/** `npm run bench -- uploads [MiB]`: streamed uploads in time and memory; 1024 MiB each unless said otherwise. */
export async function benchUploads([size = '1024']: readonly string[]): Promise<void> {
  const bytes = Number(size) * MIB
  const running: BenchProcess[] = []
  const folder = mkdtempSync(join(tmpdir(), 'oomol-bench-'))
  const keep = async (process: Promise<BenchProcess>) => {
    running.push(await process)
    return process
  }
  try {
    const store = await keep(startNode('bench/support/bench-store.ts', { sign: '[' }))
    const [fast, slow, whole] = JSON.parse(store.firstLine) as [Api, Api, Api]
    const gatewayAt = async (api: Api) => {
      const port = await freePort()
      const gateway = await keep(startGateway(api, port))
      return { pid: gateway.pid, url: `http://127.0.0.1:${port}` }
    }
    console.log(`uploads of ${size} MiB, medians of ${ROUNDS} interleaved rounds\n`)
    await benchFastStore(bytes, await gatewayAt(fast), whole, await startNginx(whole, folder, keep))
    await benchSlowStore(bytes, await gatewayAt(slow), slow)
    await benchMemory(bytes, () => gatewayAt(fast), slow, gatewayAt)
    await benchPeer(bytes, fast, keep)
  } finally {
    for (const process of running) await process.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function benchFastStore(
  bytes: number,
  gateway: { url: string },
  whole: Api,
  nginxUrl: string | undefined,
): Promise<void> {
  const ways: Way[] = [
    { name: 'direct PUT', send: async () => putDirect(await initUpload(whole, bytes), bytes) },
    { name: 'gateway, raw body', send: () => expectCreated(rawUpload(gateway.url, bytes)) },
    { name: 'gateway, multipart', send: () => expectCreated(formUpload(gateway.url, bytes)) },
  ]
  if (nginxUrl === undefined) console.log('nginx is not installed: no comparison with it\n')
  else {
    ways.splice(1, 0, {
      name: 'nginx, one unbuffered PUT',
      send: async () => putDirect(rebase(await initUpload(whole, bytes), nginxUrl), bytes),
    })
  }
  const rates = await race(ways, bytes)
  const base = nginxUrl === undefined ? 'direct PUT' : 'nginx, one unbuffered PUT'
  print('the store answers at once', rates, base)
}

async function benchSlowStore(bytes: number, gateway: { url: string }, slow: Api): Promise<void> {
  const oneByOne = 'parts one after the other, no gateway'
  const rates = await race(
    [
      { name: oneByOne, send: () => putOneByOne(slow, bytes) },
      { name: 'gateway, raw body', send: () => expectCreated(rawUpload(gateway.url, bytes)) },
      { name: 'gateway, multipart', send: () => expectCreated(formUpload(gateway.url, bytes)) },
    ],
    bytes,
  )
  print('the store takes 50 ms for each PUT', rates, oneByOne)
}

async function benchMemory(
  bytes: number,
  start: () => Promise<{ pid: number; url: string }>,
  slow: Api,
  gatewayAt: (api: Api) => Promise<{ pid: number; url: string }>,
): Promise<void> {
  console.log('peak RSS above idle, 8 MiB parts')
  for (const [name, upload] of [
    ['raw body', rawUpload],
    ['multipart', formUpload],
  ] as const) {
    const one = await start()
    const single = await grownMib(one, () => expectCreated(upload(one.url, bytes)))
    console.log(`  one upload, ${name.padEnd(30)} ${single.toFixed(0).padStart(6)} MiB`)
    for (const [label, api] of [
      ['fast store', undefined],
      ['slow store', slow],
    ] as const) {
      const many = api === undefined ? await start() : await gatewayAt(api)
      const all = await grownMib(many, () =>
        Promise.all(Array.from({ length: 20 }, () => expectCreated(upload(many.url, bytes / 8)))),
      )
      const text = `  20 uploads at once, ${name}, ${label}`.padEnd(44)
      console.log(`${text} ${(all / 20).toFixed(1).padStart(6)} MiB each`)
    }
  }
}

async function benchPeer(
  bytes: number,
  api: Api,
  keep: (process: Promise<BenchProcess>) => Promise<BenchProcess>,
): Promise<void> {
  const args = [api.uploadUrl]
  const peer = await keep(startNode('bench/support/buffering-peer.ts', { args, sign: 'listening' }))
  const url = `http://127.0.0.1:${peer.firstLine.split(' ')[1]}`
  const grown = await grownMib({ pid: peer.pid, url }, () => sendBytes(formUpload(url, bytes)))
  console.log(`  peer that buffers, one upload                ${grown.toFixed(0).padStart(6)} MiB`)
}

/** How far a process grows beyond what it has at rest, after one small upload. */
async function grownMib({ pid, url }: { pid: number; url: string }, work: () => Promise<unknown>) {
  await sendBytes(formUpload(url, 1024))
  await sleep(1_000)
  const idle = residentMib(pid)
  return (await peakMib(pid, work)) - idle
}

/** MiB a second of each way: its median over rounds in which each has its turn, after one that does not count. */
async function race(ways: readonly Way[], bytes: number): Promise<Map<string, number>> {
  const rates = new Map<string, number[]>(ways.map(({ name }) => [name, []]))
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { name, send } of ways) {
      const startedMs = performance.now()
      await send()
      const rate = bytes / MIB / ((performance.now() - startedMs) / 1000)
      if (round > 0) rates.get(name)?.push(rate)
    }
  }
  return new Map([...rates].map(([name, all]) => [name, median(all)]))
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function print(title: string, rates: ReadonlyMap<string, number>, base: string): void {
  console.log(title)
  const baseRate = rates.get(base) ?? Number.NaN
  for (const [name, rate] of rates) {
    const ratio = (rate / baseRate).toFixed(2)
    console.log(`  ${name.padEnd(40)} ${rate.toFixed(0).padStart(6)} MiB/s   ${ratio}`)
  }
  console.log('')
}

function rawUpload(url: string, bytes: number): BulkRequest {
  return { url: `${url}/files/bench.bin`, method: 'PUT', headers: authorised(), bytes }
}

function formUpload(url: string, bytes: number): BulkRequest {
  return {
    url: `${url}/files`,
    method: 'POST',
    headers: { ...authorised(), 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    bytes,
    before: `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n\r\n`,
    after: `\r\n--${BOUNDARY}--\r\n`,
  }
}

function authorised(): Record<string, string> {
  return { authorization: `Bearer ${TOKEN}` }
}

async function expectCreated(request: BulkRequest): Promise<void> {
  const { status, body } = await sendBytes(request)
  if (status !== 201) throw new Error(`the gateway answered ${status}: ${body}`)
}

type Ticket = { upload_id: string; part_size: number; presigned_urls: Record<string, string> }

async function initUpload(api: Api, bytes: number): Promise<Ticket> {
  const answer = await fetch(`${api.uploadUrl}/init`, {
    method: 'POST',
    headers: { authorization: 'Bearer emulator-key', 'content-type': 'application/json' },
    body: JSON.stringify({ file_extension: '.bin', size: bytes }),
  })
  return ((await answer.json()) as { data: Ticket }).data
}

/** The same ticket for a client that reaches the store by another address. */
function rebase(ticket: Ticket, base: string): Ticket {
  const urls = Object.entries(ticket.presigned_urls).map(([part, text]) => {
    const { pathname, search } = new URL(text)
    return [part, `${base}${pathname}${search}`]
  })
  return { ...ticket, presigned_urls: Object.fromEntries(urls) }
}

async function putDirect(ticket: Ticket, bytes: number): Promise<void> {
  const { status, body } = await sendBytes({ url: ticket.presigned_urls[1] ?? '', method: 'PUT', bytes })
  if (status !== 200) throw new Error(`the store answered ${status}: ${body}`)
}

/** As the Python SDK and the CLI do it. */
async function putOneByOne(api: Api, bytes: number): Promise<void> {
  const { presigned_urls: urls, part_size: partSize } = await initUpload(api, bytes)
  const { hostname, port } = new URL(urls[1] ?? '')
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  let left = bytes
  for (const url of Object.values(urls)) {
    const { status } = await sendOn(socket, { url, method: 'PUT', bytes: Math.min(partSize, left) })
    if (status !== 200) throw new Error(`the store answered ${status}`)
    left -= partSize
  }
  socket.destroy()
}

function startGateway(api: Api, port: number): Promise<BenchProcess> {
  const env = {
    PORT: String(port),
    OOMOL_API_KEY: 'emulator-key',
    OOMOL_BASE_URL: api.url,
    OOMOL_UPLOAD_BASE_URL: api.uploadUrl,
    OOMOL_REGISTRY_URL: api.url,
    OOMOL_ALLOW_INSECURE: 'true',
    GATEWAY_TOKENS: `bench:${TOKEN}`,
    MAX_UPLOAD_BYTES: '8GiB',
    STORE_URL: 'memory:',
  }
  return startNode('src/main.ts', { env, sign: 'listening' })
}

async function startNginx(
  whole: Api,
  folder: string,
  keep: (process: Promise<BenchProcess>) => Promise<BenchProcess>,
): Promise<string | undefined> {
  if (!existsSync(NGINX)) return undefined
  const port = await freePort()
  const { host } = new URL((await initUpload(whole, 1)).presigned_urls[1] ?? '')
  const config = join(folder, 'nginx.conf')
  writeFileSync(
    config,
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr error;
events { worker_connections 256; }
http { access_log off; client_max_body_size 0; client_body_temp_path ${folder};
  proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${port};
    location / { proxy_pass http://${host}; proxy_http_version 1.1; proxy_request_buffering off; } } }`,
  )
  // nginx prints nothing when it is ready: a shell says when it is about to start, then becomes it.
  await keep(
    startProcess('/bin/sh', ['-c', `echo starting; exec ${NGINX} -c ${config}`], {
      sign: 'starting',
      stopSignal: 'SIGTERM',
    }),
  )
  await sleep(500)
  return `http://127.0.0.1:${port}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
