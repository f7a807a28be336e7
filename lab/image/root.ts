/** The lab host's root directory, made of Debian packages by mmdebstrap. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptSources } from '../../setup/packages/apt-sources.ts'
import { mustRunTool } from '../../src/guest-image/child.ts'
import { labDir, paths } from '../paths.ts'
import { labHostPackages } from './packages.ts'

const limitMs = 60 * 60_000

/** Only what the lab host's own disk needs: its kernel is one for all hardware. */
const initramfsHook = [
  'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"',
  'printf "MODULES=list\\nCOMPRESS=lz4\\n" > "$1/etc/initramfs-tools/conf.d/lab"',
  'printf "virtio_blk\\nvirtio_pci\\next4\\n" > "$1/usr/share/initramfs-tools/modules.d/lab"',
].join(' && ')

/** Nobody reads them there. Compiling the profiles of programs that are not there would make a boot half as long again. */
const leftOut = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/info/*',
  '/etc/apparmor.d/*',
]
const kept = [
  'abi/*',
  'abstractions/*',
  'tunables/*',
  'usr.bin.pas*',
  'unprivileged_userns',
  'virtiofsd',
].map((name) => `/etc/apparmor.d/${name}`)

/** @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL; SetupError without an archive of Debian 13. */
export async function buildRoot(): Promise<void> {
  const sources = join(labDir, 'sources.list')
  writeFileSync(sources, await aptSources())
  removeRoot()
  await mustRunTool(
    [
      'mmdebstrap',
      ...['--variant=minbase', '--mode=root', '--architectures=amd64', '--dpkgopt=force-unsafe-io'],
      ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
      ...kept.map((path) => `--dpkgopt=path-include=${path}`),
      `--include=${labHostPackages.join(',')}`,
      `--essential-hook=${initramfsHook}`,
      ...['trixie', paths.root, sources],
    ],
    paths.root,
    { env: process.env, timeout: limitMs },
  )
}

export function removeRoot(): void {
  rmSync(paths.root, { recursive: true, force: true })
}

/** The version of the kernel that is in the root directory, as `uname -r` says it. */
export function kernelVersion(): string {
  return readdirSync(join(paths.root, 'lib/modules')).sort().at(-1)!
}
