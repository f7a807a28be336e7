import { afterAll, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KataError } from '../../errors.ts'
import type { HypervisorConfig } from '../config.ts'
import { builtInConfig } from '../load.ts'
import { requireConfiguredFiles } from './configured-files.ts'

const dir = mkdtempSync(join(tmpdir(), 'kata-ts-files-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const program = join(dir, 'program')
const data = join(dir, 'data')
writeFileSync(program, '')
chmodSync(program, 0o755)
writeFileSync(data, '')
mkdirSync(join(dir, 'directory'))
const base = builtInConfig()

function problem(changes: Partial<HypervisorConfig>): string {
  const hypervisor = { ...base.hypervisor, path: program, virtioFsDaemon: program, ...changes }
  try {
    requireConfiguredFiles({ ...base, hypervisor })
    return ''
  } catch (error) {
    return (error as KataError).message
  }
}

test('accepts what is there', () => {
  expect(problem({})).toBe('')
  expect(problem({ kernel: data, initrd: data })).toBe('')
})

test('names the key and the path of what is missing or of the wrong kind', () => {
  expect(problem({ path: join(dir, 'absent') })).toContain(
    `path names ${join(dir, 'absent')}, which does not exist`,
  )
  expect(problem({ path: data })).toContain('cannot be executed')
  expect(problem({ virtioFsDaemon: join(data, 'x') })).toContain('virtio_fs_daemon names')
  expect(problem({ kernel: join(dir, 'directory') })).toContain('is not a file')
  expect(problem({ image: '/absent' })).toContain('image names /absent')
})

test('Firecracker needs its jailer and no virtiofsd', () => {
  const firecracker = { driver: 'firecracker', sharedFs: 'none', virtioFsDaemon: '/absent' } as const
  expect(problem({ ...firecracker, jailerPath: program })).toBe('')
  expect(problem({ ...firecracker, jailerPath: '/absent' })).toContain('jailer_path names /absent')
})

test('an initrd bigger than the memory is refused before the start', () => {
  const big = join(dir, 'big')
  writeFileSync(big, '')
  truncateSync(big, 129 * 1024 ** 2)
  expect(problem({ initrd: big, defaultMemory: 128 })).toContain('bigger than')
  expect(problem({ initrd: big, defaultMemory: 256 })).toBe('')
})
