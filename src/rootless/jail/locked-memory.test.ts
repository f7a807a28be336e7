import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { lockRights, requireLockable } from './locked-memory.ts'

const MiB = 1024 ** 2

test('enough, or the right to raise it, is fine; less is refused with both numbers', () => {
  requireLockable('/vmm', 768, { hard: 768 * MiB, mayRaise: false })
  requireLockable('/vmm', 768, { hard: Number.POSITIVE_INFINITY, mayRaise: false })
  requireLockable('/vmm', 768, { hard: 8 * MiB, mayRaise: true })
  expect(() => requireLockable('/vmm', 768, { hard: 8 * MiB, mayRaise: false })).toThrow(
    '[JAIL_MEMORY_LOCK] /vmm needs to lock 768 MiB of memory for its devices, and 8 MiB are allowed',
  )
})

test('the rights of a process are those that /proc tells', () => {
  const dir = mkdtempSync(`${tmpdir()}/locked-`)
  const write = (limit: string, effective: string) => {
    writeFileSync(
      `${dir}/limits`,
      `Max locked memory         ${limit}              ${limit}              bytes\n`,
    )
    writeFileSync(`${dir}/status`, `CapPrm:\t000001ffffffffff\nCapEff:\t${effective}\n`)
    return lockRights(dir)
  }
  try {
    expect(write('8388608', '000001fffeffffff')).toEqual({ hard: 8 * MiB, mayRaise: false })
    expect(write('unlimited', '0000000001000000')).toEqual({ hard: Number.POSITIVE_INFINITY, mayRaise: true })
  } finally {
    rmSync(dir, { recursive: true })
  }
})
