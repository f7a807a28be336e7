import { expect, test } from 'bun:test'
import { passedDeviceState, type SysFiles } from './passed-device-state.ts'

const device = '/sys/devices/pci0000:00/0000:00:0f.0/0000:01:00.0'
const inside = '../../devices/pci0000:00/0000:00:0f.0/0000:01:00.0'

/** A path leads to its text; what begins with `->` is a symbolic link. */
function filesOf(entries: Readonly<Record<string, string>>): SysFiles {
  const paths = Object.keys(entries)
  return {
    list: (path) => [
      ...new Set(
        paths
          .filter((one) => one.startsWith(`${path}/`))
          .map((one) => one.slice(path.length + 1).split('/')[0]!),
      ),
    ],
    exists: (path) => path in entries,
    readIfThere: (path) => entries[path],
    linkTarget: (path) => (entries[path]?.startsWith('->') ? entries[path].slice(2) : undefined),
  }
}
const driver = (name: string) => ({ [`${device}/driver`]: `->../../../../bus/pci/drivers/${name}` })
const pciClass = (text: string) => ({ [`${device}/class`]: `${text}\n` })

test.each([
  ['nobody drives it', pciClass('0x030200'), { driver: '', lacks: 'driver' }],
  [
    'a GPU with its driver',
    { ...pciClass('0x030200'), ...driver('nvidia') },
    { driver: 'nvidia', lacks: '' },
  ],
  [
    'a disk whose driver is not done yet',
    { ...pciClass('0x010802'), ...driver('nvme') },
    { driver: 'nvme', lacks: 'disk' },
  ],
  [
    'a disk of another device',
    {
      ...pciClass('0x010802'),
      ...driver('nvme'),
      '/sys/class/block/vda': '->../../devices/pci0000:00/0000:00:02.0/virtio0/block/vda',
      '/dev/vda': '',
    },
    { driver: 'nvme', lacks: 'disk' },
  ],
  [
    'a disk without its node',
    {
      ...pciClass('0x010802'),
      ...driver('nvme'),
      '/sys/class/block/nvme0n1': `->${inside}/nvme/nvme0/nvme0n1`,
    },
    { driver: 'nvme', lacks: 'disk' },
  ],
  [
    'a disk that is there',
    {
      ...pciClass('0x010000'),
      ...driver('virtio-pci'),
      '/sys/class/block/vda': `->${inside}/virtio5/block/vda`,
      '/dev/vda': '',
    },
    { driver: 'virtio-pci', lacks: '' },
  ],
  [
    'a disk of several paths',
    {
      ...pciClass('0x010802'),
      ...driver('nvme'),
      [`${device}/nvme/nvme0/nvme0c0n1/dev`]: '',
      '/dev/nvme0n1': '',
    },
    { driver: 'nvme', lacks: '' },
  ],
  [
    'a network card whose inner driver is missing',
    {
      ...pciClass('0x020000'),
      ...driver('virtio-pci'),
      '/sys/class/net/lo': '->../../devices/virtual/net/lo',
    },
    { driver: 'virtio-pci', lacks: 'interface' },
  ],
  [
    'a network card that is there',
    { ...pciClass('0x020000'), ...driver('ena'), '/sys/class/net/eth1': `->${inside}/net/eth1` },
    { driver: 'ena', lacks: '' },
  ],
] as [string, Record<string, string>, object][])('%s', (_, entries, state) => {
  expect(passedDeviceState(device, filesOf(entries))).toEqual(state as never)
})
