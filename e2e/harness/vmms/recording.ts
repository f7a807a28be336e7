/** Recordings of real VMMs, see e2e/recordings: what doubles and promised postures are held to. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readStatus } from '../../../src/linux/processes/proc.ts'
import type { MountPosture } from '../../../src/rootless/posture/posture.ts'

const directory = join(import.meta.dir, '../../recordings')

/** The JSON of each line of a file. */
export function recordedLines<T>(program: string, file: string): T[] {
  const text = readFileSync(join(directory, program, file), 'utf8')
  const lines = text.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as T)
}

/** The kinds of things that process.txt tells of a running VMM. */
export interface RecordedProcess {
  readonly threads: readonly { readonly name: string; readonly filters: number }[]
  /** By number, as /proc/PID/fd shows them. */
  readonly descriptors: Readonly<Record<number, string>>
  readonly mounts: readonly MountPosture[]
  /** Soft and hard, by the kernel's name. */
  readonly limits: Readonly<Record<string, string>>
  readonly commandLine: readonly string[]
  readonly environment: string
}

export function recordedProcess(program: string): RecordedProcess {
  const text = readFileSync(join(directory, program, 'process.txt'), 'utf8')
  const parts = new Map(
    text.split(/^--- /m).map((part): [string, string[]] => {
      const [name = '', ...lines] = part.split('\n')
      return [name.trim(), lines.filter((line) => line.trim() !== '')]
    }),
  )
  const linesOf = (name: string): string[] => parts.get(name) ?? []
  return {
    threads: linesOf('threads').map((line) => ({
      name: line.slice(0, line.indexOf(' Uid:')).trim(),
      filters: Number(/Seccomp_filters: (\d+)/.exec(line)?.[1]),
    })),
    descriptors: Object.fromEntries(
      linesOf('fds').map((line) => [Number.parseInt(line, 10), line.slice(line.indexOf(' ') + 1)]),
    ),
    mounts: linesOf('mounts')
      .map(mount)
      .sort((a, b) => (a.point < b.point ? -1 : 1)),
    limits: Object.fromEntries(
      linesOf('limits').flatMap((line) => {
        const limit = /^(Max [a-z ]+?) {2,}(\S+) +(\S+)/.exec(line)
        return limit === null ? [] : [[limit[1]!, `${limit[2]}:${limit[3]}`]]
      }),
    ),
    commandLine: (linesOf('cmdline')[0] ?? '').trim().split(' '),
    environment: linesOf('env').join('\n'),
  }
}

/** The threads of a running process, as a recording has them. One that ends while it is read is left out. */
export const threadsOf = (pid: number): RecordedProcess['threads'] =>
  readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    const status = readStatus(`/proc/${pid}/task/${tid}/status`)
    const name = status?.get('Name')
    return name === undefined ? [] : [{ name, filters: Number(status?.get('Seccomp_filters')) }]
  })

function mount(line: string): MountPosture {
  const [point = '', options = ''] = line.split(' ')
  const flags = options.split(',').filter((flag) => ['ro', 'nosuid', 'nodev', 'noexec'].includes(flag))
  return { point, flags: flags.sort() }
}

/** What a descriptor refers to, without what is another one in each process. */
export const descriptorKind = (target: string): string =>
  target
    .replace(/^socket:.*/, 'socket')
    .replace(/^\/memfd:.*/, 'memfd')
    .replace(/^anon_inode:\[(.*)\]$/, '$1')
