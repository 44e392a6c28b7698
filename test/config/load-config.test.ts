import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConfigError, formatConfigProblems } from '../../src/config/config-error.ts'
import { loadConfig, reloadCallers } from '../../src/config/load-config.ts'
import { PLAIN_RULES } from '../../src/domain/caller.ts'
import { hashToken } from '../../src/domain/token.ts'
import { BASE, fakeFiles, findProblems, findProblemsOf, load, TOKEN_A, TOKEN_B } from './support/problems.ts'

describe('loadConfig', () => {
  it('has the documented defaults', () => {
    const { apiKey, callers, ...rest } = load()
    expect(rest).toEqual({
      host: '127.0.0.1',
      port: 3000,
      upstream: {
        taskUrl: 'https://cloud-task.oomol.com',
        uploadUrl: 'https://llm.oomol.com/api/tasks/files/remote-cache',
        registryUrl: 'https://registry.oomol.com',
        allowInsecure: false,
      },
      auth: 'token',
      cookieMode: false,
      functions: [],
      allowedOrigins: [],
      trustProxy: [],
      runDefaultWaitMs: 50_000,
      runMaxWaitMs: 600_000,
      maxBodyBytes: 4 * 2 ** 20,
      maxUploadBytes: 512 * 2 ** 20,
      maxConcurrentRuns: 10_000,
      pollRate: 50,
      storeUrl: 'file:./data',
      shutdownGraceMs: 25_000,
      logLevel: 'info',
      metricsPort: undefined,
      validateInputs: false,
    })
    expect(apiKey?.reveal()).toBe('organisation-key')
    expect(callers).toEqual([{ id: 'billing', tokenHashes: [hashToken(TOKEN_A)], rules: PLAIN_RULES }])
  })

  it('takes every setting', () => {
    const config = load({
      HOST: '::',
      PORT: '0',
      OOMOL_BASE_URL: 'http://127.0.0.1:9000/base/v3/',
      OOMOL_UPLOAD_BASE_URL: 'http://localhost:9001/cache//',
      OOMOL_REGISTRY_URL: 'https://registry.example/',
      OOMOL_ALLOW_INSECURE: 'true',
      GATEWAY_TOKENS: `billing:${TOKEN_A}, web:${TOKEN_B}:with:colons,`,
      GATEWAY_AUTH: 'none',
      COOKIE_MODE: 'on',
      ALLOWED_ORIGINS: 'https://app.example, http://localhost:5173,https://app.example',
      TRUST_PROXY: '10.0.0.0/8,::1,fd00::/8,192.0.2.1',
      RUN_DEFAULT_WAIT: '500ms',
      RUN_MAX_WAIT: '1h',
      MAX_BODY_BYTES: '512KiB',
      MAX_UPLOAD_BYTES: '1048577',
      MAX_CONCURRENT_RUNS: '5',
      POLL_RATE: '0.5',
      STORE_URL: 'memory:',
      SHUTDOWN_GRACE: '2m',
      VALIDATE_INPUTS: 'on',
      LOG_LEVEL: 'silent',
      METRICS_PORT: '9464',
    })
    expect(config).toMatchObject({
      host: '::',
      port: 0,
      upstream: {
        taskUrl: 'http://127.0.0.1:9000/base',
        uploadUrl: 'http://localhost:9001/cache',
        registryUrl: 'https://registry.example',
        allowInsecure: true,
      },
      auth: 'none',
      cookieMode: true,
      allowedOrigins: ['https://app.example', 'http://localhost:5173'],
      trustProxy: ['10.0.0.0/8', '::1', 'fd00::/8', '192.0.2.1'],
      runDefaultWaitMs: 500,
      runMaxWaitMs: 3_600_000,
      maxBodyBytes: 512 * 1024,
      maxUploadBytes: 1_048_577,
      maxConcurrentRuns: 5,
      pollRate: 0.5,
      storeUrl: 'memory:',
      shutdownGraceMs: 120_000,
      validateInputs: true,
      logLevel: 'silent',
      metricsPort: 9464,
    })
    expect(config.callers.map(({ id }) => id)).toEqual(['billing', 'web'])
    expect(config.callers[1]?.tokenHashes).toEqual([hashToken(`${TOKEN_B}:with:colons`)])
  })

  it('is frozen all the way down and prints no secret', () => {
    const config = load(
      { GATEWAY_CONFIG: 'c' },
      { c: 'functions: [{name: f, package: p, version: latest, block: b, fixed: {x: [{y: z}]}}]' },
    )
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.upstream, { taskUrl: '' })).toThrow(TypeError)
    expect(Object.isFrozen(config.callers[0]?.rules.packages)).toBe(true)
    expect(Object.isFrozen(config.functions[0]?.fixed.x)).toBe(true)
    const prints = `${inspect(config, { depth: 20 })} ${JSON.stringify(config)}`
    expect(prints).not.toContain('organisation-key')
    expect(prints).not.toContain(TOKEN_A)
  })

  it('counts an empty setting as unset', () => {
    expect(load({ PORT: '', OOMOL_API_KEY_FILE: '', GATEWAY_CONFIG: '', GATEWAY_TYPO: '' }).port).toBe(3000)
  })

  it.each([
    ['https://h.example', 'https://h.example'],
    ['https://h.example/v1', 'https://h.example'],
    ['https://h.example/v3///', 'https://h.example'],
    ['https://h.example//v3', 'https://h.example'],
    ['https://h.example/a/v3', 'https://h.example/a'],
    ['https://h.example/v2', 'https://h.example/v2'],
    ['https://h.example/av3', 'https://h.example/av3'],
    ['HTTPS://H.example:443/', 'https://h.example'],
  ])('takes the task API at %s as %s', (given, taken) => {
    expect(load({ OOMOL_BASE_URL: given }).upstream.taskUrl).toBe(taken)
  })
})

