/**
 * What each wall of the jail costs: a program that ends at once, by the jail's own command, with one wall more each
 * time. So what a wall costs is the difference to the line before.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../src/log.ts'
import { baseSyscalls } from '../src/rootless/filters/base-syscalls.ts'
import { launch } from '../src/rootless/jail/jail.ts'
import { jailCommand } from '../src/rootless/jail/jail-command.ts'
import { planJail } from '../src/rootless/jail/jail-plan.ts'
import { buildJailRoot } from '../src/rootless/jail/jail-root.ts'
import type { LaunchSpec } from '../src/rootless/jail/launch-spec.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { comparePosture, expectedPosture } from '../src/rootless/posture/posture-check.ts'
import { ms, type ResultTable } from './report.ts'
import { type Summary, summarize } from './stats.ts'

/** A user that does not exist: far above the ids that are given out. */
const identity = { name: 'bench', uid: 2_100_000_000, gid: 2_100_000_000, groups: [] }

export async function measureWalls(
  rounds: number,
): Promise<{ table: ResultTable; data: Readonly<Record<string, Summary>> }> {
  const stateDir = mkdtempSync(join(tmpdir(), 'kata-ts-bench-'))
  const output = openSync('/dev/null', 'w')
  try {
    const spec = (program: string, args: string[]): LaunchSpec => ({
      program,
      args,
      identity,
      paths: [],
      fds: [],
      output,
      stateDir,
      syscalls: { allowed: baseSyscalls },
    })
    const commands = cumulative(spec('/usr/bin/true', []))
    const times = new Map([...commands.keys(), readBack].map((name) => [name, [] as number[]]))
    for (let round = 0; round <= rounds; round++) {
      for (const [name, command] of commands) {
        const taken = await timeOf(command)
        if (round > 0) times.get(name)!.push(taken)
      }
    }
    times.set(readBack, await timesOfReading(spec('/usr/bin/sleep', ['60']), rounds))
    const data = Object.fromEntries([...times].map(([name, values]) => [name, summarize(values)]))
    return { table: tableOf(data, [...commands.keys()]), data }
  } finally {
    closeSync(output)
    rmSync(stateDir, { recursive: true, force: true })
  }
}

const readBack = 'read back from /proc and compared'

/** The jail's command, cut off after each wall: the walls so far, and the program. */
function cumulative(spec: LaunchSpec): Map<string, string[]> {
  const plan = planJail(spec)
  const whole = jailCommand(plan, buildJailRoot(spec.stateDir, plan, spec.syscalls), spec)
  const end = (from: number) => whole.indexOf('--', from) + 1
  const parent = end(0)
  const namespaces = end(parent)
  const root = whole.findIndex((word, index) => index > namespaces && word.endsWith('/unshare'))
  const ids = end(end(root))
  // The shell, -c, its script, its name.
  const forked = ids + 4
  // env -i
  const bare = end(forked) + 2
  const cuts: [string, number][] = [
    ['the program alone', 0],
    ['ends with its parent', parent],
    ['mount, ipc, uts and network namespaces', namespaces],
    ['a root of its own, limits', root],
    ['ids, no capabilities, no new privileges', ids],
    ['a pid namespace, and who waits outside of it', forked],
    ['ends with that one, empty environment', bare],
    ['allowed system calls, Landlock', end(bare)],
  ]
  return new Map(cuts.map(([name, cut]) => [name, [...whole.slice(0, cut), plan.program]]))
}

async function timeOf(command: string[]): Promise<number> {
  const begun = performance.now()
  const child = Bun.spawn(command, { env: {}, cwd: '/', stdio: ['ignore', 'ignore', 'ignore'] })
  const code = await child.exited
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`)
  return performance.now() - begun
}

/** The check that follows each start, of a process of one thread. */
async function timesOfReading(spec: LaunchSpec, rounds: number): Promise<number[]> {
  const expected = expectedPosture(spec, { seccompFilters: 1 })
  const { ref, exited } = await launch(spec, silentLogger)
  try {
    return Array.from({ length: rounds }, () => {
      const begun = performance.now()
      comparePosture(expected, readPosture(ref.pid))
      return performance.now() - begun
    })
  } finally {
    process.kill(ref.pid, 'SIGKILL')
    await exited
  }
}

function tableOf(data: Readonly<Record<string, Summary>>, walls: readonly string[]): ResultTable {
  const rows = walls.map((name, index) => {
    const { median } = data[name]!
    const before = index === 0 ? 0 : data[walls[index - 1]!]!.median
    return [name, ms(median), ms(median - before)]
  })
  const { median } = data[readBack]!
  return { header: ['wall', 'with it', 'costs'], rows: [...rows, [readBack, '', ms(median)]] }
}
