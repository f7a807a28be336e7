import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { openContainerLog, parseRecord } from './container-log.ts'

test('what a full disk took in part is not there, and the next record is whole', () => {
  const directory = mkdtempSync(`${tmpdir()}/container-log-`)
  mount({ source: 'tmpfs', target: directory, type: 'tmpfs', flags: 0, data: 'size=4k' })
  try {
    const log = `${directory}/output.log`
    const sink = openContainerLog(log, 'stdout', { maxBytes: 1_000_000, maxFiles: 2 })
    const write = (text: string) => sink.write(Buffer.from(`${text}\n`))
    write('x'.repeat(3000))
    expect(() => write('y'.repeat(3000))).toThrow('ENOSPC')
    write('later')
    sink.close()
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
    const texts = lines.map((line) => Buffer.from(parseRecord(Buffer.from(`${line}\n`))!.bytes).toString())
    expect(texts).toEqual([`${'x'.repeat(3000)}\n`, 'later\n'])
  } finally {
    unmount(directory)
    rmSync(directory, { recursive: true })
  }
})
