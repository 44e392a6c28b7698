import { basename, extname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, getGlobalDispatcher, request } from 'undici'

/*
 * What the official clients do on the wire, as oomol-api.md has it, and nothing else: one client for all,
 * and for each a dialect that says in what it differs.
 */

/** In what an official client differs from the others. */
export type Dialect = {
  readonly name: string
  authorization(key: string): string
  /** Headers of every request to the APIs. */
  readonly headers: Readonly<Record<string, string>>
  /** The body of a request that says nothing. */
  readonly emptyBody: '' | '{}'
  /** What is sent as the extension of a file that has none. */
  readonly noExtension: '.' | ''
  /** The base URLs, from what the client was configured with. */
  bases(configured: string): Bases
}

export type Bases = { task: string; upload: string; registry: string }

const UPLOAD_PATH = '/api/tasks/files/remote-cache'

/** A base URL that names the gateway itself, with the upload and registry paths below it. */
function basesBelow(configured: string): Bases {
  const task = stripVersion(configured)
  return { task, upload: `${task}${UPLOAD_PATH}`, registry: task }
}

function stripVersion(url: string): string {
  return url.replace(/\/+$/, '').replace(/\/v[13]$/, '')
}

const bearer = (key: string) => `Bearer ${key}`

export const TYPESCRIPT_SDK: Dialect = {
  name: 'TypeScript SDK',
  authorization: bearer,
  headers: { accept: '*/*', 'accept-language': '*', 'sec-fetch-mode': 'cors', 'user-agent': 'node' },
  // Content-Type: application/json, and no body at all.
  emptyBody: '',
  noExtension: '.',
  bases: basesBelow,
}

export const PYTHON_SDK: Dialect = {
  name: 'Python SDK',
  authorization: bearer,
  headers: { accept: '*/*', 'accept-encoding': 'gzip, deflate', 'user-agent': 'python-requests/2.32.3' },
  emptyBody: '{}',
  noExtension: '.',
  bases: basesBelow,
}

/** The tools of the MCP SDK call the TypeScript SDK. */
export const MCP_SDK: Dialect = { ...TYPESCRIPT_SDK, name: 'MCP SDK' }

/** Sends the bare key, and finds its three hosts below one domain. */
export const CLI: Dialect = {
  name: 'CLI',
  authorization: (key) => key,
  headers: { accept: '*/*', 'accept-encoding': 'gzip, deflate, br', 'user-agent': 'oo/1.0' },
  emptyBody: '{}',
  noExtension: '',
  bases: (configured) => {
    const { protocol, host } = new URL(configured)
    return {
      task: `${protocol}//cloud-task.${host}`,
      upload: `${protocol}//llm.${host}${UPLOAD_PATH}`,
      registry: `${protocol}//registry.${host}`,
    }
  },
}

/** What the clients throw: the message is the one of the answer's body. */
export class OfficialError extends Error {
  override readonly name = 'OfficialError'
  readonly status: number
  readonly code: string | undefined

