/** The control file of the Debian package: deb-control(5). */
import type { SourcePackage } from './sources.ts'

/**
 * passwd makes the VMM's user, mount its jail, e2fsprogs disks of root file systems. A container that is run without an option has a network,
 * which is made by passt, nftables and iproute2. zstd unpacks images. util-linux, bash and gzip are essential.
 */
export const depends = [
  ...['qemu-system-x86', 'virtiofsd', 'passwd', 'mount', 'e2fsprogs', 'passt', 'nftables', 'iproute2'],
  'zstd',
]
/** The clients, what `kata-ts guest build` unpacks modules with, what makes disks of images, and what gets images. */
export const recommends = ['containerd | containerd.io', 'xz-utils', 'erofs-utils', 'skopeo']
const suggests = ['docker.io | docker-ce', 'containernetworking-plugins', 'swtpm']

export interface ControlFacts {
  readonly version: string
  readonly maintainer: string
  /** KiB on disk. */
  readonly installedSize: number
  /** Newest symbol version of the C library that the executable asks for, `2.17`. */
  readonly libc: string
  /** Source packages of Debian of which parts are in this package. */
  readonly builtUsing: readonly SourcePackage[]
}

export function control({ version, maintainer, installedSize, libc, builtUsing }: ControlFacts): string {
  const fields = {
    Package: 'kata-ts',
    Version: version,
    Architecture: 'amd64',
    Maintainer: maintainer,
    'Installed-Size': String(installedSize),
    Depends: [`libc6 (>= ${libc})`, ...depends].join(', '),
    Recommends: recommends.join(', '),
    Suggests: suggests.join(', '),
    'Built-Using': builtUsing.map(({ name, version }) => `${name} (= ${version})`).join(', '),
    Section: 'admin',
    Priority: 'optional',
    Description: `container runtime with a virtual machine for each pod
 kata-ts gives every container or Kubernetes pod its own virtual machine. The
 process that owns the machine runs as a throw-away unprivileged user, in a jail
 with nothing in it, and both are removed when the sandbox ends.
 .
 It is driven by containerd, Kubernetes, Docker and nerdctl as the runtime
 io.containerd.kata-ts.v2, and by people with the command kata-ts. Its
 configuration, annotations and agent protocol are those of Kata Containers.
 .
 A kernel and an initrd for the machines are part of the package.`,
  }
  return Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}

/** The newest version of glibc's symbols that an executable names. */
export function libcVersion(executable: Uint8Array): string {
  const found = new Set(
    [
      ...Buffer.from(executable)
        .toString('latin1')
        .matchAll(/\0GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)/g),
    ].map(([, minor]) => Number(minor)),
  )
  if (found.size === 0) throw new Error('the executable names no symbol of glibc')
  return `2.${Math.max(...found)}`
}