describe('one setting', () => {
  it.each([
    ['HOST', ['127.0.0.1:3000', 'a b', '-x', 'http://x', '[::1]']],
    ['PORT', ['-1', '65536', '3000 ', '1e3', '0x10', 'http', '3000.0']],
    ['METRICS_PORT', ['65536', 'on']],
    ['OOMOL_API_KEY', ['a b', 'key\n', 'key\u0007', 'kéy', ' key', 'a'.repeat(4097)]],
    ['OOMOL_BASE_URL', ['http://h.example', 'h.example', 'ftp://h.example', 'https://', 'https:h.example']],
    [
      'OOMOL_BASE_URL',
      ['https://u:p@h.example', 'https://u@h.example', 'https://h.example/?', 'https://h.example/#'],
    ],
    [
      'OOMOL_UPLOAD_BASE_URL',
      ['http://h.example', 'https://h.example/?a=b', 'https://h\\x', 'https://h/\tx'],
    ],
    ['OOMOL_REGISTRY_URL', ['http://h.example', 'https://h.example:99999', 'https://h x/']],
    ['OOMOL_ALLOW_INSECURE', ['1', 'TRUE', 'yes', 'on']],
    ['GATEWAY_AUTH', ['off', 'None', 'token,none']],
    ['COOKIE_MODE', ['true', '1', 'ON']],
    ['VALIDATE_INPUTS', ['true', 'On']],
    [
      'ALLOWED_ORIGINS',
      ['*', 'null', 'https://*.example', 'https://a.example/', 'https://a.example/path', 'a.example'],
    ],
    [
      'ALLOWED_ORIGINS',
      [
        'https://A.example',
        'https://a.example:443',
        'http://a.example:80',
        'ftp://a.example',
        'https://u@a.example',
      ],
    ],
    [
      'TRUST_PROXY',
      ['loopback', '10.0.0.0/33', '::/129', '10.0.0', '10.0.0.0/8/8', '10.0.0.0/', 'true', 'fe80::1%eth0'],
    ],
    ['TRUST_PROXY', ['0.0.0.0/0', '::/0', '1', '10.0.0.0/-1', '010.0.0.1']],
    ['RUN_DEFAULT_WAIT', ['50', '50 s', '-1s', '1.5s', '1d', '25h', '601s', '99999999999s']],
    ['RUN_MAX_WAIT', ['24h1m', '86401s', '10min']],
    ['SHUTDOWN_GRACE', ['0', 'soon']],
    ['MAX_BODY_BYTES', ['0', '4MB', '4mib', '1.5MiB', '-1', '257MiB', '9999999999999999TiB']],
    ['MAX_UPLOAD_BYTES', ['0KiB', 'all', '2TiB']],
    ['MAX_CONCURRENT_RUNS', ['0', '1.5', '1000001', 'many']],
    ['POLL_RATE', ['0', '-1', '0.0', 'NaN', 'Infinity', '1e3', '100001']],
    ['STORE_URL', ['file:', './data', 'memory', 'memory:x', 'https://x', 'file:a\u0000b']],
    ['LOG_LEVEL', ['verbose', 'INFO', 'off']],
  ])('%s refuses what it can not be (%#)', (name, texts) => {
    for (const text of texts) {
      const problems = findProblems({ [name]: text })
      expect(problems, JSON.stringify(text)).toHaveLength(1)
      expect(problems[0]).toContain(`${name}: `)
    }
  })

  it('says that Redis is not built yet', () => {
    expect(findProblems({ STORE_URL: 'redis://h:1' })[0]).toContain('not built yet')
    expect(findProblems({ STORE_URL: 'rediss://h:1' })[0]).toContain('not built yet')
  })

  it('says which entry of a list is wrong', () => {
    expect(findProblems({ ALLOWED_ORIGINS: 'https://a.example,*,x' })).toEqual([
      expect.stringMatching(/^ALLOWED_ORIGINS: entry 2 must be an exact origin/),
      expect.stringMatching(/^ALLOWED_ORIGINS: entry 3 must be an exact origin/),
    ])
  })
})

