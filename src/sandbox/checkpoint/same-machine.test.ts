/** As what a saved machine goes on: the one that it was, or none. */
import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfigText } from '../../config/load.ts'
import { silentLogger } from '../../log.ts'
import { version } from '../../version.ts'
import { type Checkpoint, requireSameCards, requireSameMachine } from './checkpoint.ts'
import { machineKey } from './machine-key.ts'

const directory = mkdtempSync(join(tmpdir(), 'kata-ts-same-'))
afterAll(() => rmSync(directory, { recursive: true }))
// It stands for the VMM and the initrd, too.
const kernel = `${directory}/kernel`
beforeEach(() => writeFileSync(kernel, 'kernel'))

const configure = (lines = '', driver = 'qemu', program = kernel) => {
  const text = `[hypervisor.${driver}]\npath = "${program}"\nrootless = true\nshared_fs = "none"\n${lines}\n`
  return loadConfigText('c.toml', Buffer.from(text), silentLogger, { cpus: 2, memoryMiB: 4096 })
}
const plan = { vcpus: 1, memoryMiB: 256, maxVcpus: 1, maxMemoryMiB: 256 }
const made = (accelerator: 'kvm' | 'tcg' = 'tcg') => ({
  assets: { kernel, initrd: kernel, verify: async () => {} },
  accelerator: { accelerator, reason: '' },
  plan,
})

const { signal } = new AbortController()
const keyOf = (config = configure(), machine = made()) => machineKey(config, machine, signal)
const goOn = (checkpoint: Checkpoint, config = configure(), machine = made()) =>
  requireSameMachine(checkpoint, config, machine, signal)

async function saved(changes: Partial<Checkpoint['facts']> = {}): Promise<Checkpoint> {
  const key = (await keyOf())!
  const state = { bytes: 1, sha256: '' }
  const facts = { version: 1, savedBy: '', savedAt: '', key, accelerator: 'tcg', plan, state } as const
  return {
    directory: '/saved',
    state: '/saved/state',
    recorded: { bytes: 1, changedAt: '' },
    facts: { ...facts, container: 'web', disks: [], ...changes },
  }
}

describe('a saved machine', () => {
  test('goes on as the machine that it was', async () => {
    await goOn(await saved())
  })

  test('goes on with more processors as the default, and with queues that its cards would not get', async () => {
    await goOn(await saved(), configure('default_vcpus = 2'))
    await goOn(await saved(), configure('network_queues = 2'))
  })

  test('counts a file by its bytes, which a relabel, another boot and a restored backup leave as they were', async () => {
    const checkpoint = await saved()
    chmodSync(kernel, 0o640)
    await goOn(checkpoint)
    rmSync(kernel)
    writeFileSync(kernel, 'kernel')
    utimesSync(kernel, 1, 1)
    await goOn(checkpoint)
  })

  test.each<[string, () => Promise<void>, string]>([
    [
      'with another configuration',
      async () => goOn(await saved(), configure('kernel_params = "other=1"')),
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      'with another kernel',
      async () => {
        const checkpoint = await saved()
        writeFileSync(kernel, 'Kernel')
        await goOn(checkpoint)
      },
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      // Each card has as many as there are processors, and QEMU loads no card that has others.
      'whose network cards get other queues',
      async () => goOn(await saved(), configure('network_queues = 2\ndefault_vcpus = 2')),
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      'of another size',
      async () => goOn(await saved({ plan: { ...plan, memoryMiB: 512 } })),
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      'with another accelerator',
      async () => goOn(await saved(), configure(), made('kvm')),
      'it ran with tcg, and here is kvm',
    ],
    [
      'of a VMM that saves none',
      async () => goOn(await saved(), configure('', 'firecracker')),
      'the VMM (firecracker) saves no machines',
    ],
  ])('does not go on as one %s', async (_, go, reason) => {
    await expect(go()).rejects.toMatchObject({
      code: 'CHECKPOINT_UNUSABLE',
      message: expect.stringContaining(reason),
    })
  })

  test('of another kata-ts names that one, which may be all that is another', async () => {
    const other = /others, or kata-ts is: 0\.0\.9 saved it, and this is /
    await expect(goOn(await saved({ savedBy: '0.0.9', key: 'k' }))).rejects.toThrow(other)
    await expect(goOn(await saved({ savedBy: version, key: 'k' }))).rejects.toThrow(/others(?!, or kata-ts)/)
  })

  test('has as many network cards as it had', async () => {
    const [without, withOne] = [await saved(), await saved({ cards: ['02:00:00:00:00:01'] })]
    requireSameCards(withOne, ['one'])
    requireSameCards(without, [])
    expect(() => requireSameCards(withOne, [])).toThrow('the machine had 1 network cards, and gets 0')
    expect(() => requireSameCards(without, ['one'])).toThrow('[CHECKPOINT_UNUSABLE]')
  })
})

test('firmware counts by all that is in its directory', async () => {
  const prefix = join(directory, 'prefix')
  const firmware = join(prefix, 'share/qemu/more')
  for (const path of [join(prefix, 'bin'), firmware]) mkdirSync(path, { recursive: true })
  const vmm = join(prefix, 'bin/qemu')
  writeFileSync(vmm, 'qemu')
  writeFileSync(join(firmware, 'bios'), 'one')
  const key = () => keyOf(configure('', 'qemu', vmm))
  const before = await key()
  expect(await key()).toBe(before!)
  writeFileSync(join(firmware, 'bios'), 'two')
  expect(await key()).not.toBe(before!)
})

test('under KVM the key has what a guest has seen of its host, which is another than under emulation', async () => {
  const [tcg, kvm] = [await keyOf(), await keyOf(configure(), made('kvm'))]
  expect(kvm).toMatch(/^[0-9a-f]{64}$/)
  expect(kvm).not.toBe(tcg!)
})
