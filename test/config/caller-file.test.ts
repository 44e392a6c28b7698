import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PLAIN_SCOPES } from '../../src/domain/caller.ts'
import { hashToken } from '../../src/domain/token.ts'
import { type Env, findFileProblems, load, TOKEN_A, TOKEN_B } from './support/problems.ts'

const loadFile = (yaml: string, env: Env = {}) => load({ ...env, GATEWAY_CONFIG: 'c' }, { c: yaml })

/** A file with everything a caller can have. */
const DOCUMENTED = `
callers:
  - id: web
    tokens: ["\${WEB_TOKEN}"]        # and/or tokenSha256: ["<hex>"]; several while rotating
    scopes: [run, tasks:read, files:write]
    packages: []
    functions: [summarise]
    origins: ["https://app.example"]
    limits: { requestsPerMinute: 600, createsPerMinute: 60, concurrentRuns: 20, uploadBytes: 100MiB }
    apiKey: "\${OTHER_OOMOL_KEY}"
functions:
  - name: summarise
    package: "@acme/pdf"
    version: "1.4.0"
    block: summarise
    description: Summarises a PDF.
    inputs: { language: en }
    fixed: { model: small }
    wait: 2m
`

describe('a valid file', () => {
  it('is read as documented', () => {
    const config = loadFile(DOCUMENTED, { WEB_TOKEN: TOKEN_B, OTHER_OOMOL_KEY: 'other-key' })
    expect(config.callers[0]?.id).toBe('billing')
    const { apiKey, ...web } = config.callers[1] ?? {}
    expect(web).toEqual({
      id: 'web',
      tokenHashes: [hashToken(TOKEN_B)],
      rules: {
        scopes: new Set(['run', 'tasks:read', 'files:write']),
        packages: [],
        functions: ['summarise'],
        origins: ['https://app.example'],
        limits: {
          requestsPerMinute: 600,
          createsPerMinute: 60,
          concurrentRuns: 20,
          uploadBytes: 100 * 2 ** 20,
        },
      },
    })
    expect(apiKey?.reveal()).toBe('other-key')
    expect(config.functions).toEqual([
      {
        name: 'summarise',
        packageName: '@acme/pdf',
        packageVersion: '1.4.0',
        blockName: 'summarise',
        description: 'Summarises a PDF.',
        inputs: { language: 'en' },
        fixed: { model: 'small' },
        waitMs: 120_000,
      },
    ])
  })

  it('leaves a caller closed but for the plain scopes', () => {
    const config = loadFile(`callers: [{ id: a, tokens: ["${TOKEN_B}"] }]`)
    expect(config.callers[1]).toEqual({
      id: 'a',
      tokenHashes: [hashToken(TOKEN_B)],
      rules: { scopes: new Set(PLAIN_SCOPES), packages: [], functions: [], origins: [], limits: {} },
    })
  })

  it('takes several tokens and hashes of one caller', () => {
    const hex = createHash('sha256').update('another').digest('hex')
    const yaml = `callers: [{ id: a, tokens: ["${TOKEN_B}"], tokenSha256: ["${hex.toUpperCase()}"] }]`
    expect(loadFile(yaml).callers[1]?.tokenHashes).toEqual([hashToken(TOKEN_B), Buffer.from(hex, 'hex')])
  })

  it('may be empty, hold no scopes, or use anchors', () => {
    expect(loadFile('# nothing yet\n').functions).toEqual([])
    const yaml = `
callers:
  - { id: a, tokens: ["${TOKEN_B}"], scopes: [], limits: &few { createsPerMinute: 5 } }
  - { id: b, tokens: ["${TOKEN_B}2"], scopes: &all [run, queue:write], limits: *few }
  - { id: c, tokens: ["${TOKEN_B}3"], scopes: *all }
`
    const callers = loadFile(yaml).callers.slice(1)
    expect(callers.map(({ rules }) => [...rules.scopes])).toEqual([
      [],
      ['run', 'queue:write'],
      ['run', 'queue:write'],
    ])
    expect(callers[1]?.rules.limits).toEqual({ createsPerMinute: 5 })
  })

  it(`keeps JSON values as they are, texts with \${NAME} replaced at any depth`, () => {
    const yaml = `
functions:
  - name: f
    package: p
    version: latest
    block: b
    inputs:
      "on": [1, -2.5, true, null, "\${WORD}", { deep: "a \${WORD} and \${WORD}" }]
      date: 2001-01-01
      1: one
      literal: "$\${WORD}"
      empty:
    fixed: { zero: 0 }
`
    expect(loadFile(yaml, { WORD: `yes: [1] \${OTHER}` }).functions[0]).toMatchObject({
      inputs: {
        on: [
          1,
          -2.5,
          true,
          null,
          `yes: [1] \${OTHER}`,
          { deep: `a yes: [1] \${OTHER} and yes: [1] \${OTHER}` },
        ],
        date: '2001-01-01',
        1: 'one',
        literal: `\${WORD}`,
        empty: null,
      },
      fixed: { zero: 0 },
    })
  })
})

