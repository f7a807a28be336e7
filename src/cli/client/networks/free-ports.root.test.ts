/** Free ports in a network namespace whose kernel gives others away than this host's. */
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** The ports that are found where only root may listen below `first`, and the kernel chooses from `range`. */
function portsWhere(first: number, range: string): number[] {
  const stateDir = mkdtempSync(`${tmpdir()}/free-ports-`)
  try {
    const program = `
      import { takePorts } from '${import.meta.dir}/free-ports.ts'
      const wanted = ['tcp', 'udp', 'tcp', 'udp'].map((protocol) => ({ container: 80, protocol, address: '0.0.0.0' }))
      const found = await takePorts('${stateDir}', wanted, [], async (ports) => ports)
      console.log(JSON.stringify(found.map(({ host }) => host)))`
    const write = (name: string, value: string) => `echo "${value}" > /proc/sys/net/ipv4/${name}`
    const script = [
      write('ip_unprivileged_port_start', '0'),
      write('ip_local_port_range', range),
      write('ip_unprivileged_port_start', String(first)),
      // The kernel refuses a range that begins among the privileged ports.
      `! { ${write('ip_unprivileged_port_start', String(first + 1))}; } 2>/dev/null`,
      'exec "$0" -e "$1"',
    ].join(' && ')
    const { stdout, stderr } = Bun.spawnSync([
      ...['unshare', '--net', 'sh', '-c', script, process.execPath, program],
    ])
    expect(stderr.toString()).toBe('')
    return JSON.parse(stdout.toString())
  } finally {
    rmSync(stateDir, { recursive: true })
  }
}

test('are those that every user may listen on, as this host has it', () => {
  for (const port of portsWhere(40_000, '40000 40099')) expect(port).toBeWithin(40_000, 40_100)
  for (const port of portsWhere(300, '300 399')) expect(port).toBeWithin(300, 400)
})
