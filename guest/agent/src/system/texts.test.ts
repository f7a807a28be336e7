/** The pure readers of the texts that kernel, crun and host hand to the agent. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { lastMessage } from '../container/crun-log.ts'
import { cgroupStats, parseFlatKeyed, parseIoStat, parseSingle } from '../statistics/cgroup-stats.ts'
import { metricsText } from '../statistics/metrics.ts'
import { parseNetworkStats } from '../statistics/network-stats.ts'
import { family } from '../statistics/prometheus.ts'
import { volumeUsage } from '../statistics/volume-usage.ts'
import { splitMountOptions } from '../storage/mount-options.ts'
import { agentOptions, parseCommandLine, rootType } from './command-line.ts'

describe('kernel command line', () => {
  test('words, values and quotes', () => {
    const words = parseCommandLine('quiet a=b=c  dm="one two" panic=1\n')
    expect([...words]).toEqual([
      ['quiet', ''],
      ['a', 'b=c'],
      ['dm', 'one two'],
      ['panic', '1'],
    ])
  })

  test('the vsock address is optional, but must be well formed', () => {
    expect(agentOptions('quiet')).toMatchObject({ vsockPort: undefined, tellsCalls: false })
    expect(agentOptions('quiet agent.server_addr=vsock://-1:1024')).toMatchObject({ vsockPort: 1024 })
    expect(agentOptions('agent.log=debug').tellsCalls).toBe(true)
    expect(agentOptions('quiet').endsByRestart).toBe(false)
    expect(agentOptions('agent.power_off=restart').endsByRestart).toBe(true)
    for (const address of ['vsock://2:1024', 'vsock://-1:', 'unix:///x', 'vsock://-1:1024x'])
      expect(() => agentOptions(`agent.server_addr=${address}`)).toThrow(address)
  })

  test('only a machine without PCI is one', () => {
    expect(agentOptions('pci=lastbus=0 quiet').withoutPci).toBe(false)
    expect(agentOptions('pci=lastbus=0 quiet pci=off').withoutPci).toBe(true)
  })

  test('the root disk is optional, its file system is ext4 unless told', () => {
    expect(agentOptions('quiet root=/dev/sda').rootDisk).toBeUndefined()
    expect(agentOptions('agent.root=/dev/vda').rootDisk).toEqual({ device: '/dev/vda', fsType: 'ext4' })
    expect(agentOptions('agent.root=/dev/vda agent.rootfstype=xfs').rootDisk?.fsType).toBe('xfs')
    for (const device of ['', 'vda', '/dev/', '/dev/../etc', '/dev/disk/by-id/x'])
      expect(() => agentOptions(`agent.root=${device}`)).toThrow(`agent.root=${device} is not`)
  })
})

describe('mount table', () => {
  test.each([
    ['rootfs', 'rootfs / rootfs rw,size=1 0 0\nproc /proc proc rw 0 0\n'],
    ['ext4', '/dev/vda1 / ext4 ro,relatime 0 0\nproc /proc proc rw 0 0\n'],
    ['ext4', 'rootfs / rootfs rw 0 0\n/dev/vda / ext4 ro 0 0\n'],
    [undefined, 'proc /proc proc rw 0 0\n'],
  ])('the root is %s', (type, mounts) => {
    expect(rootType(mounts)).toBe(type)
  })
})

describe('cgroup files', () => {
  const files: Record<string, string> = {
    'cpu.stat': 'usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\nnr_throttled 1\nthrottled_usec 9\n',
    'memory.current': '4096\n',
    'memory.max': '8192\n',
    'memory.events': 'low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\n',
    'memory.stat': 'anon 1\nfile 2048\nkernel 512\n',
    'pids.current': '3\n',
    'pids.max': 'max\n',
    'io.stat': '254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n',
  }

  test("become Kata's statistics", () => {
    const stats = cgroupStats((name) => files[name])
    expect(stats.cpuStats).toEqual({
      cpuUsage: { totalUsage: 5000n, percpuUsage: [], usageInKernelmode: 2000n, usageInUsermode: 3000n },
      throttlingData: { periods: 7n, throttledPeriods: 1n, throttledTime: 9000n },
    })
    expect(stats.memoryStats?.usage).toEqual({ usage: 4096n, maxUsage: 0n, failcnt: 12n, limit: 8192n })
    expect(stats.memoryStats?.cache).toBe(2048n)
    expect(stats.memoryStats?.stats).toMatchObject({ anon: 1n, 'events.oom_kill': 1n, 'events.max': 12n })
    expect(stats.memoryStats?.swapUsage?.limit).toBe(2n ** 64n - 1n)
    expect(stats.pidsStats).toEqual({ current: 3n, limit: 0n })
    expect(stats.blkioStats?.ioServiceBytesRecursive).toEqual([
      { major: 254n, minor: 0n, op: 'read', value: 10n },
      { major: 254n, minor: 0n, op: 'write', value: 20n },
    ])
  })

  test('a cgroup that is gone has zeros', () => {
    expect(cgroupStats(() => undefined).cpuStats?.cpuUsage?.totalUsage).toBe(0n)
  })

  test('readers of single values and of keyed lines', () => {
    expect(parseSingle('max\n', 7n)).toBe(7n)
    expect(parseSingle('18446744073709551615\n', 7n)).toBe(2n ** 64n - 1n)
    expect(parseFlatKeyed('populated 1\nfrozen 0\n')).toEqual({ populated: 1n, frozen: 0n })
    expect(parseIoStat('', { read: 'rbytes', write: 'wbytes' })).toEqual([])
  })
})

test('the last message of crun is the one that counts, in whatever form', () => {
  expect(lastMessage('')).toBeUndefined()
  expect(lastMessage('{"msg":"first","level":"warning"}\n{"msg":"executable file `x` not found"}\n')).toBe(
    'executable file `x` not found',
  )
  expect(lastMessage('not json')).toBe('not json')
  fc.assert(fc.property(fc.string(), (text) => lastMessage(text) !== null))
})

test('mount options: flags of the kernel, data of the file system, words for the agent', () => {
  expect(splitMountOptions(['rw', 'noexec', 'nosuid', 'mode=1777', 'size=64m', 'fsgid=5'])).toEqual({
    flags: 8 | 2,
    data: 'mode=1777,size=64m',
    settings: new Map([
      ['mode', '1777'],
      ['size', '64m'],
      ['fsgid', '5'],
    ]),
  })
})

test('words that no file system knows do not get to it', () => {
  // Of a mount, or the kernel's default.
  const words = ['strictatime', 'lazytime', 'nosymfollow', 'dirsync', 'atime', 'norelatime', 'loud']
  expect(splitMountOptions([...words, 'discard', 'data=ordered'])).toMatchObject({
    flags: (1 << 24) | (1 << 25) | 256 | 128,
    data: 'discard,data=ordered',
  })
  // Of fstab(5).
  const fstab = ['_netdev', 'nofail', 'noauto', 'user', 'x-systemd.automount', 'X-mount.mkdir', 'comment=a']
  expect(splitMountOptions(fstab)).toEqual({ flags: 0, data: '', settings: new Map() })
})

test('what a file system keeps for root is neither used nor available', () => {
  const [bytes, inodes] = volumeUsage([4096, 100, 90, 85, 50, 30])
  expect(bytes).toMatchObject({ total: 409_600n, available: 85n * 4096n, used: 10n * 4096n })
  expect(inodes).toMatchObject({ total: 50n, available: 30n, used: 20n })
})

test('interface counters without loopback', () => {
  const text = [
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop',
    '    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0',
    '  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0',
    '',
  ].join('\n')
  expect(parseNetworkStats(text)).toEqual([
    {
      name: 'eth0',
      rxBytes: 1000n,
      rxPackets: 10n,
      rxErrors: 1n,
      rxDropped: 2n,
      txBytes: 2000n,
      txPackets: 20n,
      txErrors: 3n,
      txDropped: 4n,
    },
  ])
})

test('metrics: one family each, with help and type', () => {
  const files: Record<string, string> = {
    '/proc/loadavg': '0.10 0.20 0.30 2/50 99\n',
    '/proc/stat': 'cpu  10 1 5 900 2 0 3 0 0 0\ncpu0 10 1 5 900 2 0 3 0 0 0\nintr 5\n',
    '/proc/meminfo': 'MemTotal:  1000 kB\nActive(anon): 5 kB\nHugePages_Total:       0\n',
    '/proc/vmstat': 'nr_free_pages 12\npgfault 34\n',
    '/proc/diskstats': ' 254       0 vda 1 2 3 4 5 6 7 8 9 10 11\n',
    '/proc/net/dev': 'Inter-| x\n face |bytes\n  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 7\n',
    '/proc/self/statm': '100 10 0 0 0 0 0\n',
    '/proc/self/stat': '1 (a b) S 0 1 1 0 -1 0 0 0 0 0 150 50 3 4 20 0 1 0 2 0 0\n',
    '/proc/self/status': 'Name:\tinit\nVmPeak:\t  8 kB\nvoluntary_ctxt_switches:\t6\n',
    '/proc/self/io': 'rchar: 5\nwrite_bytes: 6\n',
  }
  const lines = metricsText((path) => files[path]!).split('\n')
  for (const line of [
    'kata_guest_load{item="load5"} 0.20',
    'kata_guest_tasks{item="max"} 50',
    'kata_guest_cpu_time{cpu="total",item="idle"} 900',
    'kata_guest_cpu_time{cpu="0",item="softirq"} 3',
    'kata_guest_meminfo{item="memtotal"} 1024000',
    'kata_guest_meminfo{item="active_anon"} 5120',
    'kata_guest_vm_stat{item="pgfault"} 34',
    'kata_guest_diskstat{disk="vda",item="sectors_written"} 7',
    'kata_guest_netdev_stat{interface="eth0",item="recv_drop"} 2',
    'kata_guest_netdev_stat{interface="eth0",item="sent_compressed"} 7',
    'kata_agent_total_rss 40960',
    'kata_agent_total_time 2',
    'kata_agent_threads 1',
    'kata_agent_proc_stat{item="cstime"} 4',
    'kata_agent_proc_status{item="vmpeak"} 8192',
    'kata_agent_proc_status{item="voluntary_ctxt_switches"} 6',
    'kata_agent_io_stat{item="write_bytes"} 6',
    'kata_agent_process_cpu_seconds_total 2',
  ])
    expect(lines).toContain(line)
  const names = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2])
  expect(names).toHaveLength(18)
  expect(new Set(names).size).toBe(18)
  expect(lines.filter((line) => line.includes('undefined') || line.includes('NaN'))).toEqual([])
})

test('labels of metrics are escaped', () => {
  expect(family('f', 'Help.', [{ labels: { a: 'x"\\\n' }, value: 1 }])).toBe(
    '# HELP f Help.\n# TYPE f gauge\nf{a="x\\"\\\\\\n"} 1\n',
  )
})

test('a host device that is passed on is told as driven or not, and there is nothing to tell without one', () => {
  const read = () => ''
  expect(metricsText(read)).not.toContain('passed_device')
  const labels = { device: '0000:1a:00.0', driver: '', lacks: 'driver' }
  expect(metricsText(read, [{ labels, value: 0 }])).toContain(
    'kata_agent_passed_device{device="0000:1a:00.0",driver="",lacks="driver"} 0\n',
  )
})
