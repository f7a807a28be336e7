/** Which machines are refused to be saved, each beside the one that is not. */
import { afterAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfigText } from '../../config/load.ts'
import { KataError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import type { OciMount } from '../../oci/spec.ts'
import { assetFiles } from '../start/prepare/asset-files.ts'
import { machineKey } from './machine-key.ts'
import { requireSaveable } from './saveable.ts'

const directory = mkdtempSync(join(tmpdir(), 'kata-ts-saveable-'))
afterAll(() => rmSync(directory, { recursive: true }))
const kernel = `${directory}/kernel`
writeFileSync(kernel, 'kernel')

/** Its VMM is this process. */
const configure = (lines = '', program = process.execPath) => {
  const text = `[hypervisor.qemu]\npath = "${program}"\nrootless = true\nshared_fs = "none"\n${lines}\n`
  return loadConfigText('c.toml', Buffer.from(text), silentLogger, { cpus: 2, memoryMiB: 4096 })
}
const plan = { vcpus: 1, memoryMiB: 256, maxVcpus: 1, maxMemoryMiB: 256 }
const assets = { kernel, initrd: kernel, verify: async () => {} }
const machine = {
  assets,
  assetFiles: assetFiles(assets),
  assetsNow: () => assets,
  accelerator: { accelerator: 'tcg', reason: '' },
  plan,
  began: 'boot',
  macs: ['02:00:00:00:00:01'],
} as const
const [written, image] = [{ readonly: false }, { readonly: true }]
const parts = {
  id: 'web',
  config: configure(),
  machine,
  vmmProcess: { pid: process.pid, startTime: '1' },
  vmm: { save: async () => {} },
  share: { copiesFiles: true },
  disks: { all: [written, image] },
  ledger: { held: ['owner', 'vmm'] },
  sizer: { size: plan },
  network: { isOurs: true },
}
/** A root file system of two disks and the overlay that makes one of them. */
const rootfs = ['image', 'written', 'overlay'].map((source) => ({ type: '', source, options: [] }))
const container = (id = 'web', mounts: OciMount[] = []) => ({
  id,
  guestId: `${id}-in-the-guest`,
  bundle: directory,
  rootfs,
  spec: { mounts },
  rights: { every: false, rules: [] },
})

function saveable(changes: object = {}, containers = [container()], to = `${directory}/saved`) {
  const changed = { ...parts, ...changes } as unknown as Parameters<typeof requireSaveable>[0]
  const request = { directory: to, signal: new AbortController().signal }
  return requireSaveable(changed, () => containers, request)
}

test('a machine with nothing but memory and disks of its own is saved under its key', async () => {
  const key = (await machineKey(configure(), machine, new AbortController().signal))!
  expect(await saveable()).toEqual({ key, container: 'web-in-the-guest' })
  const without = saveable({ machine: { ...machine, macs: [] }, network: { isOurs: false } })
  expect((await without).key).toBeString()
})

test('a machine is not saved where its shim sees no directory, as below a later mount', async () => {
  const elsewhere = saveable({}, undefined, `${directory}/unseen/saved`)
  await expect(elsewhere).rejects.toThrow(
    `its shim does not see ${directory}/unseen. If something was mounted`,
  )
})

test('a machine that gets a disk while its files are read is refused', async () => {
  const all = [written, image]
  const saving = saveable({ disks: { all } })
  all.push(image)
  await expect(saving).rejects.toThrow('its disks are not')
})

test('a machine whose guest image was replaced is refused: it could not go on with the one that there is now', async () => {
  const other = { ...assets, initrd: `${directory}/other` }
  writeFileSync(other.initrd, 'another')
  const none = () => {
    throw new KataError('IMAGE_MISSING', { cacheDir: directory })
  }
  for (const assetsNow of [() => other, none])
    await expect(saveable({ machine: { ...machine, assetsNow } })).rejects.toMatchObject({
      code: 'CHECKPOINT_REFUSED',
      message: expect.stringContaining('its guest image was replaced since it began'),
    })
  // Elsewhere, and the same: a package and the cache may have one image.
  writeFileSync(other.initrd, 'kernel')
  const moved = await saveable({ machine: { ...machine, assetsNow: () => other } })
  expect(moved.container).toBe('web-in-the-guest')
})

test('so is one whose guest image has another in its place, under the same names as an upgrade of the package leaves it', async () => {
  // Its rights alone are another: the same image.
  chmodSync(kernel, 0o640)
  expect((await saveable()).container).toBe('web-in-the-guest')
  const refused = {
    code: 'CHECKPOINT_REFUSED',
    message: expect.stringContaining('its guest image was replaced'),
  }
  const former = `${directory}/former`
  renameSync(kernel, former)
  writeFileSync(kernel, 'the next kernel')
  await expect(saveable()).rejects.toMatchObject(refused)
  rmSync(kernel)
  await expect(saveable()).rejects.toMatchObject(refused)
  renameSync(former, kernel)
})

const volume: OciMount = { destination: '/data', type: 'bind', source: '/srv/data', options: ['rbind'] }
test.each<[string, () => Promise<unknown>, string]>([
  ['whose VMM saves none', () => saveable({ vmm: {} }), 'saves no machines'],
  ['that shares files', () => saveable({ share: {} }), 'it shares files with the host'],
  ['with a TPM', () => saveable({ config: configure('enable_tpm = true') }), 'enable_tpm of its'],
  ['without a container', () => saveable({}, []), 'it is a pod of several containers'],
  [
    'with another container',
    () => saveable({}, [container(), container('other')]),
    'it is a pod of several containers',
  ],
  ['that is a pod’s', () => saveable({}, [container('main')]), 'it is a pod of several containers'],
  ['in a network of others', () => saveable({ network: { isOurs: false } }), 'its network is not of kata-ts'],
  ['with a volume', () => saveable({}, [container('web', [volume])]), 'it has volumes of the host'],
  [
    'with a device of the host',
    () => saveable({ ledger: { held: ['owner', 'vfio'] } }),
    'it has a device of the host (vfio)',
  ],
  [
    'with a disk that goes with it',
    () => saveable({ ledger: { held: ['emptydir-disk'] } }),
    'it has a device of the host (emptydir-disk)',
  ],
  ['with two disks to write', () => saveable({ disks: { all: [written, written] } }), 'its disks are not'],
  ['with a disk more', () => saveable({ disks: { all: [written, image, image] } }), 'its disks are not'],
  [
    'with more memory',
    () => saveable({ sizer: { size: { ...plan, memoryMiB: 512 } } }),
    'its machine has grown',
  ],
  [
    'with more processors',
    () => saveable({ sizer: { size: { ...plan, vcpus: 2 } } }),
    'its machine has grown',
  ],
  [
    'whose program was replaced',
    () => saveable({ config: configure('', kernel) }),
    'its VMM runs from a program that was replaced since',
  ],
])('a machine %s is refused', async (_, save, reason) => {
  await expect(save()).rejects.toMatchObject({
    code: 'CHECKPOINT_REFUSED',
    message: expect.stringContaining(reason),
  })
})
