import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { copyAt, digestAt } from './named-copy.ts'

const directory = mkdtempSync(`${tmpdir()}/named-copy-`)
afterAll(() => rmSync(directory, { recursive: true }))

const opened = (name: string, flags: 'r' | 'w' | 'a') => {
  const path = `${directory}/${name}`
  return { path, fd: openSync(path, flags) }
}
const { signal } = new AbortController()

test('a file that cannot be searched for data, read or written is named', async () => {
  writeFileSync(`${directory}/file`, 'text')
  // A directory of a tmpfs has a size, and no data that lseek(2) finds.
  const from = { path: '/dev', fd: openSync('/dev', 'r') }
  const target = opened('target', 'w')
  const text = 'lseek to the next data of /dev failed: EINVAL'
  await expect(digestAt(from, signal)).rejects.toThrow(text)
  await expect(copyAt(from, target, signal)).rejects.toThrow(text)
  const unreadable = opened('file', 'a')
  await expect(digestAt(unreadable, signal)).rejects.toMatchObject({ syscall: 'read', path: unreadable.path })
  const copied = copyAt(opened('file', 'r'), opened('file', 'r'), signal)
  await expect(copied).rejects.toMatchObject({ path: `${directory}/file`, code: 'EINVAL' })
})

test('the reason of a signal stays as it is', async () => {
  writeFileSync(`${directory}/large`, Buffer.alloc(20 * 2 ** 20, 'x'))
  const reason = new Error('given up')
  await expect(digestAt(opened('large', 'r'), AbortSignal.abort(reason))).rejects.toBe(reason)
})
