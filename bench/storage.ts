/** Small files and flushed writes on each sort of storage of a container, with runc on the same host as the yardstick. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mount, unmount } from '../src/linux/mounts/mount.ts'
import { shippedWith } from './configuration.ts'
import type { Host } from './host.ts'
import type { Result } from './report.ts'
import { summarize } from './stats.ts'

const files = 2000
const flushes = 200
const tasks = ['create', 'stat', 'read', 'unlink', 'fsync'] as const
type Task = (typeof tasks)[number]
/** Operations a second. */
type Rates = Record<Task, number>

interface Way {
  readonly label: string
  readonly settings: Readonly<Record<string, string>>
  /** Where in the container the files are made. */
  readonly directory: string
}

const ways: readonly Way[] = [
  { label: 'root file system, virtio-fs', settings: {}, directory: '/work' },
  { label: 'root file system on a disk', settings: { shared_fs: '"none"' }, directory: '/work' },
  { label: 'emptyDir as a disk', settings: { emptydir_mode: '"block-plain"' }, directory: '/data' },
]

export async function benchStorage(host: Host, rounds: number): Promise<Result> {
  const rootfs = makeRootfs(host.stateDir)
  const rates = new Map<string, Rates[]>(
    ['runc', ...ways.map(({ label }) => label)].map((name) => [name, []]),
  )
  // In turns, so that the load of the machine is the same for all. The first round fills caches.
  for (let round = 0; round <= rounds; round++) {
    const inRunc = underRunc(host.stateDir, rootfs, `storage-${round}`)
    if (round > 0) rates.get('runc')!.push(inRunc)
    for (const way of ways) {
      const measured = await underKata(host, way, rootfs, round)
      if (round > 0) rates.get(way.label)!.push(measured)
    }
  }
  const rows = [...rates].map(([label, each]) => ({ label, ...medians(each) }))
  const [yardstick] = rows
  const ratio = (value: number, base: number) => (value / base).toFixed(value / base < 0.1 ? 3 : 2)
  return {
    name: 'storage',
    what: `one process makes, looks at, reads and removes ${files} files of 1 KiB, then writes 4 KiB with fsync ${flushes} times (medians of ${rounds})`,
    tables: [
      {
        header: ['operations a second', ...tasks],
        rows: rows.map((row) => [row.label, ...tasks.map((task) => row[task].toFixed(0))]),
      },
      {
        header: ['of runc', ...tasks],
        rows: rows
          .slice(1)
          .map((row) => [row.label, ...tasks.map((task) => ratio(row[task], yardstick![task]))]),
      },
    ],
    notes: [
      'runc: an overlay on the host, as containerd makes it; each system call of a guest is emulated where there is no KVM',
    ],
    data: { rounds, files, flushes, perSecond: rows },
  }
}

/** A root file system with the program alone. */
function makeRootfs(stateDir: string): string {
  const rootfs = join(stateDir, 'storage-rootfs')
  for (const name of ['work', 'data', 'proc', 'sys', 'dev', 'tmp', 'etc', 'run'])
    mkdirSync(join(rootfs, name), { recursive: true })
  const source = join(import.meta.dir, 'storage.c')
  tool(['gcc', '-O2', '-static', '-o', join(rootfs, 'storage'), source])
  return rootfs
}

const command = (directory: string) => ['/storage', directory, `${files}`, `${flushes}`]

async function underKata(
  host: Host,
  { settings, directory }: Way,
  rootfs: string,
  round: number,
): Promise<Rates> {
  const config = join(host.stateDir, 'storage.toml')
  // A start that takes long on a busy host is no part of this.
  writeFileSync(config, shippedWith({ dial_timeout: '300', ...settings }))
  const volume = join(host.stateDir, `pods/${round}/volumes/kubernetes.io~empty-dir/data`)
  mkdirSync(volume, { recursive: true })
  // A pod's, as only those have emptyDirs.
  const pod = ['--annotation', `io.kubernetes.cri.sandbox-uid=${round}`]
  const flags = [...pod, '--config', config, '--rootfs', rootfs, '-v', `${volume}:/data`]
  const { stderr } = await host.must([
    'run',
    '--rm',
    '--name',
    'storage',
    ...flags,
    '--',
    ...command(directory),
  ])
  return parse(stderr)
}

/** On an overlay of its own. */
function underRunc(stateDir: string, rootfs: string, id: string): Rates {
  const bundle = join(stateDir, id)
  const [upper, work, merged] = ['upper', 'work', 'rootfs'].map((name) => join(bundle, name)) as [
    string,
    string,
    string,
  ]
  for (const directory of [upper, work, merged]) mkdirSync(directory, { recursive: true })
  mount({
    source: 'overlay',
    target: merged,
    type: 'overlay',
    data: `lowerdir=${rootfs},upperdir=${upper},workdir=${work}`,
  })
  try {
    tool(['runc', 'spec', '--bundle', bundle])
    const path = join(bundle, 'config.json')
    const spec = JSON.parse(readFileSync(path, 'utf8'))
    spec.process = { ...spec.process, terminal: false, args: command('/work') }
    spec.root = { path: 'rootfs', readonly: false }
    writeFileSync(path, JSON.stringify(spec))
    return parse(tool(['runc', '--root', join(stateDir, 'runc'), 'run', '--bundle', bundle, id]))
  } finally {
    unmount(merged)
    rmSync(bundle, { recursive: true, force: true })
  }
}

/** What the program said. @throws Error when a task is missing. */
export function parse(output: string): Rates {
  const said = new Map(
    output.split('\n').map((line) => {
      const [task = '', rate] = line.trim().split(' ')
      return [task, Number(rate)]
    }),
  )
  const missing = tasks.find((task) => !((said.get(task) ?? 0) > 0))
  if (missing !== undefined) throw new Error(`no ${missing} in what the program said: ${output}`)
  return Object.fromEntries(tasks.map((task) => [task, said.get(task)])) as Rates
}

const medians = (each: readonly Rates[]): Rates =>
  Object.fromEntries(tasks.map((task) => [task, summarize(each.map((rates) => rates[task])).median])) as Rates

/** Its standard error. @throws Error with that. */
function tool(argv: readonly string[]): string {
  const { exitCode, stderr } = Bun.spawnSync([...argv], { stdin: 'ignore' })
  if (exitCode !== 0) throw new Error(`${argv[0]} ended with ${exitCode}: ${stderr}`)
  return stderr.toString()
}
