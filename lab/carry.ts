/** Gets this checkout into the lab host: a tar archive on a disk, which is many times quicker there than a network. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { namedBlock } from '../e2e/how-to/page.ts'
import { root } from '../setup/paths.ts'
import { hashFiles } from '../setup/stamp.ts'
import { mustRunTool } from '../src/guest-image/child.ts'
import { serials } from './machine/machine.ts'
import { mustInLab } from './machine/ssh.ts'
import { paths } from './paths.ts'

/** Where the checkout's tests lie in the lab host. kata-ts itself is installed, see ./install.ts. */
export const checkoutInLab = '/srv/kata-ts'

const limitMs = 10 * 60_000
/** How a user installs kata-ts on a host without npm. */
export const installPage = 'docs/how-to/first-pod.md'
/** What that page packs for another host. */
export const packed = 'build/kata-ts.tar'

/** Compilers and linters: nothing is compiled or linted there. */
const leftOut = [
  ...['.git', 'build', 'node_modules/typescript', 'node_modules/@biomejs', 'node_modules/dprint-node'],
  ...['node_modules/@bufbuild/buf-linux-x64', 'node_modules/bun-types', 'node_modules/dependency-cruiser'],
  ...[
    'node_modules/knip',
    'node_modules/oxc-parser',
    'node_modules/@oxc-parser',
    'node_modules/@oxc-resolver',
  ],
]

/** Changes when something of what is carried does. */
export function checkoutHash(): string {
  const parts = readdirSync(root).filter((name) => !['.git', 'build', 'node_modules'].includes(name))
  return hashFiles(root, [...parts, 'build/kata-ts'])
}

/** Packs kata-ts as the page says, and carries it and the tests over. */
export async function carry(): Promise<void> {
  await tool(['sh', '-euc', namedBlock(installPage, 'pack')], packed)
  const room = statSync(paths.parcel).size
  const size = statSync(join(root, packed)).size
  if (size > room / 2) throw new Error(`${packed} has ${size} bytes: the disk that carries it is too small`)
  const excludes = leftOut.map((name) => `--exclude=./${name}`)
  await carryTo(checkoutInLab, [...excludes, '--', '.', packed, 'build/busybox'])
}

/** Makes `directory` of the lab host anew, with what tar(1) packs by these arguments in the checkout. */
export async function carryTo(directory: string, tarArguments: readonly string[]): Promise<void> {
  const script = 'tar -c "$@" | dd of="$0" bs=1M conv=notrunc status=none'
  await tool(['sh', '-euc', script, paths.parcel, ...tarArguments], paths.parcel)
  await mustInLab(`set -eu
disk=/dev/disk/by-id/virtio-${serials.parcel}
blockdev --flushbufs $disk
rm -rf ${directory}
mkdir ${directory}
tar -xf $disk -C ${directory}`)
}

const tool = (argv: readonly [string, ...string[]], path: string) =>
  mustRunTool(argv, path, { env: process.env, cwd: root, timeout: limitMs })
