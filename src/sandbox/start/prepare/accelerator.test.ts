import { expect, test } from 'bun:test'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { Ledger, type ResourceKind } from '../../../ledger/ledger.ts'
import { silentLogger } from '../../../log.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import type { ProbeOutcome } from '../../../vmm/kvm/kvm-trial.ts'
import { probeMemoryMiB } from '../../../vmm/kvm/probe-memory.ts'
import type { ProbeOptions } from '../../../vmm/vmm.ts'
import { treeResource } from '../../storage/tree.ts'
import { HostDouble } from '../doubles/host.double.ts'
import { type AcceleratorHost, sandboxAccelerator } from './accelerator.ts'
import { requireStartable } from './claim.ts'

type Boot = (options: Omit<ProbeOptions, 'limitMs'>) => Promise<ProbeOutcome>

const userKind: ResourceKind<object> = { kind: 'user', release: () => {} }

/** A host on which a trial decides, which is `boot`; without one nothing has to be tried. */
function sandboxOn(double: HostDouble, boot?: Boot) {
  const { config, ...request } = double.request({ defaultMemory: 2048 })
  const paths = requireStartable({ config, ...request })
  double.host.claimStateDir(paths)
  const kinds = [treeResource, userKind] as unknown as ResourceKind<never>[]
  const ledger = new Ledger(paths.ledger, kinds, silentLogger)
  const initrd = `${double.directory}/initrd`
  writeFileSync(initrd, Buffer.alloc(3 << 20))
  const identity = { name: 'kata-7', uid: 7, gid: 7, groups: [] }
  const host: AcceleratorHost = {
    choose: async (_request, trial): Promise<AcceleratorChoice> => {
      if (boot === undefined) return { accelerator: 'tcg', reason: 'configured' }
      const { works, reason } = await trial(boot)
      return { accelerator: works ? 'kvm' : 'tcg', reason }
    },
    takeUser: (where) =>
      where.take(userKind, {}, () => ({ identity, privateDir: '/run/user/7', ids: undefined })),
  }
  const decide = (verified: Promise<void> = Promise.resolve()) =>
    sandboxAccelerator(
      ledger,
      {
        id: 'pod',
        namespace: 'test',
        config,
        paths,
        verified,
        log: silentLogger,
        assets: { kernel: '/kernel', initrd, verify: () => verified },
      },
      host,
    )
  return { decide, ledger, paths }
}

test('a trial is a machine with a user of its own, as small as its initrd allows, and leaves nothing', async () => {
  using double = new HostDouble()
  let tried: Omit<ProbeOptions, 'limitMs'> | undefined
  let during: unknown
  const { decide, ledger, paths } = sandboxOn(double, async (options) => {
    tried = options
    during = { held: [...ledger.held], mode: statSync(options.spec.stateDir).mode & 0o7777 }
    return { works: true, reason: 'a guest booted' }
  })
  expect(await decide()).toEqual({ accelerator: 'kvm', reason: 'a guest booted' })
  const memoryMiB = probeMemoryMiB(3 << 20, 2048)
  expect(tried?.spec).toMatchObject({
    sandboxId: 'pod',
    stateDir: `${paths.stateDir}/kvm-probe`,
    privateDir: '/run/user/7',
    kernel: '/kernel',
    vcpus: 1,
    maxVcpus: 1,
    memoryMiB,
    maxMemoryMiB: memoryMiB,
  })
  expect(memoryMiB).toBeLessThan(2048)
  expect(during).toEqual({ held: ['user', 'tree'], mode: 0o700 })
  expect({ held: ledger.held, left: existsSync(`${paths.stateDir}/kvm-probe`) }).toEqual({
    held: [],
    left: false,
  })
})

test('a trial that cannot be made leaves nothing, either', async () => {
  using double = new HostDouble()
  const { decide, ledger, paths } = sandboxOn(double, () => Promise.reject(new Error('no QEMU')))
  await expect(decide()).rejects.toThrow('no QEMU')
  expect({ held: ledger.held, left: existsSync(`${paths.stateDir}/kvm-probe`) }).toEqual({
    held: [],
    left: false,
  })
})

test('no guest boots from a kernel that is not the one that was built', async () => {
  using double = new HostDouble()
  const booted: string[] = []
  const { decide, ledger } = sandboxOn(double, async () => {
    booted.push('booted')
    return { works: true, reason: '' }
  })
  await expect(decide(Promise.reject(new Error('checksum')))).rejects.toThrow('checksum')
  expect({ booted, held: ledger.held }).toEqual({ booted: [], held: [] })
})

test('without a need for a trial nothing is taken, and the checksums are not waited for', async () => {
  using double = new HostDouble()
  const { decide, ledger } = sandboxOn(double)
  expect(await decide(new Promise(() => {}))).toEqual({ accelerator: 'tcg', reason: 'configured' })
  expect(ledger.held).toEqual([])
})
