import { expect, test } from 'bun:test'
import { closeSync, openSync } from 'node:fs'
import { StreamBuffer } from './stream-buffer.ts'

test('a guest that has used the room gets nothing more into it, and any other failure is one', () => {
  for (const [file, mode] of [
    ['/dev/full', 'r+'],
    ['/dev/null', 'r'],
  ] as const) {
    const fd = openSync(file, mode)
    try {
      const place = new StreamBuffer(fd).lend()!
      const put = () => place.put(Uint8Array.of(1, 2, 3))
      if (mode === 'r+') expect(put()).toBe(false)
      else expect(put).toThrow('EBADF')
    } finally {
      closeSync(fd)
    }
  }
})
