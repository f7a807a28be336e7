import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { openIommu, openVfioDevice } from './vfio.ts'
import { findVfio, isVfioCommon } from './vfio-tree.ts'

let root: string
let sys: string
let dev: string
beforeAll(() => {
  root = mkdtempSync(`${tmpdir()}/vfio-`)
  sys = `${root}/sys`
  dev = `${root}/dev`
  mkdirSync(`${dev}/vfio/devices`, { recursive: true })
})
afterAll(() => rmSync(root, { recursive: true }))

interface Function {
  readonly address: string
  readonly group: string
  readonly driver?: string
  readonly cdev?: string
  /** Of the character device, with it. */
  readonly numbers?: string
  readonly pciClass?: string
}

/** Lays a PCI function out as the kernel does. */
function add({ address, group, driver, cdev, numbers, pciClass = '0x020000' }: Function): void {
  const device = `${sys}/devices/pci0000:00/${address}`
  mkdirSync(device, { recursive: true })
  writeFileSync(`${device}/class`, `${pciClass}\n`)
  mkdirSync(`${sys}/kernel/iommu_groups/${group}/devices`, { recursive: true })
  symlinkSync(device, `${sys}/kernel/iommu_groups/${group}/devices/${address}`)
  symlinkSync(`${sys}/kernel/iommu_groups/${group}`, `${device}/iommu_group`)
  if (driver !== undefined) {
    mkdirSync(`${sys}/bus/pci/drivers/${driver}`, { recursive: true })
    symlinkSync(`${sys}/bus/pci/drivers/${driver}`, `${device}/driver`)
  }
  if (cdev === undefined) return
  mkdirSync(`${device}/vfio-dev/${cdev}`, { recursive: true })
  writeFileSync(`${device}/vfio-dev/${cdev}/dev`, `${numbers}\n`)
  symlinkSync(device, `${device}/vfio-dev/${cdev}/device`)
  mkdirSync(`${sys}/class/vfio-dev`, { recursive: true })
  symlinkSync(`${device}/vfio-dev/${cdev}`, `${sys}/class/vfio-dev/${cdev}`)
}

/** The node of a whole group, as the legacy container has it. */
function addGroup(name: string, numbers: string): void {
  mkdirSync(`${sys}/class/vfio/${name}`, { recursive: true })
  writeFileSync(`${sys}/class/vfio/${name}/dev`, `${numbers}\n`)
}

const bound = { driver: 'vfio-pci' }
const found = (major: number, minor: number) =>
  findVfio({ major, minor }, 'c', sys)?.map(({ address, cdev }) => `${address} ${cdev}`)

beforeAll(() => {
  add({ address: '0000:1a:00.0', group: '12', ...bound, cdev: 'vfio0', numbers: '511:0' })
  add({ address: '0000:1a:00.1', group: '12', ...bound, cdev: 'vfio1', numbers: '511:1' })
  add({ address: '0000:00:1c.0', group: '12', driver: 'pcieport', pciClass: '0x060400' })
  add({ address: '0000:1a:00.2', group: '12' })
  addGroup('12', '243:0')
  add({ address: '0000:2b:00.0', group: '13', ...bound, cdev: 'vfio2', numbers: '511:2' })
  add({ address: '0000:2b:00.1', group: '13', driver: 'e1000e' })
  addGroup('13', '243:1')
  add({ address: '0000:3c:00.0', group: '14', ...bound })
  addGroup('14', '243:2')
  add({ address: '0000:5e:00.0', group: '15', ...bound, cdev: 'vfio4', numbers: '511:4' })
  add({ address: '0000:5e:00.1', group: '15', driver: 'pci-stub' })
  addGroup('15', '243:4')
  add({ address: '0000:4d:00.0', group: '0', ...bound, cdev: 'noiommu-vfio3', numbers: '511:3' })
  addGroup('noiommu-0', '243:3')
  mkdirSync(`${sys}/class/misc/vfio`, { recursive: true })
  writeFileSync(`${sys}/class/misc/vfio/dev`, '10:196\n')
})

