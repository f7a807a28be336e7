/** Where the set-up puts things, relative to the repository. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dir, '..')
export const buildDir = join(root, 'build')
export const agentPath = join(buildDir, 'kata-agent')
export const systemdStubPath = join(buildDir, 'libsystemd-stub.so')
export const containerInitPath = join(buildDir, 'container-init')
/** A static one, for containers of the command line and of tests. */
export const busyboxPath = join(buildDir, 'busybox')
/** Why a test that takes {@link busyboxPath} is skipped, for the end of its name; empty when it is there. */
export const noBusybox = existsSync(busyboxPath) ? '' : ' (skipped: `npm run build` makes build/busybox)'
export const embeddedDir = join(buildDir, 'embedded')
export const executable = join(buildDir, 'kata-ts')
/** The same file by the name that containerd looks for. */
export const shimLink = join(buildDir, 'containerd-shim-kata-ts-v2')
