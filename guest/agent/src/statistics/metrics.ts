/** Prometheus text about the guest and the agent, with Kata's family names. Pure: tested on the host. */
import { family, type Sample } from './prometheus.ts'

/** Reads a file of /proc as text. */
export type ReadText = (path: string) => string

const pageBytes = 4096
const ticksPerSecond = 100
let scrapes = 0

/** `passed`: one sample for each device of the host (passed-devices.ts). */
export function metricsText(read: ReadText, passed: readonly Sample[] = []): string {
  scrapes += 1
  return [...guestFamilies(read), ...agentFamilies(read), ...passedDevices(passed)].join('')
}

/** Ours: Kata's agent has no such family. */
function passedDevices(samples: readonly Sample[]): string[] {
  const help = 'Whether a device of the host, by its address there, is driven here; else what it lacks.'
  return samples.length === 0 ? [] : [family('kata_agent_passed_device', help, samples)]
}

function guestFamilies(read: ReadText): string[] {
  const [load1 = '0', load5 = '0', load15 = '0', tasks = '0/0'] = read('/proc/loadavg').trim().split(' ')
  const [running = '0', all = '0'] = tasks.split('/')
  const gauge = (name: string, help: string, samples: readonly Sample[]) =>
    family(`kata_guest_${name}`, help, samples)
  return [
    gauge('load', 'Load averages of the guest.', items({ load1, load5, load15 })),
    gauge('tasks', 'Tasks in the guest.', items({ cur: running, max: all })),
    gauge('cpu_time', 'Processor time in hundredths of a second.', cpuTimes(read('/proc/stat'))),
    gauge(
      'meminfo',
      'Memory of the guest, in bytes where /proc/meminfo has kB.',
      meminfo(read('/proc/meminfo')),
    ),
    gauge('vm_stat', 'Counters of the memory management (/proc/vmstat).', pairs(read('/proc/vmstat'))),
    gauge('diskstat', 'Counters of disks (/proc/diskstats).', disks(read('/proc/diskstats'))),
    gauge(
      'netdev_stat',
      'Counters of network interfaces (/proc/net/dev).',
      interfaces(read('/proc/net/dev')),
    ),
  ]
}

function agentFamilies(read: ReadText): string[] {
  const [size = '0', resident = '0'] = read('/proc/self/statm').trim().split(' ')
  const stat = read('/proc/self/stat')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [utime, stime, cutime, cstime] = fields.slice(11, 15)
  const seconds = (Number(utime) + Number(stime)) / ticksPerSecond
  const bytes = (pages: string) => [{ value: Number(pages) * pageBytes }]
  const gauge = (name: string, help: string, samples: readonly Sample[]) =>
    family(`kata_agent_${name}`, help, samples)
  return [
    family('kata_agent_scrape_count', 'How often these metrics were read.', [{ value: scrapes }], 'counter'),
    gauge('total_rss', 'Resident memory of the agent in bytes.', bytes(resident)),
    gauge('total_vm', 'Virtual memory of the agent in bytes.', bytes(size)),
    gauge('total_time', 'Processor time of the agent in seconds.', [{ value: seconds }]),
    gauge('threads', 'Threads of the agent.', [{ value: fields[17] ?? '0' }]),
    gauge(
      'proc_stat',
      'Processor time of the agent in hundredths of a second.',
      items({ utime, stime, cutime, cstime }),
    ),
    gauge(
      'proc_status',
      'Memory of the agent in bytes, and its context switches.',
      status(read('/proc/self/status')),
    ),
    gauge(
      'io_stat',
      'What the agent has read and written.',
      pairs(read('/proc/self/io').replaceAll(':', '')),
    ),
    family(
      'kata_agent_process_cpu_seconds_total',
      'Processor time of the agent in seconds.',
      [{ value: seconds }],
      'counter',
    ),
    gauge('process_resident_memory_bytes', 'Resident memory of the agent in bytes.', bytes(resident)),
    gauge('process_virtual_memory_bytes', 'Virtual memory of the agent in bytes.', bytes(size)),
  ]
}

function items(values: Readonly<Record<string, string | undefined>>): Sample[] {
  return Object.entries(values).map(([item, value]) => ({ labels: { item }, value: value ?? '0' }))
}

/** `name value` lines. */
function pairs(text: string): Sample[] {
  return [...text.matchAll(/^(\w+) (\d+)$/gm)].map(([, item = '', value = '0']) => ({
    labels: { item },
    value,
  }))
}

function meminfo(text: string): Sample[] {
  return [...text.matchAll(/^(\w+)(?:\((\w+)\))?:\s+(\d+)( kB)?$/gm)].map(([, name, part, value, unit]) => ({
    labels: { item: [name, part].filter(Boolean).join('_').toLowerCase() },
    value: Number(value) * (unit === undefined ? 1 : 1024),
  }))
}

/** Sizes (`VmRSS: 5 kB`) and switches of proc_pid_status(5). */
function status(text: string): Sample[] {
  const lines = text.matchAll(/^(Vm\w+|Rss\w+|\w*voluntary_ctxt_switches|HugetlbPages):\s+(\d+)( kB)?$/gm)
  return [...lines].map(([, name = '', value, unit]) => ({
    labels: { item: name.toLowerCase() },
    value: Number(value) * (unit === undefined ? 1 : 1024),
  }))
}

const cpuItems = 'user nice system idle iowait irq softirq steal guest guest_nice'.split(' ')

/** proc_stat(5): of all processors together, and of each. */
function cpuTimes(text: string): Sample[] {
  return [...text.matchAll(/^cpu(\d*) +(.*)$/gm)].flatMap(([, number = '', times = '']) =>
    table({ cpu: number === '' ? 'total' : number }, cpuItems, times.split(' ')),
  )
}

const diskItems = (
  'reads merged sectors_read time_reading writes writes_merged sectors_written time_writing in_progress ' +
  'time_in_progress weighted_time_in_progress discards discards_merged sectors_discarded time_discarding flushes ' +
  'time_flushing'
).split(' ')

function disks(text: string): Sample[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , name]) => name !== undefined)
    .flatMap(([, , disk = '', ...values]) => table({ disk }, diskItems, values))
}

const received = 'bytes packets errs drop fifo frame compressed multicast'
  .split(' ')
  .map((item) => `recv_${item}`)
const sent = 'bytes packets errs drop fifo colls carrier compressed'.split(' ').map((item) => `sent_${item}`)

function interfaces(text: string): Sample[] {
  return [...text.matchAll(/^\s*([^\s:|]+):\s*(.*)$/gm)].flatMap(([, name = '', values = '']) =>
    table({ interface: name }, [...received, ...sent], values.trim().split(/\s+/)),
  )
}

/** One sample for each value that has a name. */
function table(labels: Sample['labels'], names: readonly string[], values: readonly string[]): Sample[] {
  return names
    .slice(0, values.length)
    .map((item, index) => ({ labels: { ...labels, item }, value: values[index]! }))
}