describe('settings together', () => {
  it('has waits in order', () => {
    expect(findProblems({ RUN_DEFAULT_WAIT: '2m', RUN_MAX_WAIT: '1m' })).toEqual([
      'RUN_DEFAULT_WAIT: must not be longer than RUN_MAX_WAIT',
    ])
    expect(findProblems({ RUN_DEFAULT_WAIT: '1m', RUN_MAX_WAIT: '60s' })).toEqual([])
    // The one that was not set follows the one that was.
    expect(load({ RUN_MAX_WAIT: '2s' })).toMatchObject({ runDefaultWaitMs: 2000, runMaxWaitMs: 2000 })
    // Nothing follows from a setting that is itself wrong.
    expect(findProblems({ RUN_DEFAULT_WAIT: '15m', RUN_MAX_WAIT: 'x' })).toHaveLength(1)
  })

  it('has two ports, unless the system chooses both', () => {
    expect(findProblems({ PORT: '4000', METRICS_PORT: '4000' })).toEqual([
      'METRICS_PORT: must be another port than PORT',
    ])
    expect(load({ PORT: '0', METRICS_PORT: '0' }).metricsPort).toBe(0)
  })

  it('needs https for each URL unless OOMOL_ALLOW_INSECURE is set', () => {
    const urls = {
      OOMOL_BASE_URL: 'http://h.example',
      OOMOL_UPLOAD_BASE_URL: 'http://h.example',
      OOMOL_REGISTRY_URL: 'http://h.example',
    }
    expect(findProblems(urls).map((problem) => problem.split(':')[0])).toEqual(Object.keys(urls))
    expect(findProblems({ ...urls, OOMOL_ALLOW_INSECURE: 'true' })).toEqual([])
    expect(findProblems({ ...urls, OOMOL_ALLOW_INSECURE: 'perhaps' })).toHaveLength(1)
  })
})

