import {
  type BlockInputs,
  type BlockPlan,
  type EmulatedBlock,
  type EmulatedPackage,
  endsWith,
  type HandleDef,
  type Outcome,
  success,
} from './packages.ts'
import { type ByteText, toJson } from './raw-json.ts'
import { TYPED_BLOCK } from './typed-block.ts'

/** Reads a file of the emulator's own store and answers with what it found. */
export type InspectFile = (url: string, signal: AbortSignal) => Promise<FileFacts>

/** `size` in bytes, `sha256` in hex; `words` is null when the file is not a text. */
export type FileFacts = { size: number; sha256: string; words: number | null }

/** The packages published from the start; `latest` of each is its last entry here. */
export function createBuiltInPackages(inspect: InspectFile): EmulatedPackage[] {
  return [
    {
      ...BASICS,
      packageVersion: '1.0.0',
      blocks: [{ ...ECHO, inputHandleDefs: [{ handle: 'value' }] }, SLEEP, FAIL],
    },
    { ...BASICS, packageVersion: '1.1.0', blocks: [ECHO, SLEEP, FAIL, HOLD, TYPED_BLOCK] },
    createFilesPackage(inspect),
    GREET,
  ]
}

const BASICS = {
  packageName: '@emulator/basics',
  title: 'Basics',
  description: 'Blocks that echo, sleep, fail and wait.',
}

const NUMBER = { type: 'number', minimum: 0 }
const STRING = { type: 'string' }

const ECHO: EmulatedBlock = {
  blockName: 'echo',
  title: 'Echo',
  description: 'Returns its inputs as they came, byte for byte.',
  inputHandleDefs: [{ handle: 'value', description: 'Anything', nullable: true, value: null }],
  outputHandleDefs: [{ handle: 'value', description: 'The same' }],
}

const SLEEP: EmulatedBlock = {
  blockName: 'sleep',
  title: 'Sleep',
  description: 'Runs for a given time.',
  inputHandleDefs: [
    { handle: 'seconds', description: 'How long it runs', json_schema: NUMBER },
    { handle: 'value', description: 'Anything, returned at the end', nullable: true, value: null },
  ],
  outputHandleDefs: [
    { handle: 'slept', description: 'Seconds', json_schema: NUMBER },
    { handle: 'value', description: 'The value given' },
  ],
  run(inputs) {
    const seconds = inputs.values.seconds
    if (!isDuration(seconds)) return wrongInput('seconds', 'a number from 0')
    const value = inputs.members.get('value') ?? 'null'
    return endsWith(success(`{"slept":${toJson(seconds)},"value":${value}}`), seconds * 1000)
  },
}

const FAIL: EmulatedBlock = {
  blockName: 'fail',
  title: 'Fail',
  description: 'Fails with a given message.',
  inputHandleDefs: [
    { handle: 'message', description: 'What it says', json_schema: STRING },
    { handle: 'seconds', description: 'How long it runs before', json_schema: { ...NUMBER, default: 0 } },
  ],
  outputHandleDefs: [],
  run({ values }) {
    const { message, seconds = 0 } = values
    if (typeof message !== 'string') return wrongInput('message', 'a string')
    if (!isDuration(seconds)) return wrongInput('seconds', 'a number from 0')
    return endsWith({ status: 'failed', error: message }, seconds * 1000)
  },
}

const HOLD: EmulatedBlock = {
  blockName: 'hold',
  title: 'Hold',
  description: 'Runs until the emulator is asked to finish it.',
  inputHandleDefs: [{ handle: 'value', description: 'Anything', nullable: true, value: null }],
  outputHandleDefs: [{ handle: 'value' }],
  run: () => ({ kind: 'holds' }),
}

const GREET: EmulatedPackage = {
  packageName: 'greet',
  packageVersion: '2.0.0',
  title: 'Greet',
  description: 'A package without a scope.',
  blocks: [
    {
      blockName: 'hello',
      title: 'Hello',
      description: 'Greets a person.',
      inputHandleDefs: [{ handle: 'name', description: 'Name of the person', json_schema: STRING }],
      outputHandleDefs: [{ handle: 'greeting', json_schema: STRING }],
      run({ values }) {
        if (typeof values.name !== 'string') return wrongInput('name', 'a string')
        return endsWith(success(toJson({ greeting: `Hello, ${values.name}!` })))
      },
    },
  ],
}

const FACTS: HandleDef[] = [
  { handle: 'size', description: 'Bytes', json_schema: { type: 'integer' } },
  { handle: 'sha256', description: 'In hex', json_schema: STRING },
  { handle: 'words', description: 'Words, if it is text', json_schema: { type: 'integer' }, nullable: true },
]

function createFilesPackage(inspect: InspectFile): EmulatedPackage {
  return {
    packageName: '@emulator/files',
    packageVersion: '1.0.0',
    title: 'Files',
    description: 'Blocks that read uploaded files.',
    blocks: [createInspectBlock(inspect), createInspectManyBlock(inspect)],
  }
}

function createInspectBlock(inspect: InspectFile): EmulatedBlock {
  return {
    blockName: 'inspect',
    title: 'Inspect',
    description: 'Reads an uploaded file: its size, SHA-256 and number of words.',
    inputHandleDefs: [
      { handle: 'file', description: "The file's URL", json_schema: { ...STRING, format: 'uri' } },
    ],
    outputHandleDefs: FACTS,
    run({ values }) {
      const { file } = values
      if (typeof file !== 'string') return wrongInput('file', 'a URL')
      return works(async (signal) => toJson(await inspect(file, signal)))
    },
  }
}

function createInspectManyBlock(inspect: InspectFile): EmulatedBlock {
  return {
    blockName: 'inspect-many',
    title: 'Inspect many',
    description: 'Reads several uploaded files, one after another.',
    inputHandleDefs: [
      {
        handle: 'files',
        description: "The files' URLs",
        json_schema: { type: 'array', items: { ...STRING, format: 'uri' } },
      },
    ],
    outputHandleDefs: [{ handle: 'files', description: 'The facts of each', json_schema: { type: 'array' } }],
    run({ values }) {
      const { files } = values
      if (!isStrings(files)) return wrongInput('files', 'a list of URLs')
      return works((signal) => inspectAll(inspect, files, signal))
    },
  }
}

async function inspectAll(inspect: InspectFile, urls: string[], signal: AbortSignal): Promise<ByteText> {
  const facts: FileFacts[] = []
  for (const url of urls) facts.push(await inspect(url, signal))
  return toJson({ files: facts })
}

/** Real work: the task fails with the message of what it throws. */
function works(work: (signal: AbortSignal) => Promise<ByteText>): BlockPlan {
  async function run(signal: AbortSignal): Promise<Outcome> {
    try {
      return success(await work(signal))
    } catch (error) {
      return { status: 'failed', error: error instanceof Error ? error.message : String(error) }
    }
  }
  return { kind: 'works', work: run }
}

function wrongInput(name: keyof BlockInputs['values'] & string, expected: string): BlockPlan {
  return endsWith({ status: 'failed', error: `input ${name} must be ${expected}` })
}

function isDuration(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value)
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
