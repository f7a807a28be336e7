/** Saved machines on disk. Root's own files are what is asked for, so this runs as root. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { fileFacts } from '../../linux/files/file-facts.ts'
import { SyscallError } from '../../linux/libc.ts'
import type { SaveTo } from '../../vmm/vmm.ts'
import type { PluggedDisk } from '../storage/disks.ts'
import { readCheckpoint, verifyCheckpoint } from './checkpoint.ts'
import { saveMachine } from './save-machine.ts'

const running = new AbortController().signal

let directory: string
beforeEach(() => {
  directory = mkdtempSync('/var/tmp/kata-ts-checkpoint-')
  writeFileSync(`${directory}/written.img`, 'files of the container')
  writeFileSync(`${directory}/image.erofs`, 'files of the image')
})
afterEach(() => rmSync(directory, { recursive: true }))

const saved = () => `${directory}/saved`
const place = (address: string) => ({ driver: 'scsi', address }) as const
const disks = (): PluggedDisk[] => [
  { id: 'disk1', name: `${directory}/written.img`, readonly: false, address: place('0:0') },
  { id: 'disk2', name: `${directory}/image.erofs`, readonly: true, address: place('0:1') },
]
const machine = {
  assets: { kernel: '/kernel', verify: async () => {} },
  accelerator: { accelerator: 'tcg', reason: '' },
  plan: { vcpus: 1, maxVcpus: 0, memoryMiB: 256, maxMemoryMiB: 0 },
  began: 'boot',
  macs: ['02:00:00:00:00:01'],
} as const

/** Saves a machine whose state is that text. */
function save(
  ends: boolean,
  write: (fd: number) => void = (fd) => writeFileSync(fd, 'memory'),
  signal = running,
): Promise<void> {
  const vmm = { save: async ({ state }: SaveTo) => write(state) }
  const parts = { vmm, machine, disks: { all: disks() } } as unknown as Parameters<typeof saveMachine>[0]
  const request = { directory: saved(), ends, signal }
  return saveMachine(parts, { key: 'a'.repeat(64), container: 'web' }, request)
}
const verify = (now = disks()) => verifyCheckpoint(readCheckpoint(saved()), now, running)

test('what was saved is there as a whole, and is what was written down', async () => {
  await save(true)
  const { facts } = readCheckpoint(saved())
  expect(facts).toMatchObject({ version: 1, container: 'web', accelerator: 'tcg', plan: machine.plan })
  expect(facts.cards).toEqual(machine.macs)
  expect(facts.disks.map(({ id, place: at, readonly }) => [id, at, readonly])).toEqual([
    ['disk1', '0:0', false],
    ['disk2', '0:1', true],
  ])
  await verify()
})

test('its memory is noted as it was looked at, so that another under its name does not pass for it', async () => {
  await save(true)
  const { state, recorded } = readCheckpoint(saved())
  expect(recorded).toEqual(fileFacts(statSync(state, { bigint: true })))
  // Two files that are written within one tick of the kernel's clock have one time.
  await Bun.sleep(20)
  rmSync(saved(), { recursive: true })
  await save(true)
  expect(readCheckpoint(saved()).recorded).not.toEqual(recorded)
})

/** Whether parts of the file have no place on the disk yet, as ext4 and xfs show it. */
const isPending = (path: string) =>
  Bun.spawnSync(['/usr/sbin/filefrag', '-v', path]).stdout.toString().includes('delalloc')

test.each([
  ['ends', true, ['checkpoint.json', 'state']],
  ['goes on', false, ['checkpoint.json', 'state', 'written.img']],
] as const)(
  'what is saved of a machine that %s is on the disk before it has its name',
  async (_, ends, files) => {
    // The control: without a flush it is not, where the file system allocates late.
    if (!isPending(`${directory}/written.img`)) return
    await save(ends)
    expect(readdirSync(saved()).sort()).toEqual([...files])
    const all = [...files.map((file) => `${saved()}/${file}`), ...(ends ? [`${directory}/written.img`] : [])]
    expect(all.filter(isPending)).toEqual([])
  },
)

test('a machine that goes on has its disk copied', async () => {
  await save(false)
  writeFileSync(`${directory}/written.img`, 'files of the container later')
  await expect(verify()).rejects.toThrow('[CHECKPOINT_DAMAGED]')
  const [disk, image] = disks()
  await verify([{ ...disk!, name: `${saved()}/written.img` }, image!])
})

