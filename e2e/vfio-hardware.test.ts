/**
 * Real devices of the host, bound to VFIO, in real machines: hot and cold, with little and with much memory, and one that
 * somebody has. Runs where there are such devices, KVM and iommufd; vfio.test.ts shows what can be shown without.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { kvmObstacle } from '../src/vmm/kvm-obstacle.ts'
import { Kata, scratch } from './harness/kata.ts'
import { hypervisorTable, vmm } from './harness/vmm.ts'

interface HostDevice {
  readonly node: string
  readonly address: string
  readonly isDisk: boolean
}

const bound: HostDevice[] = names('/sys/class/vfio-dev')
  .filter((name) => !name.startsWith('noiommu-'))
  .map((name) => {
    const device = realpathSync(`/sys/class/vfio-dev/${name}/device`)
    const isDisk = readFileSync(`${device}/class`, 'utf8').startsWith('0x01')
    return { node: `/dev/vfio/devices/${name}`, address: basename(device), isDisk }
  })
const [device] = bound

/** Why nothing of this can run here; empty when it can. */
function reasonAgainst(): string {
  if (vmm.driver !== 'qemu') return `kata-ts hands no VFIO device to ${vmm.driver} yet`
  if (!existsSync('/dev/iommu')) return 'this host has no /dev/iommu'
  if (device === undefined) return 'no device of this host is bound to VFIO'
  return kvmObstacle({ byGroup: true })?.reason ?? ''
}
const reason = reasonAgainst()
if (reason !== '') console.log(`skipped: ${reason}`)

describe.skipIf(reason !== '')('a device of the host', () => {
  let kata: Kata
  let directory: ReturnType<typeof scratch>
  const config = (plug: 'hot' | 'cold') => `${directory.path}/${plug}.toml`
  beforeAll(() => {
    kata = new Kata()
    directory = scratch()
    for (const plug of ['hot', 'cold'] as const) {
      const table = hypervisorTable(`accelerator = "kvm"\n${plug}_plug_vfio = "root-port"\n`)
      // Hosts on which KVM is itself emulated take long.
      const patience = '[agent.kata]\ndial_timeout = 600\n[runtime]\ncreate_container_timeout = 600\n'
      writeFileSync(config(plug), `${table}${patience}`)
    }
  })
  afterAll(async () => {
    await kata.close()
    directory[Symbol.dispose]()
  })

  /** Without the deadline that other tests' commands have: pinning takes as long as it takes. */
  const call = async (...args: string[]) => {
    const child = kata.spawn(args)
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { stdout, stderr, code }
  }
  const run = (flags: readonly string[], ...command: string[]) =>
    call('run', '--rm', ...flags, '--', ...command)
  const passed = (plug: 'hot' | 'cold', ...flags: string[]) => [
    ...['--config', config(plug), '--device', `${device!.node}:/dev/passed`, ...flags],
  ]

  test.each(['hot', 'cold'] as const)(
    '%s: its disk is there when a privileged container is made, or a warning says what is missing',
    async (plug) => {
      const { stdout, stderr, code } = await run(passed(plug, '--privileged'), 'ls', '/dev')
      expect(code).toBe(0)
      if (stderr === '') expect(/^(nvme\d+n\d+|vd[a-z]|sd[a-z])$/m.test(stdout)).toBe(device!.isDisk)
      else expect(stderr).toContain(`warning: device ${device!.address} (`)
    },
    600_000,
  )

  test.each(['hot', 'cold'] as const)(
    '%s, with 3 GiB of memory',
    async (plug) => {
      const { stderr, code } = await run(passed(plug, '--memory', '3G'), 'true')
      expect({ code, stderr: stderr.replace(/^kata-ts: warning: device .*\n/m, '') }).toEqual({
        code: 0,
        stderr: '',
      })
    },
    1_200_000,
  )

  test('that a sandbox has is refused to another one by name, and free again afterwards', async () => {
    const first = await call('run', '-d', '--name', 'first', ...passed('hot'), '--', 'sleep', '1000')
    expect(first.code).toBe(0)
    for (const plug of ['hot', 'cold'] as const) {
      const { code, stderr } = await run(passed(plug), 'true')
      expect(code).toBe(125)
      expect(stderr).toContain(`[DEVICE_IN_USE] device ${device!.address} of container`)
      expect(stderr).toContain('is in use: sandbox default/first has it')
    }
    expect(await kata.isRunning('first')).toBe(true)
    expect((await kata.call(['rm', '-f', 'first'])).code).toBe(0)
    expect((await run(passed('hot'), 'true')).code).toBe(0)
  }, 1_200_000)
})

function names(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : []
}
