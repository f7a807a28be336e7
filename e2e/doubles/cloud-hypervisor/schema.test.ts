/**
 * The double knows the requests exactly as the project's API description has them. The description is not part of this
 * repository: KATA_TS_CLH_API names it (vmm/src/api/openapi/cloud-hypervisor.yaml of a Cloud Hypervisor release).
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { vmConfig } from '../../../src/vmm/cloud-hypervisor/settings/vm-config.ts'
import type { VmSpec } from '../../../src/vmm/vmm.ts'
import { complaint } from '../common/src/validate.ts'
import { enumerations, schema, types } from './src/schema.ts'

const path = process.env.KATA_TS_CLH_API ?? ''
const skipped = existsSync(path) ? '' : ' (skipped: KATA_TS_CLH_API does not name the API description)'

interface Property {
  readonly $ref?: string
  readonly type?: string
  readonly items?: Property
}
interface Schema {
  readonly properties?: Readonly<Record<string, Property>>
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
}

function typeOf({ $ref, type, items }: Property): string {
  if ($ref !== undefined) return $ref.replace('#/components/schemas/', '')
  return items === undefined ? `${type}` : `${typeOf(items)}[]`
}

test.skipIf(skipped !== '')(`every type has the fields of the description, and no other${skipped}`, () => {
  const { components } = Bun.YAML.parse(readFileSync(path, 'utf8')) as {
    components: { schemas: Readonly<Record<string, Schema>> }
  }
  for (const [name, fields] of Object.entries(types)) {
    const { properties = {}, required = [] } = components.schemas[name] ?? {}
    const described = Object.entries(properties).map(([key, property]) => [
      key,
      `${typeOf(property)}${required.includes(key) ? '!' : ''}`,
    ])
    expect([name, fields]).toEqual([name, Object.fromEntries(described)])
  }
  for (const [name, values] of Object.entries(enumerations))
    expect([name, [...values]]).toEqual([name, [...(components.schemas[name]?.enum ?? [])]])
})

describe('a request', () => {
  const share = { tag: 'kataShared', socket: '/run/user/1/vhost-fs.sock', queueSize: 512 }
  const spec: VmSpec = {
    sandboxId: 'x',
    identity: { name: 'kata-0', uid: 1, gid: 1, groups: [] },
    privateDir: '/run/user/1',
    stateDir: '/run/x',
    kernel: '/k',
    initrd: '/i',
    kernelParams: [],
    accelerator: 'kvm',
    share,
    vcpus: 1,
    maxVcpus: 0,
    memoryMiB: 256,
    maxMemoryMiB: 0,
    rootDisk: { image: '/d', fsType: 'ext4' },
  }
  const config = vmConfig(spec, {
    entropySource: '/dev/urandom',
    hostCpus: 2,
    hostMemoryMiB: 4096,
    hugePageBytes: 2 ** 21,
    enableMemPrealloc: true,
    reclaimGuestFreedMemory: true,
  })

  test('as the driver makes it is taken', () => {
    expect(complaint(schema, JSON.parse(JSON.stringify(config)), 'VmConfig')).toBeUndefined()
  })

  test.each([
    ['an unknown field', { ...config, acpi: true }, 'unknown field VmConfig.acpi'],
    ['a field that is missing', { ...config, payload: undefined }, 'missing field VmConfig.payload'],
    ['one deep inside', { ...config, cpus: { boot_vcpus: 1 } }, 'missing field VmConfig.cpus.max_vcpus'],
    ['another type', { ...config, memory: { size: '1' } }, 'VmConfig.memory.size is not an integer'],
    [
      'an unknown value',
      { ...config, serial: { mode: 'tty' } },
      'unknown variant `tty`, expected one of `Off`',
    ],
    ['no list', { ...config, disks: {} }, 'VmConfig.disks is not a list'],
    ['one wrong item', { ...config, fs: [{ tag: 'x' }] }, 'missing field VmConfig.fs[0].socket'],
  ])('with %s is refused', (_, request, says) => {
    expect(complaint(schema, request, 'VmConfig')).toStartWith(says)
  })
})