/** A caller with one more line, the fourth of the file. */
const callerWith = (line: string): string => `callers:
  - id: a
    tokens: ["${TOKEN_B}"]
    ${line}
`
/** A function with one more line, the sixth of the file. */
const functionWith = (line: string): string => `functions:
  - name: f
    package: p
    version: latest
    block: b
    ${line}
`

describe('a caller', () => {
  it.each([
    ['token: x', 'callers[0]: has an unknown key; did you mean tokens?'],
    ['colour: red', 'callers[0]: has an unknown key; it takes id, tokens, tokenSha256,'],
    ['scopes: [run, tasks]', 'callers[0].scopes[1]: must be one of run, tasks:read,'],
    ['scopes: run', 'callers[0].scopes: must be a list'],
    ['scopes:', 'callers[0].scopes: must be a list'],
    ['scopes: [1]', 'callers[0].scopes[0]: must be a text; put it in quotes'],
    ['packages: ["@acme/*", "a*b"]', 'callers[0].packages[1]: must be *, @scope/*, a package name'],
    ['packages: ["ocr@1*"]', 'callers[0].packages[0]: has a version that is neither'],
    ['functions: ["A*"]', 'callers[0].functions[0]: must be *, a function name'],
    ['functions: [nowhere]', 'callers[0].functions[0]: must name a function of this file'],
    ['origins: ["*"]', 'callers[0].origins[0]: must be an exact origin'],
    ['origins: ["https://a.example/"]', 'callers[0].origins[0]: must be an exact origin'],
    ['limits: 5', 'callers[0].limits: must be a mapping'],
    ['limits: { requestsPerHour: 5 }', 'callers[0].limits: has an unknown key; it takes requestsPerMinute,'],
    [
      'limits: { requestsPerMinute: 0 }',
      'callers[0].limits.requestsPerMinute: must be a whole number from 1',
    ],
    ['limits: { createsPerMinute: 1.5 }', 'callers[0].limits.createsPerMinute: must be a whole number'],
    ['limits: { concurrentRuns: "5" }', 'callers[0].limits.concurrentRuns: must be a whole number'],
    ['limits: { concurrentRuns: .inf }', 'callers[0].limits.concurrentRuns: must be a whole number'],
    ['limits: { uploadBytes: 5MB }', 'callers[0].limits.uploadBytes: must be a size'],
    ['limits: { uploadBytes: -5 }', 'callers[0].limits.uploadBytes: must be a size'],
    ['limits: { uploadBytes: 1e9 }', undefined],
    ['limits: { uploadBytes: 1024 }', undefined],
    ['apiKey: "a b"', 'callers[0].apiKey: must be visible ASCII'],
    ['apiKey: 12345', 'callers[0].apiKey: must be a text; put it in quotes'],
    ['tokenSha256: [abc]', 'callers[0].tokenSha256[0]: must be a SHA-256 in 64 hexadecimal digits'],
    ['functions: ["x-*"]', undefined],
  ])('with %s', (line, message) => {
    const expected = message === undefined ? [] : [expect.stringContaining(`line 4: ${message}`)]
    expect(findFileProblems(callerWith(line))).toEqual(expected)
  })

  it.each([
    ['callers: [{ id: a }]', 'needs tokens or tokenSha256'],
    ['callers: [{ id: a, tokens: [] }]', 'needs at least one token'],
    ['callers: [{ id: a, tokens: [], tokenSha256: [] }]', 'needs at least one token'],
    [`callers: [{ tokens: ["${TOKEN_B}"] }]`, 'needs id'],
    [`callers: [{ id: "a b", tokens: ["${TOKEN_B}"] }]`, 'must be 1 to 64 letters'],
    ['callers: [{ id: a, tokens: [short] }]', 'must be a token of 20 to 1024'],
    ['callers: [{ id: a, tokens: { x: y } }]', 'must be a list'],
    ['callers: [web]', 'must be a mapping'],
    ['callers: {}', 'must be a list'],
    ['[]', 'must be a mapping'],
    ['caller: []', 'has an unknown key; did you mean callers?'],
  ])('as %s', (yaml, message) => {
    expect(findFileProblems(yaml)).toEqual([expect.stringContaining(message)])
  })

  it('has an id and tokens that no other caller has', () => {
    const yaml = `callers:
  - { id: a, tokens: ["${TOKEN_B}"] }
  - { id: a, tokenSha256: ["${hashToken(TOKEN_B).toString('hex')}"] }
  - { id: billing, tokens: ["${TOKEN_A}"] }
  - { id: c, tokens: ["${TOKEN_B}c", "${TOKEN_B}c"] }
`
    expect(findFileProblems(yaml)).toEqual([
      expect.stringMatching(/^line 3: callers\[1\]\.id: is the id of another caller/),
      expect.stringMatching(/^line 3: callers\[1\]\.tokenSha256\[0\]: is a token that is used before/),
      expect.stringMatching(/^line 4: callers\[2\]\.id: is the id of another caller/),
      expect.stringMatching(/^line 4: callers\[2\]\.tokens\[0\]: is a token that is used before/),
      expect.stringMatching(/^line 5: callers\[3\]\.tokens\[1\]: is a token that is used before/),
    ])
  })
})

