/** Prometheus text about the guest and the agent, with Kata's family names. Pure: tested on the host. */

export interface MetricSources {
  /** /proc/loadavg */
  readonly loadavg: string
  /** /proc/meminfo */
  readonly meminfo: string
  /** /proc/self/statm of the agent, in pages. */
  readonly statm: string
  /** /proc/self/stat of the agent. */
  readonly stat: string
}

const pageBytes = 4096
const ticksPerSecond = 100

export function metricsText({ loadavg, meminfo, statm, stat }: MetricSources): string {
  const [load1 = '0', load5 = '0', load15 = '0', tasks = '0/0'] = loadavg.trim().split(' ')
  const [running = '0', all = '0'] = tasks.split('/')
  const [size = '0', resident = '0'] = statm.trim().split(' ')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const seconds = (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond
  return [
    family('kata_guest_load', 'Load averages of the guest.', [
      ['item="load1"', load1],
      ['item="load5"', load5],
      ['item="load15"', load15],
    ]),
    family('kata_guest_tasks', 'Tasks in the guest.', [
      ['item="cur"', running],
      ['item="max"', all],
    ]),
    family(
      'kata_guest_meminfo',
      'Memory of the guest, in bytes where /proc/meminfo has kB.',
      memoryLines(meminfo).map(([name, value]) => [`item="${name}"`, String(value)]),
    ),
    family('kata_agent_total_rss', 'Resident memory of the agent in bytes.', [
      ['', String(Number(resident) * pageBytes)],
    ]),
    family('kata_agent_total_vm', 'Virtual memory of the agent in bytes.', [
      ['', String(Number(size) * pageBytes)],
    ]),
    family('kata_agent_total_time', 'Processor time of the agent in seconds.', [['', String(seconds)]]),
  ].join('')
}

function memoryLines(meminfo: string): [name: string, value: number][] {
  return [...meminfo.matchAll(/^(\w+)(?:\((\w+)\))?:\s+(\d+)( kB)?$/gm)].map((line) => {
    const name = [line[1], line[2]].filter(Boolean).join('_').toLowerCase()
    return [name, Number(line[3]) * (line[4] === undefined ? 1 : 1024)]
  })
}

function family(
  name: string,
  help: string,
  samples: readonly (readonly [labels: string, value: string])[],
): string {
  const lines = samples.map(([labels, value]) => `${name}${labels && `{${labels}}`} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`
}