describe('the devices that numbers mean', () => {
  test('a group is all its functions, without its bridges and those that nobody drives', () => {
    expect(found(243, 0)).toEqual(['0000:1a:00.0 vfio0', '0000:1a:00.1 vfio1'])
  })

  test('what the administrator keeps from all drivers by pci-stub is in nobody’s way', () => {
    expect(found(243, 4)).toEqual(['0000:5e:00.0 vfio4'])
  })

  test('a device of its own is that one alone', () => {
    expect(found(511, 1)).toEqual(['0000:1a:00.1 vfio1'])
  })

  test('other numbers are no device of VFIO, and what all share is known', () => {
    expect(found(10, 196)).toBeUndefined()
    expect(found(243, 99)).toBeUndefined()
    expect(isVfioCommon({ major: 10, minor: 196 }, sys)).toBe(true)
    expect(isVfioCommon({ major: 10, minor: 229 }, sys)).toBe(false)
  })

  test.each([
    [
      'a group that the host works with',
      243,
      1,
      '[VFIO_GROUP_SHARED] IOMMU group 13 is shared with the host: container c asks for a device of it, and driver e1000e has 0000:2b:00.1',
    ],
    ['one function of such a group', 511, 2, '[VFIO_GROUP_SHARED]'],
    ['a device without a character device of its own', 243, 2, '[VFIO_NO_CDEV] host device 0000:3c:00.0'],
    ['a device without an IOMMU', 511, 3, '[VFIO_NO_IOMMU] host device noiommu-vfio3'],
    ['a group without an IOMMU', 243, 3, '[VFIO_NO_IOMMU] host device group noiommu-0'],
  ])('%s is refused', (_, major, minor, message) => {
    expect(() => found(major, minor)).toThrow(message)
  })

  test('a host without VFIO has none', () => {
    expect(findVfio({ major: 243, minor: 0 }, 'c', `${root}/nothing`)).toBeUndefined()
  })
})

const canMakeNodes = process.getuid?.() === 0
if (!canMakeNodes) console.log('skipped: only root can make device nodes')

describe.skipIf(!canMakeNodes)('their nodes', () => {
  const node = (path: string, ...numbers: string[]) => {
    Bun.spawnSync(['/usr/bin/mknod', `${dev}/${path}`, 'c', ...numbers])
    chmodSync(`${dev}/${path}`, 0o600)
  }
  // That of /dev/null, which opens without hardware.
  const device = { address: '0000:1a:00.0', cdev: 'vfio0', numbers: { major: 1, minor: 3 } }

  test('are opened if they are what sysfs says', () => {
    node('vfio/devices/vfio0', '1', '3')
    node('iommu', '1', '3')
    for (const fd of [openVfioDevice(device, 'c', { dev }), openIommu('c', { dev })]) {
      expect(readlinkSync(`/proc/self/fd/${fd}`)).toStartWith(dev)
      closeSync(fd)
    }
  })

  test('and refused if they are anything else', () => {
    const numbers = { major: 1, minor: 5 }
    expect(() => openVfioDevice({ ...device, numbers }, 'c', { dev })).toThrow(
      `[DEVICE_CHANGED] device ${dev}/vfio/devices/vfio0 of container c is the character device 1:3, but its specification says the character device 1:5`,
    )
    writeFileSync(`${dev}/vfio/devices/vfio5`, '')
    expect(() => openVfioDevice({ ...device, cdev: 'vfio5' }, 'c', { dev })).toThrow('no character device')
    symlinkSync(`${dev}/vfio/devices/vfio0`, `${dev}/vfio/devices/vfio6`)
    expect(() => openVfioDevice({ ...device, cdev: 'vfio6' }, 'c', { dev })).toThrow('[DEVICE_OPEN_FAILED]')
    expect(() => openVfioDevice({ ...device, cdev: '../null' }, 'c', { dev })).toThrow('[VFIO_NO_CDEV]')
  })

  test('or if they are not there', () => {
    expect(() => openVfioDevice({ ...device, cdev: 'vfio9' }, 'c', { dev })).toThrow('[DEVICE_MISSING]')
    expect(() => openIommu('c', { dev: root })).toThrow(
      '[VFIO_NO_IOMMUFD] the devices that container c asks for need /dev/iommu',
    )
  })
})
