/** The kernel command line, as far as it speaks to the agent (kata: `agent.*`). Pure: tested on the host. */

export interface AgentOptions {
  /** Port of the AF_VSOCK listener, or undefined when the agent only serves the virtio-serial port. */
  readonly vsockPort: number | undefined
  /** Where the guest's root is, or undefined when the initial RAM file system is its root for good. */
  readonly rootDisk: RootDisk | undefined
  /** The machine has no PCI bus: its devices are found over virtio-mmio. */
  readonly withoutPci: boolean
  /** The machine has no way to switch itself off: it ends by a restart, which its VMM takes as the end. */
  readonly endsByRestart: boolean
  /** Whether calls are told on the console. */
  readonly tellsCalls: boolean
}

/** A disk whose file system is on the whole of it or on its first partition. */
export interface RootDisk {
  /** `/dev/vda` */
  readonly device: string
  readonly fsType: string
}

/** Splits at blanks outside double quotes, as the kernel does (lib/cmdline.c), into names and values. */
export function parseCommandLine(text: string): Map<string, string> {
  const words = text.trim().match(/(?:[^\s"]|"[^"]*")+/g) ?? []
  return new Map(
    words.map((word): [string, string] => {
      const plain = word.replaceAll('"', '')
      const equals = plain.indexOf('=')
      return equals < 0 ? [plain, ''] : [plain.slice(0, equals), plain.slice(equals + 1)]
    }),
  )
}

/**
 * Reads `agent.server_addr=vsock://-1:1024` (Kata's form; -1 is any CID), and our own `agent.root=/dev/vda` and
 * `agent.rootfstype=ext4` and `agent.power_off=restart`; `agent.log=debug` as Kata's; and the kernel's own `pci=off`.
 *
 * @throws Error for one that is given and is not of that form.
 */
export function agentOptions(commandLine: string): AgentOptions {
  const words = parseCommandLine(commandLine)
  return {
    vsockPort: vsockPort(words.get('agent.server_addr')),
    rootDisk: rootDisk(words),
    withoutPci: words.get('pci') === 'off',
    endsByRestart: words.get('agent.power_off') === 'restart',
    tellsCalls: ['debug', 'trace'].includes(words.get('agent.log') ?? ''),
  }
}

function rootDisk(words: ReadonlyMap<string, string>): RootDisk | undefined {
  const device = words.get('agent.root')
  if (device === undefined) return undefined
  if (!/^\/dev\/[a-z][a-z0-9]*$/.test(device))
    throw new Error(`agent.root=${device} is not a device like /dev/vda`)
  return { device, fsType: words.get('agent.rootfstype') ?? 'ext4' }
}

/**
 * The type of the file system that is the root now, from /proc/mounts: `rootfs` is the initial RAM file system. Of two
 * mounts on the same place the last is on top.
 */
export function rootType(mounts: string): string | undefined {
  return mounts
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, target]) => target === '/')?.[2]
}

function vsockPort(address: string | undefined): number | undefined {
  if (address === undefined) return undefined
  const port = /^vsock:\/\/-1:(\d{1,10})$/.exec(address)?.[1]
  if (port === undefined) throw new Error(`agent.server_addr=${address} is not of the form vsock://-1:PORT`)
  return Number(port)
}
