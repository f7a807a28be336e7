/** Network namespaces for tests, made with ip(8); root only. */
import { join } from 'node:path'
import { hasIpv6 } from '../linux/interfaces/ipv6.ts'
import { inNetns, openNetns } from '../linux/processes/netns.ts'

/** The alias of the loopback interface in namespaces of this checkout's tests. */
const mark = `a test of ${join(import.meta.dir, '../..')}`

/** Whether {@link TestNetns} of this checkout made the namespace. */
export function isMarked(name: string): boolean {
  const { exitCode, stdout } = Bun.spawnSync(['ip', '-n', name, '-j', 'link', 'show', 'dev', 'lo'])
  return exitCode === 0 && stdout.includes(JSON.stringify(mark))
}

/** Runs a command to its end. @throws Error with what it said. */
export function command(...argv: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv)
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
  return stdout.toString()
}

export const ip = (line: string): string => command('ip', ...line.split(' '))

/** A namespace as a network plugin leaves it, with its way in: /run/netns/NAME. */
export class TestNetns implements Disposable {
  readonly name: string
  readonly path: string

  constructor(name: string) {
    this.name = name
    this.path = `/run/netns/${name}`
    ip(`netns add ${name}`)
    command('ip', '-n', name, 'link', 'set', 'lo', 'up', 'alias', mark)
  }

  /** ip(8) inside. */
  ip(line: string): string {
    return ip(`-n ${this.name} ${line}`)
  }

  /** Any program inside. */
  run(...argv: string[]): string {
    return command('ip', 'netns', 'exec', this.name, ...argv)
  }

  /** What this thread does inside; it comes back at once. */
  inside<T>(action: () => T): T {
    const netns = openNetns(this.path)
    try {
      return inNetns(netns, action)
    } finally {
      netns.close()
    }
  }

  /** A veth pair that is up at both ends: `inside` in here, `outside` in `peer` or in the test's own namespace. */
  veth(inside: string, outside: string, { mtu = 1500, peer }: { mtu?: number; peer?: TestNetns } = {}): void {
    const there = peer === undefined ? [] : ['-n', peer.name]
    command(
      'ip',
      ...there,
      ...`link add ${outside} mtu ${mtu} type veth peer name ${inside} mtu ${mtu}`.split(' '),
      ...['netns', this.name],
    )
    command('ip', ...there, 'link', 'set', outside, 'up')
    this.ip(`link set ${inside} up`)
    // The kernel notes that in a work of its own, and gives the link an IPv6 address then.
    for (let looks = 0; !this.ip(`-o link show ${inside}`).includes(' state UP '); looks++) {
      if (looks === 1000) throw new Error(`${inside} is not up`)
      Bun.sleepSync(5)
    }
  }

  /** An address that is usable at once. */
  address(link: string, prefix: string): void {
    this.ip(`addr add ${prefix} dev ${link}${prefix.includes(':') ? ' nodad' : ''}`)
  }

  [Symbol.dispose](): void {
    Bun.spawnSync(['ip', 'netns', 'del', this.name])
  }
}

/** Why namespaces cannot be made here; undefined when they can. */
export function noNetns(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root makes network namespaces'
  return Bun.which('ip') === null ? 'ip(8) is not installed' : undefined
}

/** Behind the name of a test that needs IPv6: why it is left out. Empty where the host has it; the product does without. */
export const noIpv6 = hasIpv6() ? '' : ' (skipped: this host has no IPv6)'
