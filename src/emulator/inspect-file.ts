import { createHash } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import type { FileFacts, InspectFile } from './built-in-packages.ts'

const MAX_BYTES = 1024 * 1024 * 1024

/**
 * Reads files over HTTP, from the emulator's own store only: it must not fetch a URL that a stranger chose.
 * `publicUrl` is what the files' URLs begin with, `localUrl` where the store is reached from in here.
 */
export function createInspectFile(store: { publicUrl: string; localUrl: string }): InspectFile {
  const prefix = `${store.publicUrl}/files/`
  return async (url, signal) => {
    if (!url.startsWith(prefix)) throw new Error('the file is not in the store of this emulator')
    const local = `${store.localUrl}/files/${url.slice(prefix.length)}`
    const response = await open(local, signal)
    if (response.statusCode !== 200) {
      response.resume()
      throw new Error(`the file could not be read: the store answered ${response.statusCode}`)
    }
    return readFacts(response)
  }
}

function open(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { signal, agent: false }, resolve).once('error', () => {
      reject(new Error('the file could not be read: the store is not reachable'))
    })
  })
}

async function readFacts(response: IncomingMessage): Promise<FileFacts> {
  const hash = createHash('sha256')
  const words = createWordCount()
  let size = 0
  try {
    for await (const chunk of response) {
      size += chunk.length
      if (size > MAX_BYTES) break
      hash.update(chunk)
      words.take(chunk)
    }
  } catch {
    throw new Error('the file could not be read: the store broke off')
  }
  if (size > MAX_BYTES) throw new Error(`the file is larger than ${MAX_BYTES} bytes`)
  return { size, sha256: hash.digest('hex'), words: words.finish() }
}

/** Counts the words of a text that comes in pieces; null if it is not a text (invalid UTF-8, or NUL bytes). */
function createWordCount(): { take(chunk: Buffer): void; finish(): number | null } {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let words: number | null = 0
  let inWord = false

  function count(text: string): void {
    if (words === null || text === '') return
    if (text.includes('\0')) {
      words = null
      return
    }
    words += text.match(/\S+/g)?.length ?? 0
    if (inWord && /^\S/.test(text)) words--
    inWord = /\S$/.test(text)
  }

  function decode(chunk?: Buffer): void {
    if (words === null) return
    try {
      count(decoder.decode(chunk, { stream: chunk !== undefined }))
    } catch {
      words = null
    }
  }

  return {
    take: decode,
    finish() {
      decode()
      return words
    },
  }
}
