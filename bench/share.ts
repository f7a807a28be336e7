/** What it costs that virtiofsd is not root: its start and its work, beside virtiofsd as root, in turns. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shippedWith } from './configuration.ts'
import type { Host } from './host.ts'
import { ms, type Result } from './report.ts'
import { summarize } from './stats.ts'

const variants = ['root', 'unprivileged'] as const
type Variant = (typeof variants)[number]

const files = 500
/** Each as a command in the container; /data is a directory of the host. */
const tasks: Readonly<Record<string, string>> = {
  'read 64 MiB': 'cat /data/big > /dev/null',
  'write 64 MiB': 'dd if=/dev/zero of=/data/out bs=1M count=64 2> /dev/null',
  [`read ${files} files`]: 'cat /data/small/* > /dev/null',
  [`make and remove ${files} files`]: `mkdir /data/d; cd /data/d; i=0; while [ $i -lt ${files} ]; do : > $i; i=$((i+1)); done; rm -r /data/d`,
}
const steps = ['start of virtiofsd', ...Object.keys(tasks)]

export async function benchShare(host: Host, rounds: number): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'kata-ts-bench-'))
  const times = new Map(variants.map((name) => [name, new Map(steps.map((step) => [step, [] as number[]]))]))
  try {
    const configs = new Map(variants.map((name) => [name, writeConfig(directory, name)]))
    makeFiles(`${directory}/data`)
    for (let round = 0; round <= rounds; round++) {
      for (const name of variants) {
        const measured = await runTasks(host, configs.get(name)!, `${directory}/data`)
        if (round > 0) for (const [step, time] of measured) times.get(name)!.get(step)!.push(time)
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const data = Object.fromEntries(
    variants.map((name) => [
      name,
      Object.fromEntries(steps.map((step) => [step, summarize(times.get(name)!.get(step)!)])),
    ]),
  )
  return {
    name: 'share',
    what: `virtiofsd as root and as nobody (${rounds} rounds in turns; each task with its exec)`,
    tables: [
      {
        header: ['', 'root', 'unprivileged', 'to root'],
        rows: steps.map((step) => {
          const [asRoot, asNobody] = variants.map((name) => data[name]![step]!.median)
          return [step, ms(asRoot!), ms(asNobody!), (asNobody! / asRoot!).toFixed(2)]
        }),
      },
    ],
    notes: [],
    data: { rounds, ...data },
  }
}

/** Milliseconds of each step in one sandbox. */
async function runTasks(host: Host, config: string, data: string): Promise<[string, number][]> {
  const flags = ['--config', config, '-v', `${data}:/data`]
  await host.must(['run', '-d', '--name', 'share', ...flags, '--', 'sleep', '3600'])
  const start = host.facts('share').timings.find(({ step }) => step === 'virtiofsd')!
  const measured: [string, number][] = [['start of virtiofsd', start.ms]]
  for (const [task, command] of Object.entries(tasks)) {
    const { totalMs } = await host.must(['exec', 'share', '--', 'sh', '-c', command])
    measured.push([task, totalMs])
  }
  await host.must(['rm', '-f', 'share'])
  return measured
}

function makeFiles(directory: string): void {
  mkdirSync(`${directory}/small`, { recursive: true })
  writeFileSync(`${directory}/big`, Buffer.alloc(64 << 20, 'kata-ts'))
  for (let i = 0; i < files; i++) writeFileSync(`${directory}/small/${i}`, `${i}\n`.repeat(100))
}

/** The configuration that we ship, with one value changed. */
function writeConfig(directory: string, variant: Variant): string {
  const path = `${directory}/${variant}.toml`
  writeFileSync(path, shippedWith({ virtio_fs_privilege: `"${variant}"` }))
  return path
}
