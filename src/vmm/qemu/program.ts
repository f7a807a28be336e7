/** The QEMU program: is it there, is it new enough, and where is its firmware. */
import { accessSync, constants, existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import type { QemuVersion } from './qmp-message.ts'

/** First with the machine switches and CPU flags that command-line.ts names. */
const minimum: QemuVersion = { major: 8, minor: 0, micro: 0 }

/** @throws KataError VMM_MISSING. */
export function checkProgram(path: string): void {
  try {
    accessSync(path, constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be executed (${code})`
    throw new KataError('VMM_MISSING', { path, reason })
  }
}

/** @throws KataError VMM_TOO_OLD. */
export function checkVersion(path: string, version: QemuVersion): void {
  const rank = ({ major, minor }: QemuVersion) => major * 1000 + minor
  if (rank(version) < rank(minimum))
    throw new KataError('VMM_TOO_OLD', { path, version: text(version), minimum: text(minimum) })
}

/** Asks the program itself; undefined when it does not say. Starts take the version from the QMP greeting instead. */
export async function programVersion(path: string): Promise<QemuVersion | undefined> {
  const child = Bun.spawn([path, '--version'], {
    env: {},
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: 5000,
  })
  const output = await child.stdout.text()
  await child.exited
  const match = /version (\d+)\.(\d+)\.(\d+)/.exec(output)
  if (match === null) return undefined
  const [major = 0, minor = 0, micro = 0] = match.slice(1).map(Number)
  return { major, minor, micro }
}

/** Firmware and option ROMs of a QEMU installed below some prefix, as distributions lay them out. */
export function firmwareDirs(program: string): string[] {
  const prefix = dirname(dirname(realpathSync(program)))
  return ['qemu', 'seabios'].map((name) => `${prefix}/share/${name}`).filter((path) => existsSync(path))
}

const text = ({ major, minor, micro }: QemuVersion) => `${major}.${minor}.${micro}`
