/**
 * Docker for the tests that drive it: Debian's packages, unpacked below build/. Installed, they would start a daemon that changes the packet
 * filters of the host.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildDir } from '../paths.ts'
import { unpackPackages } from './unpack.ts'

const dockerDir = join(buildDir, 'docker')

/** Where its programs are then; containerd and runc are the host's. */
export const dockerPath = ['usr/sbin', 'usr/bin'].map((name) => join(dockerDir, name)).join(':')

/**
 * Fetches it unless it is there.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export async function provideDocker(): Promise<void> {
  if (existsSync(dockerDir)) return
  mkdirSync(dirname(dockerDir), { recursive: true })
  const scratch = mkdtempSync(`${dockerDir}.`)
  try {
    const tree = join(scratch, 'tree')
    await unpackPackages(['docker.io', 'docker-cli', 'docker-compose'], {
      tree,
      scratch,
      tools: { env: process.env },
    })
    renameSync(tree, dockerDir)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