describe('the organisation key', () => {
  const keyed = (env: Record<string, string>, files = {}) => findProblemsOf(env, files)
  const missing = expect.stringMatching(/^OOMOL_API_KEY: is needed/)

  it('comes from a file, its last newline dropped', () => {
    for (const text of ['file-key', 'file-key\n', 'file-key\r\n']) {
      const config = load({ OOMOL_API_KEY: undefined, OOMOL_API_KEY_FILE: 'k' }, { k: text })
      expect(config.apiKey?.reveal()).toBe('file-key')
    }
  })

  it('is refused when the file holds none', () => {
    for (const text of ['', '\n', 'a\nb', 'key\n\n', ' key', 'key\u0000']) {
      expect(findProblems({ OOMOL_API_KEY: undefined, OOMOL_API_KEY_FILE: 'k' }, { k: text })).toEqual([
        'OOMOL_API_KEY_FILE: must be visible ASCII characters without spaces (in the file)',
      ])
    }
  })

  it('comes from one place only', () => {
    expect(findProblems({ OOMOL_API_KEY_FILE: 'k' }, { k: 'key' })).toEqual([
      "OOMOL_API_KEY_FILE: can't be set together with OOMOL_API_KEY",
    ])
  })

  it('says that the file is not there, without its path', () => {
    expect(findProblems({ OOMOL_API_KEY: undefined, OOMOL_API_KEY_FILE: 'nowhere' })).toEqual([
      "OOMOL_API_KEY_FILE: names a file that can't be read as UTF-8 text (ENOENT)",
    ])
  })

  it('is needed by tokens, by anyone, and by callers without a key of their own', () => {
    expect(keyed({ GATEWAY_TOKENS: `a:${TOKEN_A}` })).toEqual([missing])
    expect(keyed({ GATEWAY_AUTH: 'none' })).toEqual([missing])
    expect(keyed({ GATEWAY_TOKENS: `a:${TOKEN_A}`, COOKIE_MODE: 'on' })).toEqual([missing])
    const caller = `callers: [{id: a, tokens: ["${TOKEN_A}"]}]`
    expect(keyed({ GATEWAY_CONFIG: 'c' }, { c: caller })).toEqual([missing])
    expect(keyed({ GATEWAY_CONFIG: 'c', COOKIE_MODE: 'on' }, { c: caller })).toEqual([missing])
  })

  it('is not needed in cookie mode alone, or if each caller has its own', () => {
    expect(loadConfig({ COOKIE_MODE: 'on' }).apiKey).toBeUndefined()
    const caller = `callers: [{id: a, tokens: ["${TOKEN_A}"], apiKey: own-key}]`
    const config = loadConfig({ GATEWAY_CONFIG: 'c' }, fakeFiles({ c: caller }))
    expect(config.apiKey).toBeUndefined()
    expect(config.callers[0]?.apiKey?.reveal()).toBe('own-key')
  })
})

