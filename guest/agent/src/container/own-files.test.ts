import { expect, test } from 'bun:test'
import { readFileSync, readlinkSync } from 'node:fs'
import { ownFiles } from './own-files.ts'

test('each file once, without memory that has no file, and as the moved root has them', () => {
  const maps = [
    '00400000-00401000 r--p 00000000 00:02 7                                  (unreachable)/init',
    '00401000-00480000 r-xp 00001000 00:02 7                                  (unreachable)/init',
    '018f3000-01a05000 rw-p 00000000 00:00 0                                  [heap]',
    '7f2b1c000000-7f2b1c021000 rw-p 00000000 00:00 0 ',
    '7f2b1d000000-7f2b1d028000 r--p 00000000 00:02 31                         /usr/lib/x86_64-linux-gnu/libc.so.6',
    '7f2b1e000000-7f2b1e001000 r--p 00000000 00:02 33                         /opt/a name/libm.so.6',
    '7f2b1f000000-7f2b1f001000 r--p 00000000 00:02 35                         /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
    '7ffd2a1c0000-7ffd2a1e1000 rw-p 00000000 00:00 0                          [stack]',
    '',
  ].join('\n')
  expect(ownFiles('/pause', '(unreachable)/init', maps)).toEqual([
    { source: '/init', destination: '/pause' },
    {
      source: '/usr/lib/x86_64-linux-gnu/libc.so.6',
      destination: '/usr/lib/x86_64-linux-gnu/libc.so.6',
    },
    { source: '/opt/a name/libm.so.6', destination: '/opt/a name/libm.so.6' },
    {
      source: '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
      destination: '/lib64/ld-linux-x86-64.so.2',
    },
  ])
})

test('a process of this kernel is read so', () => {
  const maps = readFileSync('/proc/self/maps', 'utf8')
  const files = ownFiles('/pause', readlinkSync('/proc/self/exe'), maps)
  expect(files[0]).toEqual({ source: process.execPath, destination: '/pause' })
  const others = files.slice(1)
  expect(others.map(({ source }) => source)).not.toContain(process.execPath)
  const destinations = others.map(({ destination }) => destination)
  expect(destinations).toContain('/lib64/ld-linux-x86-64.so.2')
  expect(destinations.filter((path) => path.endsWith('/libc.so.6'))).toHaveLength(1)
})