test.each([
  ['us', Object.assign(new Error('no space'), { code: 'ENOSPC' })],
  ['the VMM', new SyscallError('migrate of the VMM', 'ENOSPC')],
])('a machine that cannot be saved leaves nothing; who says so: %s', async (_, full) => {
  const failing = save(true, () => {
    throw full
  })
  await expect(failing).rejects.toThrow(
    `[CHECKPOINT_DISK_FULL] no space is left for a saved machine in ${directory}.`,
  )
  expect(() => readCheckpoint(saved())).toThrow('[CHECKPOINT_DAMAGED]')
  expect(await Array.fromAsync(new Bun.Glob('saved*').scan({ cwd: directory, onlyFiles: false }))).toEqual([])
})

test('a save that is given up while the VMM writes leaves nothing', async () => {
  const giveUp = new AbortController()
  const given = save(true, () => giveUp.abort(new Error('nobody wants it')), giveUp.signal)
  await expect(given).rejects.toThrow('nobody wants it')
  expect(await Array.fromAsync(new Bun.Glob('saved*').scan({ cwd: directory, onlyFiles: false }))).toEqual([])
})

const damages: readonly [string, (directory: string) => void, string][] = [
  [
    'other memory',
    (at) => writeFileSync(`${at}/saved/state`, 'Memory'),
    'its digest is not the recorded one',
  ],
  ['less memory', (at) => writeFileSync(`${at}/saved/state`, 'mem'), 'it has 3 bytes, recorded are 6'],
  ['another disk', (at) => writeFileSync(`${at}/written.img`, 'Files of the container'), 'its digest is not'],
  ['a later image', (at) => utimesSync(`${at}/image.erofs`, 1, 1), 'it was changed since'],
  ['no memory', (at) => rmSync(`${at}/saved/state`), 'it is not there'],
  ['facts of another form', (at) => writeFileSync(`${at}/saved/checkpoint.json`, '{}'), 'version'],
]
test.each(damages)('%s: it does not go on', async (_, damage, reason) => {
  await save(true)
  await verify()
  damage(directory)
  const looked = async () => verify()
  await expect(looked()).rejects.toThrow('[CHECKPOINT_DAMAGED]')
  await expect(looked()).rejects.toThrow(reason)
})

test('facts of another format are not damaged: the kata-ts that wrote them reads them', async () => {
  await save(true)
  const file = `${saved()}/checkpoint.json`
  writeFileSync(file, readFileSync(file, 'utf8').replace('"version": 1', '"version": 9'))
  expect(() => readCheckpoint(saved())).toThrow(
    `[CHECKPOINT_UNUSABLE] the machine saved in ${saved()} cannot continue here: its format is 9, and this kata-ts`,
  )
})

const foreign: readonly [string, (saved: string) => void][] = [
  ['a file of another user', (at) => chownSync(`${at}/state`, 65534, 0)],
  ['facts that others may write', (at) => chmodSync(`${at}/checkpoint.json`, 0o666)],
  ['a directory that others may write', (at) => chmodSync(at, 0o777)],
  [
    'a link',
    (at) => {
      renameSync(`${at}/state`, `${at}/elsewhere`)
      symlinkSync(`${at}/elsewhere`, `${at}/state`)
    },
  ],
  [
    'a directory for a file',
    (at) => {
      rmSync(`${at}/state`)
      mkdirSync(`${at}/state`)
    },
  ],
]
test.each(foreign)('%s counts for nothing', async (_, change) => {
  await save(true)
  change(saved())
  expect(() => readCheckpoint(saved())).toThrow('[CHECKPOINT_FOREIGN]')
})

test('disks in other places, or others, are not those of the machine', async () => {
  await save(true)
  const [disk, image] = disks()
  for (const now of [[image!, disk!], [disk!], [{ ...disk!, readonly: true }, image!]])
    await expect(verify(now)).rejects.toThrow('[CHECKPOINT_DAMAGED]')
})

test('with another bus for its disks it is not damaged: it goes on with the configuration of before', async () => {
  await save(true)
  const [disk, image] = disks()
  const onBus = { ...disk!, address: { driver: 'blk', pciPath: '01/00' } as const }
  for (const moved of [onBus, { ...disk!, address: place('0:7') }])
    await expect(verify([moved, image!])).rejects.toMatchObject({
      code: 'CHECKPOINT_UNUSABLE',
      fields: { path: saved(), reason: expect.stringContaining('block_device_driver') },
    })
  await verify()
})