describe('tokens', () => {
  it.each([
    ['nocolon-aaaaaaaaaaaaaaaaaaaaaa', 'entry 1 must be id:token'],
    [`:${TOKEN_A}`, 'entry 1 must begin with an id'],
    [`a b:${TOKEN_A}`, 'entry 1 must begin with an id'],
    [`.a:${TOKEN_A}`, 'entry 1 must begin with an id'],
    ['a:short', 'entry 1 must be a token of 20 to 1024'],
    ['a:has a space aaaaaaaaaaaaaaaaa', 'entry 1 must be a token of 20 to 1024'],
    [`a:${'é'.repeat(30)}`, 'entry 1 must be a token of 20 to 1024'],
    [`a:${'x'.repeat(1025)}`, 'entry 1 must be a token of 20 to 1024'],
    [`a:${TOKEN_A},a:${TOKEN_B}`, 'entry 2 has the id of an earlier entry'],
    [`a:${TOKEN_A},b:${TOKEN_A}`, 'entry 2 has the token of an earlier entry'],
    [',', 'must have at least one id:token'],
  ])('refuses what is not id:token (%#)', (text, message) => {
    expect(findProblems({ GATEWAY_TOKENS: text })).toEqual([
      expect.stringContaining(`GATEWAY_TOKENS: ${message}`),
    ])
  })

  it('come from a file, one a line or comma-separated', () => {
    const files = { t: `a:${TOKEN_A}\r\n\nb:${TOKEN_B},c:${TOKEN_A}2\n` }
    const config = load({ GATEWAY_TOKENS: undefined, GATEWAY_TOKENS_FILE: 't' }, files)
    expect(config.callers.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  })

  it('come from one place only, and a faulty file is said to be', () => {
    expect(findProblems({ GATEWAY_TOKENS_FILE: 't' }, { t: 'x' })).toEqual([
      "GATEWAY_TOKENS_FILE: can't be set together with GATEWAY_TOKENS",
    ])
    const faulty = findProblems({ GATEWAY_TOKENS: undefined, GATEWAY_TOKENS_FILE: 't' }, { t: 'a:b\nc' })
    expect(faulty).toEqual([
      expect.stringMatching(/^GATEWAY_TOKENS_FILE: entry 1 .*\(in the file\)$/),
      expect.stringMatching(/^GATEWAY_TOKENS_FILE: entry 2 .*\(in the file\)$/),
    ])
  })

  it('are needed, unless others can call', () => {
    const problems = findProblemsOf({ OOMOL_API_KEY: 'key' })
    expect(problems).toEqual([expect.stringMatching(/^GATEWAY_TOKENS: no one can call/)])
    expect(findProblemsOf({ OOMOL_API_KEY: 'key', GATEWAY_CONFIG: 'c' }, { c: '' })).toHaveLength(1)
    expect(findProblemsOf({ OOMOL_API_KEY: 'key', GATEWAY_AUTH: 'none' })).toEqual([])
    expect(findProblemsOf({ COOKIE_MODE: 'on' })).toEqual([])
    expect(findProblemsOf({})).toHaveLength(2)
  })

  it('still identify when the gateway is open', () => {
    const config = load({ GATEWAY_AUTH: 'none' })
    expect(config.auth).toBe('none')
    expect(config.callers).toHaveLength(1)
  })
})

describe('unknown settings', () => {
  it.each([
    ['GATEWAY_TOKEN', 'is not a setting; did you mean GATEWAY_TOKENS?'],
    ['OOMOL_APIKEY', 'is not a setting; did you mean OOMOL_API_KEY?'],
    ['GATEWAY_SOMETHING_ELSE', 'is not a setting'],
    ['GATEWAY_PORT', 'is not a setting'],
  ])('%s %s', (name, message) => {
    expect(findProblems({ [name]: '3000' })).toEqual([`${name}: ${message}`])
  })

  it('leaves names of others alone', () => {
    expect(findProblems({ PATH: '/bin', MY_GATEWAY_X: 'x', POLL_RATES: '1', GATEWAY: 'x' })).toEqual([])
  })

  it('leaves alone what Kubernetes sets beside a service of that name', () => {
    const links = {
      GATEWAY_SERVICE_HOST: '10.0.0.1',
      GATEWAY_SERVICE_PORT: '3000',
      GATEWAY_SERVICE_PORT_HTTP: '3000',
      GATEWAY_PORT: 'tcp://10.0.0.1:3000',
      GATEWAY_PORT_3000_TCP: 'tcp://10.0.0.1:3000',
      GATEWAY_PORT_3000_TCP_PROTO: 'tcp',
      OOMOL_GATEWAY_PORT_3000_TCP_ADDR: '10.0.0.1',
    }
    expect(findProblems(links)).toEqual([])
  })

  it('leaves alone what the file takes from the environment', () => {
    const yaml = `callers: [{id: x, tokens: ["\${GATEWAY_X_TOKEN}"]}]`
    const env = { GATEWAY_X_TOKEN: TOKEN_B, GATEWAY_CONFIG: 'c' }
    expect(findProblems(env, { c: yaml })).toEqual([])
    expect(findProblems(env, { c: '' })).toEqual([
      expect.stringMatching(/^GATEWAY_X_TOKEN: is not a setting/),
    ])
    // A file that can't be read may well have named it.
    expect(findProblems(env, {})).toEqual([expect.stringMatching(/^GATEWAY_CONFIG: .*ENOENT/)])
  })
})

describe('all at once', () => {
  it('reports every problem of environment and files together', () => {
    const env = { PORT: 'x', LOG_LEVEL: 'x', GATEWAY_TYPO: 'x', GATEWAY_TOKENS: 'x', GATEWAY_CONFIG: 'c' }
    const problems = findProblemsOf(env, { c: 'callers: 1\nfunctions: 2\n' })
    expect(problems.map((problem) => problem.split(' must')[0])).toEqual([
      'PORT:',
      'GATEWAY_TOKENS: entry 1',
      'LOG_LEVEL:',
      'GATEWAY_CONFIG: line 2: functions:',
      'GATEWAY_CONFIG: line 1: callers:',
      'GATEWAY_TYPO: is not a setting',
      expect.stringContaining('OOMOL_API_KEY: is needed'),
    ])
  })

  it('formats them for the terminal', () => {
    const error = new ConfigError([
      { setting: 'PORT', message: 'must be a whole number' },
      { setting: 'GATEWAY_CONFIG', message: 'line 3: has an unknown key' },
    ])
    expect(formatConfigProblems(error)).toBe(
      'The configuration has 2 problems.\n  PORT: must be a whole number\n  GATEWAY_CONFIG: line 3: has an unknown key',
    )
  })
})

describe('real files', () => {
  it('are read as UTF-8, a byte order mark dropped, anything else refused', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'))
    try {
      const path = join(folder, 'key')
      writeFileSync(path, '\ufefffile-key\n')
      const env = { ...BASE, OOMOL_API_KEY: undefined, OOMOL_API_KEY_FILE: path }
      expect(loadConfig(env).apiKey?.reveal()).toBe('file-key')
      writeFileSync(path, Buffer.from([0x6b, 0xff, 0xfe]))
      expect(() => loadConfig(env)).toThrow(ConfigError)
      expect(() => loadConfig({ ...env, OOMOL_API_KEY_FILE: folder })).toThrow(ConfigError)
      expect(() => loadConfig({ ...env, OOMOL_API_KEY_FILE: 'a\0b' })).toThrow(ConfigError)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('reloadCallers', () => {
  const yaml = (id: string) => `callers: [{id: ${id}, tokens: ["${TOKEN_B}"]}]`
  const env = { ...BASE, GATEWAY_CONFIG: 'c' }

  it('reads callers and functions again and leaves everything else', () => {
    const before = loadConfig(env, fakeFiles({ c: yaml('one') }))
    const after = reloadCallers(
      before,
      { ...env, PORT: '1', OOMOL_API_KEY: 'other' },
      fakeFiles({ c: yaml('two') }),
    )
    expect(before.callers.map(({ id }) => id)).toEqual(['billing', 'one'])
    expect(after.callers.map(({ id }) => id)).toEqual(['billing', 'two'])
    expect({ ...after, callers: [] }).toEqual({ ...before, callers: [] })
    expect(after.apiKey).toBe(before.apiKey)
    expect(Object.isFrozen(after)).toBe(true)
  })

  it('throws when the file is faulty', () => {
    const before = loadConfig(env, fakeFiles({ c: yaml('one') }))
    expect(() => reloadCallers(before, env, fakeFiles({ c: yaml('"no id"') }))).toThrow(ConfigError)
    expect(() => reloadCallers(before, env, fakeFiles({}))).toThrow(ConfigError)
  })
})
