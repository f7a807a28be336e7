import { expect, spyOn, test } from 'bun:test'
import { collect } from './exec.ts'
import type { SandboxProcess } from './process.ts'

const streamOf = (pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })

/** A process that writes these pieces, and ends. */
const writing = (stdout: readonly Uint8Array[], stderr: readonly Uint8Array[] = []): SandboxProcess => ({
  stdin: new WritableStream(),
  stdout: streamOf(stdout),
  stderr: streamOf(stderr),
  exitCode: Promise.resolve(0),
  kill: async () => {},
  [Symbol.asyncDispose]: async () => {},
})

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, at) => at)

test('pieces of any size are joined in their order', async () => {
  const all = bytesOf(50_000)
  const ends = [0, 1, 2, 2, 4095, 4096, 4097, 9000, 40_000, 50_000]
  const pieces = ends.map((end, index) => all.subarray(ends[index - 1] ?? 0, end))
  const { stdout, stderr } = await collect(writing(pieces, [all]), {})
  expect([stdout, stderr]).toEqual([all, all])
  const small = writing([bytesOf(3)], [bytesOf(3)])
  await expect(collect(small, { maxOutputBytes: 5 })).rejects.toMatchObject({ code: 'SDK_OUTPUT_TOO_LARGE' })
})

test('bytes that are too many for a text of the engine are read all the same', async () => {
  const decode = spyOn(TextDecoder.prototype, 'decode').mockImplementation(() => {
    throw new Error('Cannot create a string longer than 0x1fffffe8 characters')
  })
  const result = await collect(writing([bytesOf(3)]), {}).finally(() => decode.mockRestore())
  expect(result.stdout).toEqual(bytesOf(3))
  expect(result).toMatchObject({ text: '\0\x01\x02', errorText: '' })
  expect({ ...result }).toHaveProperty('text', '\0\x01\x02')
})
