import { afterAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../linux/files/fifo.ts'
import { openChannels } from './channels.ts'

const directory = mkdtempSync(`${tmpdir()}/channels-`)
afterAll(() => rmSync(directory, { recursive: true }))

/** Sockets and pipes of this process. */
const open = () =>
  readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        // That of the listing itself.
        return []
      }
    })
    .filter((name) => name.startsWith('socket:') || name.startsWith(directory))
    .sort()

test('all of them are open at once, or none', () => {
  const before = open()
  const log = `${directory}/log`
  expect(() => openChannels(log)).toThrow('ENOENT')
  expect(open()).toEqual(before)
  makeFifo(log)
  const { ours, theirs, closeTheirs } = openChannels(log)
  expect(open()).toHaveLength(before.length + 6)
  expect(writeSync(theirs.stdout, 'x')).toBe(1)
  closeTheirs()
  for (const fd of Object.values(ours)) closeSync(fd)
  expect(open()).toEqual(before)
})
