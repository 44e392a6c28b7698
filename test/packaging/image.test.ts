import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load-config.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { readEnvironment } from '../../src/emulator/environment.ts'

type Service = {
  environment: Record<string, string>
  image: string
  command?: string[]
  read_only: boolean
  cap_drop: string[]
  security_opt: string[]
  stop_grace_period: string
  volumes?: string[]
  profiles?: string[]
}

const readRoot = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const compose = parse(readRoot('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: object
}
const dockerfile = readRoot('Dockerfile')
/** What the image sets, before compose sets anything. */
const imageEnvironment = Object.fromEntries(
  [.../^ENV ((?:.*\\\n)*.*)$/m.exec(dockerfile)![1]!.matchAll(/([A-Z_]+)=(\S+)/g)].map((match) => [
    match[1]!,
    match[2]!,
  ]),
)

const TOKENS = { GATEWAY_TOKENS: 'app:test-token-aaaaaaaaaaaaaaaa', OOMOL_API_KEY: 'key' }

test('every name the image and compose set for a gateway is a setting', () => {
  const { gateway, 'gateway-demo': demo } = compose.services
  const names = [imageEnvironment, gateway!.environment, demo!.environment].flatMap((env) => Object.keys(env))
  const unknown = names.filter((name) => name !== 'NODE_ENV' && !Object.hasOwn(SETTINGS, name))
  expect(unknown).toEqual([])
})

test('the image listens on every address and stores in its volume', () => {
  const config = loadConfig({ ...imageEnvironment, ...TOKENS })
  expect([config.host, config.port, config.storeUrl]).toEqual(['0.0.0.0', 3000, 'file:/data'])
  expect(dockerfile).toMatch(/^VOLUME \/data$/m)
  expect(dockerfile).toMatch(/^USER node$/m)
  expect(dockerfile).toMatch(
    /chmod \+x dist\/main\.js && ln -s \/app\/dist\/main\.js \S+\/bin\/oomol-gateway$/m,
  )
})

test('the gateway of compose is the same, whatever .env says of address and store', () => {
  const { environment, volumes } = compose.services.gateway!
  const config = loadConfig({ ...imageEnvironment, ...TOKENS, HOST: '127.0.0.1', ...environment })
  expect([config.host, config.port, config.storeUrl]).toEqual(['0.0.0.0', 3000, 'file:/data'])
  expect(volumes).toContain('data:/data')
  expect(compose.volumes).toHaveProperty('data')
})

test('the demo of compose is a gateway in front of the emulator beside it', () => {
  const { 'gateway-demo': demo, emulator } = compose.services
  const config = loadConfig({ ...imageEnvironment, ...demo!.environment })
  const emulated = readEnvironment(emulator!.environment)
  expect(emulated).toHaveProperty('options')
  if ('problems' in emulated) return
  const { port, storePort, storeUrl, keys, host } = emulated.options
  expect(config.upstream).toEqual({
    taskUrl: `http://emulator:${port}`,
    uploadUrl: `http://emulator:${port}/api/tasks/files/remote-cache`,
    registryUrl: `http://emulator:${port}`,
    allowInsecure: true,
  })
  expect([host, storeUrl, keys]).toEqual([
    '0.0.0.0',
    `http://emulator:${storePort}`,
    [config.apiKey?.reveal()],
  ])
  expect([demo!.profiles, emulator!.profiles]).toEqual([['demo'], ['demo']])
})

test.each(Object.entries(compose.services))('%s may do no more than it needs', (_name, service) => {
  expect(service).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  })
  const graceSeconds = SETTINGS.SHUTDOWN_GRACE.default.replace('s', '')
  expect(Number(service.stop_grace_period.replace('s', ''))).toBeGreaterThan(Number(graceSeconds))
})

test('what the Dockerfile copies is there, and is let into the build', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
    match[1]!.split(' '),
  )
  const letIn = readRoot('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  expect([...new Set(copied)].toSorted()).toEqual(letIn.toSorted())
  expect(copied.filter((name) => !existsSync(new URL(`../../${name}`, import.meta.url)))).toEqual([])
})
