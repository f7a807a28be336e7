import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { keepOutput } from './keep.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function sink() {
  const shown: string[] = []
  return { shown, write: async (chunk: Uint8Array) => void shown.push(Buffer.from(chunk).toString()) }
}

test('output is shown and kept; where the log has no room it is shown all the same, which is told once', async () => {
  const directory = mkdtempSync(`${tmpdir()}/keep-`)
  try {
    for (const [name, hasRoom] of [
      ['log', true],
      ['full', false],
    ] as const) {
      const log = `${directory}/${name}`
      if (!hasRoom) symlinkSync('/dev/full', log)
      const told: string[] = []
      const [out, err] = [sink(), sink()]
      using kept = keepOutput({ tell: (text) => void told.push(text) }, { id: 'c' }, { log })
      await kept.beside('stdout', out).write(bytes('one\n'))
      await kept.beside('stderr', err).write(bytes('two\n'))
      expect([out.shown, err.shown]).toEqual([['one\n'], ['two\n']])
      if (hasRoom) expect(readFileSync(log, 'utf8')).toMatch(/^\S+ stdout F one\n\S+ stderr F two\n$/)
      expect(told).toEqual(
        hasRoom ? [] : [expect.stringMatching(/^warning: the log of container c has lost output: .*ENOSPC/)],
      )
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})
