/** As what a saved machine goes on: the one that it was, or none. */
import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfigText } from '../../config/load.ts'
import { silentLogger } from '../../log.ts'
import { templateShape } from '../../vmm/create.ts'
import { describeGuest } from '../start/machine/machine.ts'
import { templateKey } from '../template/template-key.ts'
import { type Checkpoint, requireSameCards, requireSameMachine } from './checkpoint.ts'
import { machineKey } from './machine-key.ts'

const directory = mkdtempSync(join(tmpdir(), 'kata-ts-same-'))
afterAll(() => rmSync(directory, { recursive: true }))
// It stands for the VMM and the initrd, too.
const kernel = `${directory}/kernel`
beforeEach(() => writeFileSync(kernel, 'kernel'))

const configure = (lines = '', driver = 'qemu') => {
  const text = `[hypervisor.${driver}]\npath = "${kernel}"\nrootless = true\nshared_fs = "none"\n${lines}\n`
  return loadConfigText('c.toml', Buffer.from(text), silentLogger, { cpus: 2, memoryMiB: 4096 })
}
const plan = { vcpus: 1, memoryMiB: 256, maxVcpus: 1, maxMemoryMiB: 256 }
const made = (accelerator: 'kvm' | 'tcg' = 'tcg') => ({
  assets: { kernel, initrd: kernel, verify: async () => {} },
  accelerator: { accelerator, reason: '' },
  plan,
})

function saved(changes: Partial<Checkpoint['facts']> = {}): Checkpoint {
  const key = machineKey(configure(), made())!
  const state = { bytes: 1, sha256: '' }
  const facts = { version: 1, savedBy: '', savedAt: '', key, accelerator: 'tcg', plan, state } as const
  return {
    ...{ directory: '/saved', state: '/saved/state', recorded: { bytes: 1, changedAt: '' } },
    facts: { ...facts, container: 'web', disks: [], ...changes },
  }
}

describe('a saved machine', () => {
  test('goes on as the machine that it was', () => {
    requireSameMachine(saved(), configure(), made())
  })

  test.each<[string, () => void, string]>([
    [
      'with another configuration',
      () => requireSameMachine(saved(), configure('kernel_params = "other=1"'), made()),
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      'with another kernel',
      () => {
        const checkpoint = saved()
        writeFileSync(kernel, 'another kernel')
        requireSameMachine(checkpoint, configure(), made())
      },
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      'of another size',
      () => requireSameMachine(saved({ plan: { ...plan, memoryMiB: 512 } }), configure(), made()),
      'QEMU, kernel, initrd, configuration or processor are others',
    ],
    [
      'with another accelerator',
      () => requireSameMachine(saved(), configure(), made('kvm')),
      'it ran with tcg, and here is kvm',
    ],
    [
      'of a VMM that saves none',
      () => requireSameMachine(saved(), configure('', 'firecracker'), made()),
      'the VMM (firecracker) saves no machines',
    ],
  ])('does not go on as one %s', (_, go, reason) => {
    expect(go).toThrow(`[CHECKPOINT_UNUSABLE]`)
    expect(go).toThrow(reason)
  })

  test('has as many network cards as it had', () => {
    const cards = ['02:00:00:00:00:01']
    requireSameCards(saved({ cards }), ['one'])
    requireSameCards(saved(), [])
    expect(() => requireSameCards(saved({ cards }), [])).toThrow(
      'the machine had 1 network cards, and gets 0',
    )
    expect(() => requireSameCards(saved(), ['one'])).toThrow('[CHECKPOINT_UNUSABLE]')
  })
})

test('under KVM the key has what a guest has seen of its host, and under emulation it has seen nothing', () => {
  const keyed = (accelerator: 'kvm' | 'tcg') => {
    const parts = made(accelerator)
    const shape = templateShape(
      describeGuest({ id: 'checkpoint', config: configure(), ...parts }),
      configure(),
    )!
    return { key: machineKey(configure(), parts), emulated: templateKey(shape, 'emulated') }
  }
  const { key, emulated } = keyed('tcg')
  expect(key).toBe(emulated)
  expect(keyed('kvm').key).toMatch(/^[0-9a-f]{64}$/)
  expect(keyed('kvm').key).not.toBe(keyed('kvm').emulated)
})
