/** What `factory status` says of a template: `usable` exactly where a start finds it. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfigText } from '../../config/load.ts'
import { KataError } from '../../errors.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { findClone } from '../start/prepare/clone.ts'
import type { TemplateFacts } from './template-facts.ts'
import { templateMachine } from './template-machine.ts'
import { usability } from './usable.ts'

const directory = mkdtempSync(join(tmpdir(), 'kata-ts-usable-'))
afterAll(() => rmSync(directory, { recursive: true }))
const [kernel, initrd] = [`${directory}/kernel`, `${directory}/initrd`]
for (const path of [kernel, initrd]) writeFileSync(path, 'one')
const assets = { kernel, initrd, verify: async () => {} }

const configure = (lines = 'accelerator = "tcg"', program = process.execPath) => {
  const text = `[hypervisor.qemu]\npath = "${program}"\nrootless = true\n${lines}\n[factory]\nenable_template = true\n`
  return loadConfigText('c.toml', Buffer.from(text), silentLogger, { cpus: 2, memoryMiB: 4096 })
}

/** The template that `factory init` makes of the files as they are. */
async function template(config = configure()): Promise<TemplateFacts> {
  const machine = (await templateMachine(config, assets, { accelerator: 'tcg', reason: '' }))!
  return {
    ...{ version: 2, madeAt: '', bootId: bootId(), accelerator: 'tcg' },
    ...{ key: machine.key, vmm: config.hypervisor.path, kernel, initrd },
    ...{ vcpus: machine.plan.vcpus, memoryMiB: machine.plan.memoryMiB },
    saved: { state: { bytes: 1, changedAt: '1' } },
  }
}

interface Changes {
  readonly config?: ReturnType<typeof configure>
  readonly assets?: typeof assets
  readonly facts?: Partial<TemplateFacts>
}

/** What is said of it, and whether a pod of the same configuration becomes a clone of it. */
async function said(made: TemplateFacts, { config = configure(), facts = {}, ...others }: Changes = {}) {
  const [now, seen] = [others.assets ?? assets, { ...made, ...facts }]
  const state = await usability(seen, { config, bootId: bootId(), resolveAssets: () => now })
  const { plan } = (await templateMachine(config, now, { accelerator: 'tcg', reason: '' }))!
  const findTemplate = (_: string, key: string) =>
    key === seen.key && seen.bootId === bootId()
      ? { facts: seen, saved: { state: '/state', recorded: seen.saved.state } }
      : undefined
  const request = { config, assets: now, accelerator: { accelerator: 'tcg', reason: '' }, plan } as const
  let isClone = false
  try {
    isClone = (await findClone({ findTemplate }, request)) !== undefined
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'TEMPLATE_UNUSABLE')) throw error
  }
  return { state, isClone }
}

test('one that a pod becomes a clone of is usable, under `auto` as well', async () => {
  expect(await said(await template())).toEqual({ state: 'usable', isClone: true })
  const auto = configure('accelerator = "auto"')
  expect(await said(await template(auto), { config: auto })).toEqual({ state: 'usable', isClone: true })
})

const same = { ...assets, kernel: `${directory}/other`, initrd: `${directory}/other` }
writeFileSync(same.kernel, 'one')
test.each([
  ['of another boot', { facts: { bootId: 'b' } }, 'another boot'],
  ['of another VMM', { config: configure('accelerator = "tcg"', '/bin/sh') }, 'another VMM'],
  ['of another kernel', { assets: { ...assets, kernel: same.kernel } }, 'another kernel'],
  ['of another initrd', { assets: { ...assets, initrd: same.initrd } }, 'another initrd'],
  ['of another size', { config: configure('accelerator = "tcg"\ndefault_memory = 300') }, 'another size'],
  [
    'whose kernel has other parameters',
    { config: configure('accelerator = "tcg"\nkernel_params = "a=1"') },
    'another configuration or processor',
  ],
  [
    'where pods cannot be clones',
    { config: configure('accelerator = "tcg"\nenable_virtio_mem = true') },
    'enable_virtio_mem of the configuration allows none',
  ],
] as readonly [string, Changes, string][])(
  'one %s is not usable, and no start uses it',
  async (_, changes, state) => {
    expect(await said(await template(), changes)).toEqual({
      state: expect.stringContaining(state),
      isClone: false,
    })
  },
)

test('one whose guest has loaded the drivers of another share is not usable', async () => {
  const sharing = (way: string) =>
    configure(`accelerator = "tcg"\nshared_fs = "${way}"\nreclaim_guest_freed_memory = true`)
  const made = await template(sharing('virtio-fs'))
  expect(await said(made, { config: sharing('virtio-fs') })).toEqual({ state: 'usable', isClone: true })
  const other = { state: expect.stringContaining('another configuration'), isClone: false }
  expect(await said(made, { config: sharing('none') })).toEqual(other)
})

test('one whose kernel was replaced is not usable', async () => {
  const made = await template()
  writeFileSync(kernel, 'another')
  expect(await said(made)).toEqual({ state: expect.stringContaining('initrd were replaced'), isClone: false })
})

test('one of another accelerator than the configured one is not usable', async () => {
  const config = configure('accelerator = "kvm"')
  const seen = { config, bootId: bootId(), resolveAssets: () => assets }
  expect(await usability(await template(), seen)).toBe('another accelerator')
})

test('without a guest image the reason is that', async () => {
  const resolveAssets = () => {
    throw new KataError('IMAGE_MISSING', { cacheDir: '/images' })
  }
  const state = await usability(await template(), { config: configure(), bootId: bootId(), resolveAssets })
  expect(state).toBe('there is no guest image in /images')
})
