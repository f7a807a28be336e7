import { expect, test } from 'bun:test'
import { readMemory, splitMemory } from './smaps.ts'

const smaps = `7f0000000000-7f0080000000 rw-s 00000000 00:01 1234   /memfd:memory-backend-memfd (deleted)
Size:            2097152 kB
Rss:              102400 kB
Pss:               51200 kB
Pss_Dirty:         51200 kB
Private_Clean:         4 kB
Private_Dirty:         8 kB
VmFlags: rd wr sh
55d000000000-55d000100000 r-xp 00000000 fe:00 99   /usr/bin/qemu-system-x86_64
Size:               1024 kB
Rss:                 512 kB
Pss:                 256 kB
Private_Clean:       128 kB
Private_Dirty:         0 kB
7f00d0000000-7f00d8000000 rwxp 00000000 00:00 0
Rss:                  64 kB
Pss:                  64 kB
Private_Clean:         0 kB
Private_Dirty:        64 kB
7f00e0000000-7f00e4000000 rw-p 00000000 fe:00 7   /boot/vmlinux
Rss:                  32 kB
Pss:                  16 kB
Private_Clean:         0 kB
Private_Dirty:         0 kB
7f00c0000000-7f00c0001000 rw-p 00000000 00:00 0
Rss:                   4 kB
Pss:                   4 kB
Private_Clean:         0 kB
Private_Dirty:         4 kB
`

test('pages are told apart by what they are for', () => {
  expect(splitMemory(smaps)).toEqual({
    guest: { rss: 102400, pss: 51200, private: 12 },
    translated: { rss: 64, pss: 64, private: 64 },
    bootFiles: { rss: 32, pss: 16, private: 0 },
    own: { rss: 516, pss: 260, private: 132 },
  })
})

test('a live process', () => {
  const { own, guest } = readMemory(process.pid)
  expect(own.rss).toBeGreaterThanOrEqual(own.pss)
  expect(own.pss).toBeGreaterThanOrEqual(own.private)
  expect(own.private).toBeGreaterThan(0)
  expect(guest.rss).toBe(0)
})
