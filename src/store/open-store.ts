import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openFileStore } from './file-store.ts'
import { createMemoryStore } from './memory-store.ts'
import type { Store, StoreOptions } from './store.ts'
import { StoreOpenError } from './store-open-error.ts'

/**
 * Opens the store that STORE_URL names: `file:` with a directory (`file:./data`, `file:data`,
 * `file:/var/lib/gateway`, `file:///var/lib/gateway`) or `memory:`. Rejects with StoreOpenError.
 */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  if (url === 'memory:') return createMemoryStore(options)
  if (url.startsWith('file:')) return openFileStore(toDirectory(url), options)
  if (/^rediss?:/.test(url)) {
    throw new StoreOpenError('asks for Redis, which is not built yet: use file: with a directory')
  }
  throw new StoreOpenError('must begin with file: (and a directory after it) or be memory:')
}

function toDirectory(url: string): string {
  const path = url.slice('file:'.length)
  if (path === '' || path.includes('\0')) throw new StoreOpenError('must name a directory after file:')
  if (!path.startsWith('//')) return resolve(path)
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw new StoreOpenError('must name a directory of this machine: file:///path or file:path', error)
  }
}
