import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readWarnings } from '../../../bundle/warnings.ts'
import { loadConfigText } from '../../../config/load.ts'
import { KataError } from '../../../errors.ts'
import { silentLogger } from '../../../log.ts'
import { planWithoutDemand } from '../../size/sizing.ts'
import type { Template } from '../../template/template-store.ts'
import { asClone, cloneOrBoot, findClone } from './clone.ts'

const directory = mkdtempSync(join(tmpdir(), 'kata-ts-clone-'))
afterAll(() => rmSync(directory, { recursive: true }))
const kernel = `${directory}/kernel`
writeFileSync(kernel, 'k')

const hostMemoryMiB = 4096
const configure = (hypervisor = '', more = '', factory = 'enable_template = true') => {
  const text = `[hypervisor.qemu]\npath = "${kernel}"\nrootless = true\n${hypervisor}\n[factory]\n${factory}\n${more}`
  return loadConfigText('c.toml', Buffer.from(text), silentLogger, { cpus: 2, memoryMiB: hostMemoryMiB })
}

function find(
  config: ReturnType<typeof configure>,
  {
    findTemplate = (path: string, key: string) => ({ saved: { state: `${path}/${key}` } }) as Template,
    more = {},
  } = {},
) {
  const assets = { kernel, initrd: kernel, verify: async () => {} }
  const plan = { ...planWithoutDemand(config, hostMemoryMiB), ...more }
  const accelerator = { accelerator: 'kvm', reason: '' } as const
  return findClone({ findTemplate }, { config, assets, accelerator, plan })
}

describe('a clone', () => {
  test('is of the template of this machine, and as large', async () => {
    const config = configure('default_memory = 256', '', 'enable_template = true\ntemplate_path = "/t"')
    const clone = await find(config, { more: { memoryMiB: 512, vcpus: 2 } })
    expect(clone!.template.saved.state).toMatch(/^\/t\/[0-9a-f]{64}$/)
    expect(clone!.plan).toMatchObject({ memoryMiB: 256, vcpus: 1 })
    const other = await find(
      configure('default_memory = 512', '', 'enable_template = true\ntemplate_path = "/t"'),
    )
    expect(other!.template.saved.state).not.toBe(clone!.template.saved.state)
  })

  test('is not looked for unless that is configured', async () => {
    expect(await find(configure('', '', 'enable_template = false'))).toBeUndefined()
  })

  test.each([
    ['enable_tpm', 'enable_tpm = true'],
    ['agent_channel', 'agent_channel = "vsock"'],
    ['cold_plug_vfio', 'cold_plug_vfio = "root-port"\nhot_plug_vfio = "no-port"'],
    ['enable_virtio_mem', 'enable_virtio_mem = true'],
    ['enable_hugepages', 'enable_hugepages = true'],
    ['enable_mem_prealloc', 'enable_mem_prealloc = true'],
  ])('is not to be had with %s', async (key, line) => {
    await expect(find(configure(line))).rejects.toThrow(`${key} of the configuration allows none`)
  })

  test.each([
    ['memory', 'memory_slots = 0', '', { memoryMiB: 4000 }],
    ['anything', '', '[runtime]\nstatic_sandbox_resource_mgmt = true', { vcpus: 2 }],
  ])('that cannot get more %s is not begun', async (_, hypervisor, more, wanted) => {
    await expect(find(configure(hypervisor, more), { more: wanted })).rejects.toThrow('which cannot grow')
  })

  test('there is none without a template, or with one that counts for nothing', async () => {
    const config = configure()
    await expect(find(config, { findTemplate: () => undefined as unknown as Template })).rejects.toThrow(
      '[TEMPLATE_UNUSABLE] the pod cannot start as a clone of a template: there is none for this kernel',
    )
    const findTemplate = () => {
      throw new KataError('TEMPLATE_DAMAGED', { path: '/t', reason: 'it is short' })
    }
    await expect(find(config, { findTemplate })).rejects.toThrow('it is short')
  })
})

describe('a start as a clone', () => {
  const { signal } = new AbortController()
  const request = (factory?: string) => {
    const bundle = mkdtempSync(`${directory}/bundle-`)
    const container = { bundle } as Parameters<typeof cloneOrBoot>[0]['container']
    return { config: configure('', '', factory), container, log: silentLogger, signal }
  }

  test('that goes well is the only one', async () => {
    const asked = request()
    expect(await cloneOrBoot(asked, async (way) => way)).toBe('clone')
    expect(readWarnings(asked.container.bundle)).toEqual([])
    expect(await cloneOrBoot(request('enable_template = false'), async (way) => way)).toBe('boot')
  })

  test('that is not possible becomes a boot, and the client is told', async () => {
    const asked = request()
    const start = (way: 'clone' | 'boot') =>
      way === 'clone' ? asClone(() => Promise.reject(new Error('no such page')), signal) : Promise.resolve()
    await cloneOrBoot(asked, start)
    expect(readWarnings(asked.container.bundle)).toEqual([
      expect.stringContaining('the pod cannot start as a clone of a template: '),
    ])
    expect(readWarnings(asked.container.bundle)[0]).toContain('no such page')
  })

  test('that fails by something else, or is given up, is not tried again', async () => {
    const ways: string[] = []
    const fails = (error: Error) => (way: string) => {
      ways.push(way)
      return Promise.reject(error)
    }
    await expect(cloneOrBoot(request(), fails(new Error('no user')))).rejects.toThrow('no user')
    const aborted = AbortSignal.abort(new Error('given up'))
    const unusable = new KataError('TEMPLATE_UNUSABLE', { reason: 'r' })
    await expect(cloneOrBoot({ ...request(), signal: aborted }, fails(unusable))).rejects.toThrow()
    await expect(asClone(() => Promise.reject(new Error('closed')), aborted)).rejects.toThrow('closed')
    expect(ways).toEqual(['clone', 'clone'])
  })
})
