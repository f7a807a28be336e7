import { expect, test } from 'bun:test'
import { silentLogger } from '../../log.ts'
import { undrivenDevices, warningOf } from './passed-drivers.ts'

const sys: Record<string, string> = {
  '/sys/bus/pci/devices/0000:1a:00.0/vendor': '0x10de',
  '/sys/bus/pci/devices/0000:1a:00.0/device': '0x2330',
  '/sys/bus/pci/devices/0000:1a:00.0/modalias': 'pci:v000010DEd00002330sv000010DEsd000016C1bc03sc02i00',
}
const facts = { address: '0000:1a:00.0', driver: '', lacks: 'driver', container: 'c' }

test('a warning names the device, its alias, and what helps', () => {
  expect(warningOf(facts, (path) => sys[path])).toBe(
    'device 0000:1a:00.0 (10de:2330, pci:v000010DEd00002330sv000010DEsd000016C1bc03sc02i00) of container c has no driver in the guest: ' +
      'name the module in kernel_modules, and use a guest image that has it',
  )
  expect(warningOf({ ...facts, driver: 'virtio-pci', lacks: 'disk' }, () => undefined)).toContain(
    'device 0000:1a:00.0 (unknown:unknown, unknown) of container c has the driver virtio-pci in the guest, but no disk came of it',
  )
})

const device = (...options: string[]) => ({
  id: 'd',
  type: 'vfio-pci-gk',
  vmPath: '',
  containerPath: '/dev/vfio/1',
  options,
})
const line = (address: string, driver: string, lacks: string, value = 0) =>
  `kata_agent_passed_device{device="${address}",driver="${driver}",lacks="${lacks}"} ${value}\n`
const asked = (metrics: string, devices = [device('0000:1a:00.0=0f/00', '0000:1a:00.1=10/00')]) =>
  undrivenDevices(devices, 'c', { getMetrics: async () => ({ metrics }) } as never, silentLogger)

test('of the devices asked for, those that lack something', async () => {
  const metrics =
    '# TYPE kata_agent_passed_device gauge\n' +
    line('0000:1a:00.0', '', 'driver') +
    line('0000:1a:00.1', 'ena', '', 1) +
    line('0000:2b:00.0', '', 'driver')
  const warnings = await asked(metrics)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toStartWith('device 0000:1a:00.0 (')
})

test('an agent without the metric, one that fails, and no device: nothing to say', async () => {
  expect(await asked('kata_agent_threads 1\n')).toEqual([])
  expect(await asked(line('0000:1a:00.0', '', 'driver'), [])).toEqual([])
  const failing = { getMetrics: () => Promise.reject(new Error('unimplemented')) } as never
  expect(await undrivenDevices([device('0000:1a:00.0=0f/00')], 'c', failing, silentLogger)).toEqual([])
})

test('a guest that says something else gets no word of its own through', async () => {
  const esc = String.fromCharCode(27)
  for (const hostile of [
    line('0000:1a:00.0', `${esc}[2J`, 'disk'),
    line('0000:1a:00.0', 'x'.repeat(33), 'disk'),
    line('0000:1a:00.0', 'ena', 'a password'),
    line('../../../etc', '', 'driver'),
  ])
    expect(await asked(hostile)).toEqual([])
})
