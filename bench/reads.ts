import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool, request } from 'undici'
import { type BenchProcess, startNode, startProcess } from './support/processes.ts'

/*
 * What a plain read costs in the gateway: `GET /tasks/{taskID}` (token, scope and owner checked), compared with
 * nginx with one worker forwarding the same bytes, a plain forwarder that checks nothing, and no proxy at all.
 */

const TOKEN = 'bench-token-aaaaaaaaaaaaaaaa'
const CONNECTIONS = 100
const ROUNDS = 5
const ROUND_MS = 2_000
/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux. */
const TICKS_PER_SECOND = 100

type Target = { name: string; url: string; path: string; pid: number }
type Measured = { perSecond: number; cpuMicros: number; p50Ms: number; p99Ms: number }

export async function benchReads(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'oomol-gateway-bench-'))
  const processes: BenchProcess[] = []
  try {
    const targets = await startTargets(folder, processes)
    const measured = new Map<string, Measured[]>()
    for (const target of targets) await load(target, ROUND_MS / 2)
    for (let round = 0; round < ROUNDS; round++) {
      for (const target of targets) {
        const rounds = measured.get(target.name) ?? []
        measured.set(target.name, [...rounds, await load(target, ROUND_MS)])
      }
    }
    report(measured)
  } finally {
    await Promise.all(processes.map((process) => process.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startTargets(folder: string, processes: BenchProcess[]): Promise<Target[]> {
  const start = async (started: Promise<BenchProcess>) => {
    processes.push(await started)
    return await started
  }
  const upstream = await start(startNode('bench/support/plain-upstream.ts', { sign: 'listening' }))
  const upstreamUrl = `http://127.0.0.1:${portOf(upstream)}`
  const peer = await start(
    startNode('bench/support/plain-peer.ts', { args: [upstreamUrl], sign: 'listening' }),
  )
  const gateway = await start(startGateway(upstreamUrl))
  const gatewayUrl = `http://127.0.0.1:${portOf(gateway)}`
  const taskID = await createTask(gatewayUrl)
  const nativePath = `/v3/users/me/tasks/${taskID}`
  const targets: Target[] = [
    { name: 'no proxy', url: upstreamUrl, path: nativePath, pid: upstream.pid },
    { name: 'gateway', url: gatewayUrl, path: `/tasks/${taskID}`, pid: gateway.pid },
    {
      name: 'plain forwarder',
      url: `http://127.0.0.1:${portOf(peer)}`,
      path: `/tasks/${taskID}`,
      pid: peer.pid,
    },
  ]
  if (spawnSync('nginx', ['-v']).error !== undefined) return targets
  const port = await freePort()
  const nginx = await startNginx(folder, port, upstreamUrl)
  processes.push(nginx)
  return [...targets, { name: 'nginx', url: `http://127.0.0.1:${port}`, path: nativePath, pid: nginx.pid }]
}

function startGateway(upstreamUrl: string): Promise<BenchProcess> {
  return startNode('bench/support/reads-gateway.ts', {
    sign: 'listening',
    env: {
      PORT: '0',
      OOMOL_API_KEY: 'key',
      OOMOL_BASE_URL: upstreamUrl,
      OOMOL_ALLOW_INSECURE: 'true',
      GATEWAY_TOKENS: `bench:${TOKEN}`,
      STORE_URL: 'memory:',
    },
  })
}

/** One worker and no master: one process, which uses all of nginx's CPU. */
function startNginx(folder: string, port: number, upstreamUrl: string): Promise<BenchProcess> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder};`)
    .join(' ')
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000; ${temporary}
  upstream upstream { server ${new URL(upstreamUrl).host}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  )
  // nginx prints on its standard error; the line is the last one before it serves.
  return startProcess('sh', ['-c', `exec nginx -c ${file} 2>&1`], { sign: 'using the' })
}

async function createTask(gatewayUrl: string): Promise<string> {
  const answer = await request(`${gatewayUrl}/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: '{"packageName":"@acme/pdf","packageVersion":"1.0.0","blockName":"summarise"}',
  })
  return ((await answer.body.json()) as { taskID: string }).taskID
}

/** As many requests as the target answers in `ms` milliseconds, `CONNECTIONS` at once. Throws at the first answer other than 200. */
async function load({ url, path, pid }: Target, ms: number): Promise<Measured> {
  const pool = new Pool(url, { connections: CONNECTIONS })
  const headers = { authorization: `Bearer ${TOKEN}` }
  const latencies: number[] = []
  const cpuBefore = cpuSecondsOf(pid)
  const startMs = performance.now()
  const worker = async () => {
    for (let at = performance.now(); at - startMs < ms; at = performance.now()) {
      const answer = await pool.request({ path, method: 'GET', headers })
      await answer.body.dump()
      if (answer.statusCode !== 200) throw new Error(`${url}${path} was answered with ${answer.statusCode}`)
      latencies.push(performance.now() - at)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  const seconds = (performance.now() - startMs) / 1000
  const cpuMicros = ((cpuSecondsOf(pid) - cpuBefore) * 1e6) / latencies.length
  await pool.close()
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
  return { perSecond: latencies.length / seconds, cpuMicros, p50Ms: at(0.5), p99Ms: at(0.99) }
}

function report(measured: ReadonlyMap<string, readonly Measured[]>): void {
  console.log(`reads: GET a task, ${CONNECTIONS} connections, medians of ${ROUNDS} interleaved rounds`)
  const medians = new Map([...measured].map(([name, rounds]) => [name, medianOf(rounds)]))
  const base = medians.get('nginx') ?? medians.get('no proxy')
  const baseName = medians.has('nginx') ? 'nginx' : 'no proxy'
  for (const [name, { perSecond, cpuMicros, p50Ms, p99Ms }] of medians) {
    const share = (perSecond / (base?.perSecond ?? perSecond)).toFixed(2)
    console.log(
      `  ${name.padEnd(16)} ${share} of ${baseName}  (${Math.round(perSecond)}/s, ${cpuMicros.toFixed(0)} µs CPU each, ` +
        `median ${p50Ms.toFixed(1)} ms, 99th percentile ${p99Ms.toFixed(1)} ms)`,
    )
  }
}

function medianOf(rounds: readonly Measured[]): Measured {
  const median = (key: keyof Measured) =>
    rounds.map((round) => round[key]).sort((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? 0
  return {
    perSecond: median('perSecond'),
    cpuMicros: median('cpuMicros'),
    p50Ms: median('p50Ms'),
    p99Ms: median('p99Ms'),
  }
}

/** User and system time of a process so far, in seconds. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function portOf({ firstLine }: BenchProcess): number {
  return Number(/listening (\d+)/.exec(firstLine)?.[1])
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
