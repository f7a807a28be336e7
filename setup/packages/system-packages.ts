/** Debian packages that must be installed on the host, by what they are for. */
import { runTool, type ToolContext } from '../../src/guest-image/child.ts'

/** For each purpose the package names, with the reason why each is here. */
export const systemPackages = {
  run: {
    'qemu-system-x86': 'the VMM',
    virtiofsd: 'shares directories with the guest',
    passwd: 'useradd and userdel, for the users of sandboxes',
    'xz-utils': 'unpacks the kernel modules of the guest image',
    e2fsprogs: 'mkfs.ext4 makes root file systems disks, for Firecracker',
    'erofs-utils': 'mkfs.erofs makes disks of images, for --storage-opt and machines without a share',
    passt: 'pasta, the way outside that a container has by default',
    nftables: 'nft, the packet filter around that network',
    iproute2: 'ip, which gives that network its addresses',
    skopeo: 'gets images from registries',
    zstd: 'decompresses images that were compressed by it',
  },
  build: {
    quickjs: 'qjsc compiles the guest agent',
    libquickjs: 'headers and library for it',
    gcc: 'its native module',
    'libc6-dev': 'headers and static libc for it',
  },
  test: {
    containerd: 'drives the shim in the end-to-end tests',
    runc: 'what kata-ts is compared with there',
    'containernetworking-plugins': 'the network of the pods there',
    iproute2: 'ip, to look at it and take it away',
    swtpm: 'the TPM of a guest (enable_tpm)',
    'util-linux-extra': 'enosys, for kernels without Landlock',
  },
  bench: {
    containerd: 'drives the shim in the benchmark of pods',
    runc: 'what kata-ts is compared with there',
    'containernetworking-plugins': 'the network of the pods there',
    iproute2: 'ip, to take it away',
    gcc: 'its program for small files',
    'libc6-dev': 'static libc for that',
  },
  lab: {
    mmdebstrap: 'makes the lab host of packages',
    'openssh-client': 'how commands get into it',
    e2fsprogs: 'makes its disk',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>

export type Purpose = keyof typeof systemPackages

/** Packages of others that hold the same programs: a host that has one of them needs none of Debian's. */
const alternatives: Readonly<Record<string, readonly string[]>> = {
  containerd: ['containerd.io'],
  // Docker's containerd brings its own runc.
  runc: ['containerd.io'],
}

/** The packages of these purposes, each once. */
export function packagesFor(purposes: readonly Purpose[]): string[] {
  return [...new Set(purposes.flatMap((purpose) => Object.keys(systemPackages[purpose])))]
}

/** Which of `names` are not (completely) installed, and nothing that takes their place is either. */
export async function missingPackages(names: readonly string[], tools: ToolContext): Promise<string[]> {
  const installed = await installedPackages(
    names.flatMap((name) => [name, ...(alternatives[name] ?? [])]),
    tools,
  )
  return names.filter((name) => ![name, ...(alternatives[name] ?? [])].some((one) => installed.has(one)))
}

/** Those of `names` that dpkg has completely installed. */
export async function installedPackages(
  names: readonly string[],
  tools: ToolContext,
): Promise<ReadonlySet<string>> {
  const states = await packageStates(names, tools)
  return new Set(names.filter((name) => states.get(name) === 'installed'))
}

/** Those of `names` of which dpkg has unpacked something: interrupted installations count. */
export async function presentPackages(
  names: readonly string[],
  tools: ToolContext,
): Promise<ReadonlySet<string>> {
  const states = await packageStates(names, tools)
  return new Set(names.filter((name) => !absent.includes(states.get(name))))
}

const absent: readonly (string | undefined)[] = [undefined, 'not-installed', 'config-files']

/** dpkg's status by apt's name (`libc6`, `libc6:i386` for a foreign architecture), for those that it knows. */
async function packageStates(
  names: readonly string[],
  tools: ToolContext,
): Promise<ReadonlyMap<string, string>> {
  // Without a name dpkg-query tells about every package.
  if (names.length === 0) return new Map()
  const native = await runTool(['dpkg', '--print-architecture'], { ...tools, timeout: 60_000 })
  // dpkg-query ends with 1 when it does not know a name, and still reports the others.
  const { stdout } = await runTool(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
    ['dpkg-query', '-W', '-f', '${Package} ${Architecture} ${db:Status-Status}\\n', ...names],
    { ...tools, timeout: 60_000 },
  )
  // A name without an architecture is answered with a line for each architecture that dpkg knows the package of.
  const own = ['', 'all', native.stdout.trim()]
  const lines = stdout.split('\n').map((line) => line.split(' '))
  return new Map(
    lines.map(([name = '', architecture = '', status = '']) => [
      own.includes(architecture) ? name : `${name}:${architecture}`,
      status,
    ]),
  )
}
