import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { ContainerTar, TarStreams } from './container-tar.ts'
import { copyTo } from './to-container.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/kata-ts-to-`)
})
afterEach(() => rmSync(base, { recursive: true }))

/** A container whose tar ends as soon as it has seen the end of the archive, and does not wait for that of its input. */
const containerOf = (take: (input: ReadableStream<Uint8Array>) => Promise<void>): ContainerTar => ({
  name: 'c',
  log: undefined as never,
  async run(_: readonly string[], { input }: TarStreams) {
    if (input !== undefined) await take(input)
  },
})

test('a tar of the host that has sent all, and has not ended yet, has not failed', async () => {
  writeFileSync(`${base}/file`, 'x')
  for (let round = 0; round < 20; round++) {
    let bytes = 0
    const tar = containerOf(async (input) => {
      // One block of the header, one of the content, and two of the end, filled up.
      for await (const chunk of input) {
        bytes += chunk.length
        if (bytes >= 10_240) return
      }
    })
    await copyTo(tar, `${base}/file`, '/to/')
    expect(bytes).toBe(10_240)
  }
})

test('the working directory stands for its content, as with docker', async () => {
  writeFileSync(`${base}/file`, 'x')
  const before = process.cwd()
  process.chdir(base)
  try {
    for (const source of ['.', './', `${base}/.`]) {
      let text = ''
      const tar = containerOf(async (input) => {
        for await (const chunk of input) text += Buffer.from(chunk).toString('latin1')
      })
      await copyTo(tar, source, '/to')
      expect(text).toContain('./file')
      expect(text).not.toContain('kata-ts-to-')
    }
  } finally {
    process.chdir(before)
  }
})

test('what the container does not take is an error, and ends the tar of the host', async () => {
  writeFileSync(`${base}/file`, Buffer.alloc(8 << 20))
  const tar = containerOf(async () => {
    throw new Error('no room')
  })
  await expect(copyTo(tar, `${base}/file`, '/to/')).rejects.toThrow('no room')
})