  constructor(message: string, status: number, code?: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export type OfficialTask = {
  packageName: string
  packageVersion: string
  blockName: string
  inputValues?: object
  /** Both are accepted and dropped before sending. */
  webhookUrl?: string
  metadata?: object
}

export type OfficialClientOptions = {
  baseUrl: string
  apiKey: string
  /** Default 3 s, as all of them poll. */
  pollMs?: number
  /** Before the nth try of a part, as a multiple of n; default 1 s. */
  retryMs?: number
  dispatcher?: Dispatcher
}

type Json = ReturnType<typeof JSON.parse>
type Method = 'GET' | 'POST'

const PART_TRIES = 3
const QUOTA_WORDS = /insufficient|quota|balance|credit|余额|点数|费用/i

export class OfficialClient {
  readonly #dialect: Dialect
  readonly #bases: Bases
  readonly #options: OfficialClientOptions

  constructor(dialect: Dialect, options: OfficialClientOptions) {
    this.#dialect = dialect
    this.#bases = dialect.bases(options.baseUrl)
    this.#options = options
  }

  createTask({ webhookUrl: _webhookUrl, metadata: _metadata, ...task }: OfficialTask): Promise<Json> {
    return this.#task('POST', '/v3/users/me/tasks', { type: 'serverless', ...task })
  }

  listTasks(query: Record<string, string | number> = {}): Promise<Json> {
    return this.#task('GET', `/v3/users/me/tasks${toQuery(query)}`)
  }

  latestTasks(workloadIDs: string[]): Promise<Json> {
    return this.#task('GET', `/v3/users/me/tasks/latest${toQuery({ workloadIDs: workloadIDs.join(',') })}`)
  }

  task(taskID: string): Promise<Json> {
    return this.#task('GET', `/v3/users/me/tasks/${encodeURIComponent(taskID)}`)
  }

  taskResult(taskID: string): Promise<Json> {
    return this.#task('GET', `/v3/users/me/tasks/${encodeURIComponent(taskID)}/result`)
  }

  taskLogs(taskID: string, page = 1): Promise<Json> {
    return this.#task('GET', `/v3/users/me/tasks/${encodeURIComponent(taskID)}/logs${toQuery({ page })}`)
  }

  dashboard(): Promise<Json> {
    return this.#task('GET', '/v3/users/me/dashboard')
  }

  pause(): Promise<Json> {
    return this.#task('POST', '/v3/user/pause', this.#dialect.emptyBody)
  }

  resume(): Promise<Json> {
    return this.#task('POST', '/v3/user/resume', this.#dialect.emptyBody)
  }

  /** Polls every 3 s until the task has ended; whatever goes wrong with a request is tried again. */
  async awaitResult(taskID: string, signal?: AbortSignal): Promise<Json> {
    for (;;) {
      signal?.throwIfAborted()
      const result = await this.taskResult(taskID).catch(() => undefined)
      if (result?.status === 'success') return result
      if (result?.status === 'failed') throw toTaskError(result.error)
      await sleep(this.#options.pollMs ?? 3_000)
    }
  }

  async createAndWait(task: OfficialTask): Promise<Json> {
    const { taskID } = await this.createTask(task)
    return this.awaitResult(taskID)
  }

  /** Three steps: init, the parts straight to the store, and the URL. */
  async uploadFile(name: string, bytes: Buffer): Promise<string> {
    const base = this.#bases.upload
    const extension = extname(name)
    const init = await this.#api('POST', `${base}/init`, {
      file_extension: extension || this.#dialect.noExtension,
      size: bytes.length,
      file_name: basename(name, extension),
    })
    const { upload_id, part_size, presigned_urls } = init.data
    await Promise.all(
      Object.entries<string>(presigned_urls).map(([part, url]) =>
        this.#putPart(url, bytes.subarray((Number(part) - 1) * part_size, Number(part) * part_size)),
      ),
    )
    return (await this.#api('GET', `${base}/${upload_id}/url`)).data.url
  }

  packageInfo(name: string, version = 'latest'): Promise<Json> {
    const path = `/-/oomol/package-info/${encodeURIComponent(name)}/${version}?lang=en`
    return this.#api('GET', `${this.#bases.registry}${path}`)
  }

  #task(method: Method, path: string, body?: object | string): Promise<Json> {
    return this.#api(method, `${this.#bases.task}${path}`, body)
  }

  async #api(method: Method, url: string, body?: object | string): Promise<Json> {
    const { dialect, options } = { dialect: this.#dialect, options: this.#options }
    const text = typeof body === 'object' ? JSON.stringify(body) : body
    const answer = await request(url, {
      method,
      headers: {
        ...dialect.headers,
        authorization: dialect.authorization(options.apiKey),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: text === undefined || text === '' ? null : text,
      dispatcher: options.dispatcher ?? getGlobalDispatcher(),
    })
    return readAnswer(answer.statusCode, await answer.body.text())
  }

  /** Without any credential: the URL carries its own signature. */
  async #putPart(url: string, bytes: Buffer): Promise<void> {
    for (let tried = 1; ; tried++) {
      const answer = await request(url, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: bytes,
      })
      const text = await answer.body.text()
      if (answer.statusCode < 300) return
      if (tried === PART_TRIES) throw new OfficialError(text, answer.statusCode)
      await sleep(tried * (this.#options.retryMs ?? 1_000))
    }
  }
}

function readAnswer(status: number, text: string): Json {
  const parsed = parse(text)
  if (status >= 200 && status < 300) return parsed
  throw new OfficialError(parsed?.message ?? `HTTP ${status}`, status, parsed?.code)
}

/** The error of a failed task; one about credit has a code and a status of its own. */
function toTaskError(message: string | null): OfficialError {
  const said = message ?? 'Task failed'
  return QUOTA_WORDS.test(said)
    ? new OfficialError(said, 402, 'INSUFFICIENT_QUOTA')
    : new OfficialError(said, 0)
}

function toQuery(query: Record<string, string | number>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) parameters.append(name, String(value))
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
