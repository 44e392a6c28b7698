import type { ByteSource } from '../../../../src/services/files/file-intake.ts'

/** A source that gives these chunks, then ends. */
export function sourceOf(chunks: readonly Buffer[]): ByteSource {
  const left = [...chunks]
  return { next: async () => left.shift() }
}
