/** The lab host's disk and what boots it, made of its root directory. */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { mustRunTool } from '../../src/guest-image/child.ts'
import { paths } from '../paths.ts'
import { writeFiles } from './files.ts'
import { kernelVersion } from './root.ts'

const limitMs = 30 * 60_000
/** Bytes that the lab host may come to use; the file holds only what is on it. */
const diskBytes = 16 * 2 ** 30

/** @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL. */
export async function buildDisk(): Promise<void> {
  const tool = (argv: readonly [string, ...string[]]) =>
    mustRunTool(argv, paths.disk, { env: process.env, timeout: limitMs })
  rmSync(paths.key, { force: true })
  rmSync(`${paths.key}.pub`, { force: true })
  await tool(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'kata-ts lab', '-f', paths.key])
  writeFiles(paths.root, readFileSync(`${paths.key}.pub`, 'utf8'))
  rmSync(join(paths.root, 'var/cache/apt/archives'), { recursive: true, force: true })
  mkdirSync(join(paths.root, 'var/cache/apt/archives/partial'), { recursive: true })

  const kernel = kernelVersion()
  copyFileSync(join(paths.root, `boot/vmlinuz-${kernel}`), paths.kernel)
  copyFileSync(join(paths.root, `boot/initrd.img-${kernel}`), paths.initrd)
  rmSync(paths.copy, { force: true })
  makeSparse(paths.disk, diskBytes)
  const quick = ['-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', '-O', '^metadata_csum']
  await tool(['mke2fs', '-q', '-t', 'ext4', ...quick, '-d', paths.root, paths.disk])
  writeFileSync(paths.knownHosts, knownHosts())
}

/** The lab host's own keys, under the name by which ssh is told to look for them. */
function knownHosts(): string {
  const directory = join(paths.root, 'etc/ssh')
  return readdirSync(directory)
    .filter((name) => /^ssh_host_.*\.pub$/.test(name))
    .map((name) => `kata-ts-lab ${readFileSync(join(directory, name), 'utf8')}`)
    .join('')
}

/** An empty file of that size. */
export function makeSparse(path: string, bytes: number): void {
  rmSync(path, { force: true })
  writeFileSync(path, '', { mode: 0o600 })
  truncateSync(path, bytes)
}

/** What a built lab host consists of. */
export const diskFiles = [paths.disk, paths.kernel, paths.initrd, paths.key, paths.knownHosts] as const