describe('a function', () => {
  it.each([
    ['description: 5', 'functions[0].description: must be a text'],
    [`description: ${'x'.repeat(1025)}`, 'functions[0].description: must have at most 1024'],
    ['inputs: [a]', 'functions[0].inputs: must be a mapping'],
    ['fixed: x', 'functions[0].fixed: must be a mapping'],
    ['inputs: { __proto__: { a: 1 } }', 'functions[0].inputs: has a key that is not allowed'],
    ['inputs: { a: { __proto__: 1 } }', 'functions[0].inputs: has a key that is not allowed'],
    ['inputs: { a: .nan }', 'functions[0].inputs: holds a number that JSON would change'],
    ['inputs: { a: 9007199254740993 }', 'functions[0].inputs: holds a number that JSON would change'],
    ['fixed: { a: [1e400] }', 'functions[0].fixed: holds a number that JSON would change'],
    [`inputs: { a: ${'['.repeat(40)}${']'.repeat(40)} }`, 'functions[0].inputs: is nested more than 32 deep'],
    ['wait: 50', 'functions[0].wait: must be a text; put it in quotes'],
    ['wait: soon', 'functions[0].wait: must be a duration'],
    ['wait: 11m', 'functions[0].wait: must not be longer than RUN_MAX_WAIT'],
    ['wait: 10m', undefined],
    ['timeout: 5s', 'functions[0]: has an unknown key; it takes name, package,'],
  ])('with %s', (line, message) => {
    const expected = message === undefined ? [] : [expect.stringContaining(`line 6: ${message}`)]
    expect(findFileProblems(functionWith(line))).toEqual(expected)
  })

  it.each([
    ['name: F', 'name: must be 1 to 64 small letters'],
    ['package: "@acme/a/b"', 'package: must be a package name'],
    ['package: "@acme/.."', 'package: must be a package name'],
    ['version: 1.4', 'version: must be a text; put it in quotes'],
    ['version: "^1.0.0"', 'version: must be a version'],
    ['block: a/b', 'block: must be a block name'],
    ['block: ""', 'block: must be a block name'],
  ])('with %s', (line, message) => {
    const key = line.split(':')[0]
    const lines = functionWith('').replace(new RegExp(`${key}: .*`), line)
    expect(findFileProblems(lines)).toEqual([expect.stringContaining(`functions[0].${message}`)])
  })

  it('needs name, package, version and block', () => {
    expect(findFileProblems('functions: [{}]')).toEqual(
      ['name', 'package', 'version', 'block'].map((key) => `line 1: functions[0]: needs ${key}`),
    )
  })

  it('has a name of its own', () => {
    const one = '{ name: f, package: p, version: latest, block: b }'
    expect(findFileProblems(`functions:\n  - ${one}\n  - ${one}\n`)).toEqual([
      'line 3: functions[1].name: is the name of an earlier function',
    ])
  })

  it('has no value that is both a default and fixed', () => {
    const yaml = functionWith('inputs: { a: 1, b: 2 }\n    fixed: { b: 3 }')
    expect(findFileProblems(yaml)).toEqual([
      expect.stringMatching(/^line 7: functions\[0\]\.fixed: has a key that inputs has too/),
    ])
    // What every object inherits is not a key.
    expect(findFileProblems(functionWith('fixed: { constructor: 1 }'))).toEqual([])
  })

  it('that is faulty otherwise can still be named in a rule', () => {
    const yaml = `${functionWith('wait: soon')}${callerWith('functions: [f]')}`
    expect(findFileProblems(yaml)).toEqual([expect.stringContaining('functions[0].wait')])
  })
})

