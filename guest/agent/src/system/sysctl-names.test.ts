import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { splitSysctls, sysctlPath } from './sysctl-names.ts'

test('parameters of the IPC and UTS namespace go to the container, all others to the machine', () => {
  const container = {
    'kernel.shmmax': '1',
    'kernel.sem': '1 2 3 4',
    'fs.mqueue.msg_max': '10',
    'kernel/msgmni': '5',
    'kernel.domainname': 'example.test',
  }
  const machine = {
    'net.ipv4.ip_forward': '1',
    'vm.overcommit_memory': '1',
    'kernel.pid_max': '99999',
    'kernel.shmaxx': '1',
    'kernel.hostname_x': '1',
    'fs.mqueuex': '1',
  }
  expect(splitSysctls({ ...machine, ...container })).toEqual({ container, machine })
})

test.each([
  ['net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward'],
  ['net/ipv4/ip_forward', '/proc/sys/net/ipv4/ip_forward'],
  ['net.ipv4.conf.eth0/100.forwarding', '/proc/sys/net/ipv4/conf/eth0.100/forwarding'],
  ['net/ipv4/conf/eth0.100/forwarding', '/proc/sys/net/ipv4/conf/eth0.100/forwarding'],
])('%s is the file %s', (name, path) => {
  expect(sysctlPath(name)).toBe(path)
})

test('a name that leads elsewhere is refused', () => {
  for (const name of ['', '..', 'net/../../self/mem', 'net.ipv4//../x', '/etc/passwd', 'a b', 'net.x\0'])
    expect(() => sysctlPath(name)).toThrow('is not the name of a sysctl')
})

test('whatever the name, the file is below /proc/sys', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', '-', '\0', ' ') }), (name) => {
      try {
        const path = sysctlPath(name)
        expect(path).toMatch(/^\/proc\/sys(\/[^/]+)+$/)
        expect(path.split('/')).not.toContain('..')
        expect(path.split('/')).not.toContain('.')
      } catch (error) {
        expect(String(error)).toContain('is not the name of a sysctl')
      }
    }),
  )
})
