/**
 * The double knows the requests exactly as the project's API description has them. The description is not part of this
 * repository: KATA_TS_FIRECRACKER_API names it (src/firecracker/swagger/firecracker.yaml of a Firecracker release).
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { machineRequests, patchDrive, putRootDrive } from '../../../src/vmm/firecracker/settings/requests.ts'
import type { VmSpec } from '../../../src/vmm/vmm.ts'
import { deserialize } from './src/deserialize.ts'
import { enumerations, types } from './src/schema.ts'

const path = process.env.KATA_TS_FIRECRACKER_API ?? ''
const skipped = existsSync(path)
  ? ''
  : ' (skipped: KATA_TS_FIRECRACKER_API does not name the API description)'

interface Property {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly string[]
}
interface Definition {
  readonly properties?: Readonly<Record<string, Property>>
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
}

test.skipIf(skipped !== '')(`every type has the fields of the description, and no other${skipped}`, () => {
  const { definitions } = Bun.YAML.parse(readFileSync(path, 'utf8')) as {
    definitions: Readonly<Record<string, Definition>>
  }
  for (const [name, fields] of Object.entries(types)) {
    const { properties = {}, required = [] } = definitions[name] ?? {}
    const described = Object.entries(properties).map(([key, { $ref, type, enum: values }]) => {
      const kind = values === undefined ? ($ref?.replace('#/definitions/', '') ?? type) : `${name}.${key}`
      return [key, `${kind}${required.includes(key) ? '!' : ''}`]
    })
    expect([name, fields]).toEqual([name, Object.fromEntries(described)])
  }
  for (const [name, values] of Object.entries(enumerations)) {
    const [type = '', field = ''] = name.split('.')
    const described = field === '' ? definitions[type] : definitions[type]?.properties?.[field]
    expect([name, [...values]]).toEqual([name, [...(described?.enum ?? [])]])
  }
})

describe('requests', () => {
  const spec: VmSpec = {
    sandboxId: 'x',
    identity: { name: 'kata-0', uid: 1, gid: 1, groups: [] },
    privateDir: '/run/user/1',
    stateDir: '/run/x',
    kernel: '/k',
    initrd: '/i',
    kernelParams: [],
    accelerator: 'kvm',
    vcpus: 1,
    maxVcpus: 0,
    memoryMiB: 256,
    maxMemoryMiB: 0,
    nics: [{ id: 'nic2', mac: '02:00:00:00:00:01', mtu: 1500, taps: [], tap: 'tap2_kata' }],
  }
  const { first, rest } = machineRequests(spec, {
    enableHugepages: true,
    reclaimGuestFreedMemory: true,
    diskRateLimiterBwMaxRate: 8e6,
    diskRateLimiterBwOneTimeBurst: 8,
    diskRateLimiterOpsMaxRate: 100,
    diskRateLimiterOpsOneTimeBurst: 1,
  })
  const typeOf = (path: string): string => {
    const [resource = ''] = path.split('/')
    const known: Record<string, string> = {
      'machine-config': 'MachineConfiguration',
      'boot-source': 'BootSource',
      drives: 'Drive',
      'network-interfaces': 'NetworkInterface',
      vsock: 'Vsock',
      entropy: 'EntropyDevice',
      balloon: 'Balloon',
    }
    return known[resource]!
  }

  test('as the driver makes them are taken', () => {
    for (const { path, body } of [...first, putRootDrive('/drives/root'), ...rest])
      expect(deserialize<object>(JSON.stringify(body), typeOf(path))).toEqual(
        JSON.parse(JSON.stringify(body)),
      )
  })

  test('that put a file behind a drive are taken, with its limit', () => {
    const limiter = { ops: { size: 1, refill_time: 1000 } }
    const { body } = patchDrive('spare0', '/drives/x', limiter)
    expect(deserialize<object>(JSON.stringify(body), 'PartialDrive')).toEqual(body)
  })

  test.each([
    [
      'an unknown field',
      { vcpu_count: 1, mem_size_mib: 1, ht: true },
      /^unknown field `ht`, expected one of `.*at line 1 column 37$/,
    ],
    ['a field that is missing', { vcpu_count: 1 }, /^missing field `mem_size_mib` at line 1 column 16$/],
    ['another type', { vcpu_count: '1', mem_size_mib: 1 }, /not an integer at line 1 column 17$/],
    [
      'an unknown value',
      { huge_pages: '1G' },
      /^unknown variant `1G`, expected one of `None`, .* at line 1 column 18$/,
    ],
  ])('with %s are refused, with its place', (_, body, says) => {
    expect(() => deserialize(JSON.stringify(body), 'MachineConfiguration')).toThrow(says)
  })
})