describe('a reference to the environment', () => {
  const missing = 'takes NOT_THERE from the environment, where it is missing or empty'
  it.each([
    [`"\${NOT_THERE}"`, [missing]],
    [`"\${NOT_THERE} and \${NOT_THERE}"`, [missing, missing]],
    [`"\${lower}"`, [`has \${ without a variable name`]],
    [`"\${}"`, [`has \${ without a variable name`]],
    [`"\${UNCLOSED"`, [`has \${ without a variable name`]],
    [`"\${A-B}"`, [`has \${ without a variable name`]],
  ])('as %s is a problem with its line', (text, messages) => {
    const expected = messages.map((message) =>
      expect.stringContaining(`line 4: callers[0].apiKey: ${message}`),
    )
    expect(findFileProblems(callerWith(`apiKey: ${text}`))).toEqual(expected)
    expect(findFileProblems(callerWith(`apiKey: ${text}`), { NOT_THERE: '' })).toEqual(expected)
  })

  it('is replaced by a text, never by YAML', () => {
    const env = { LIST: '[run]', COUNT: '5' }
    expect(findFileProblems(callerWith(`scopes: "\${LIST}"`), env)).toEqual([
      expect.stringContaining('scopes: must be a list'),
    ])
    expect(findFileProblems(callerWith(`limits: { concurrentRuns: "\${COUNT}" }`), env)).toHaveLength(1)
  })

  it('is left alone in keys and comments', () => {
    expect(findFileProblems(callerWith(`# \${NOT_THERE}`))).toEqual([])
    const yaml = functionWith(`inputs: { "\${NOT_THERE}": 1 }`)
    expect(Object.keys(loadFile(yaml).functions[0]?.inputs ?? {})).toEqual([`\${NOT_THERE}`])
  })
})

describe('YAML', () => {
  it.each([
    ['callers: []\ncallers: []', 'line 2: a key appears more than once'],
    ['callers: []\n---\ncallers: []', 'line 2: a second document begins here; only one is allowed'],
    ['callers:\n\t- id: a', 'line 2: is indented with a tab; YAML needs spaces'],
    ['callers: []\nfunctions: "x', 'line 2: is not valid YAML'],
    ['callers: [\n', 'line 2: is not valid YAML'],
    [`callers:\n  - tokens: [\${WEB_TOKEN}]`, 'line 2: is not valid YAML'],
    ['callers: !!binary aGk=', 'line 1: has a tag (!…) that is not known'],
    ['callers: !secret x', 'line 1: has a tag (!…) that is not known'],
    ['? [a]\n: b', 'line 1: a key must be a text'],
    ['callers: *nowhere', 'line 1: callers: is an alias (*name) of an unknown anchor'],
    [`callers: ${'['.repeat(20_000)}`, 'line 1: is '],
    ['#'.repeat(2 ** 20 + 1), 'line 1: the file is larger than 1 MiB'],
    ['%YAML 1.1\n---\n<<: { callers: [] }', 'line 3: has an unknown key'],
  ])('that is wrong is reported with its line (%#)', (yaml, message) => {
    const problems = findFileProblems(yaml)
    expect(problems[0]).toContain(message)
    expect(problems.length).toBeLessThanOrEqual(5)
  })

  it('is 1.2 whatever the file says of itself', () => {
    const yaml = `%YAML 1.1\n---\n${functionWith('inputs: { a: yes, b: 2001-01-01, c: 1_000, "<<": 5 }')}`
    expect(loadFile(yaml).functions[0]?.inputs).toEqual({ a: 'yes', b: '2001-01-01', c: '1_000', '<<': 5 })
  })

  it('can not explode', () => {
    const bombs = [
      'inputs: &a { x: *a, y: *a, z: [*a, *a] }',
      'inputs: { a: &a [x, x], b: &b [*a, *a, *a, *a], c: &c [*b, *b, *b, *b], d: &d [*c, *c, *c, *c], e: [*d, *d] }',
    ]
    for (const bomb of bombs) {
      const problems = findFileProblems(functionWith(bomb))
      expect(problems).toContainEqual('line 6: functions[0].inputs: is one alias (*name) more than 100')
      expect(problems.length).toBeLessThan(100)
    }
  })
})
