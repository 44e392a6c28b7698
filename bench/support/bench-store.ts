import { startEmulator } from '../../src/emulator/emulator.ts'

/*
 * The stores of the upload benchmark in a process of their own: `fast` answers at once, `slow` takes 50 ms
 * for each PUT as real ones do, `whole` takes a file as one part. Nothing is kept or hashed.
 */
const options = { retainBytes: false, hashParts: false }
const [fast, slow, whole] = await Promise.all([
  startEmulator(options),
  startEmulator({ ...options, storeDelayMs: 50 }),
  startEmulator({ ...options, partSize: 8 * 2 ** 30 }),
])
const urls = [fast, slow, whole].map(({ url, uploadUrl }) => ({ url, uploadUrl }))
console.log(JSON.stringify(urls))
