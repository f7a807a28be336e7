/** What the throw-away user costs: the same start with each kind of account and without any, in turns. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shippedWith } from './configuration.ts'
import type { Host } from './host.ts'
import { ms, type Result } from './report.ts'
import { runOnce } from './start.ts'
import { summarize } from './stats.ts'
import { measureWalls } from './walls.ts'

/** Each takes a hundredth of a start. */
const wallRounds = 50
const variants = ['root', 'none', 'userdb', 'useradd'] as const

export async function benchRootless(host: Host, rounds: number): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'kata-ts-bench-'))
  const first = new Map<string, number[]>(variants.map((name) => [name, []]))
  const user = new Map<string, number[]>(variants.map((name) => [name, []]))
  try {
    const configs = new Map(variants.map((name) => [name, writeConfig(directory, name)]))
    for (let i = 0; i <= rounds; i++) {
      for (const name of variants) {
        const run = await runOnce(host, `${name}-${i}`, ['--config', configs.get(name)!])
        if (i === 0) continue
        first.get(name)!.push(run.firstOutputMs)
        user.get(name)!.push(run.steps.find(({ step }) => step === 'user')?.ms ?? 0)
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const data = Object.fromEntries(
    variants.map((name) => [
      name,
      { firstOutput: summarize(first.get(name)!), userStep: summarize(user.get(name)!) },
    ]),
  )
  const base = data.root!.firstOutput.median
  const walls = await measureWalls(wallRounds)
  return {
    name: 'rootless',
    what: `until the first output, by who runs the VMM (${rounds} rounds in turns)`,
    tables: [
      {
        header: ['VMM runs as', 'first output', 'to root', 'user step'],
        rows: variants.map((name) => {
          const { firstOutput, userStep } = data[name]!
          return [
            labels[name],
            ms(firstOutput.median),
            (firstOutput.median / base).toFixed(3),
            ms(userStep.median),
          ]
        }),
      },
      walls.table,
    ],
    notes: [],
    data: { rounds, ...data, walls: walls.data },
  }
}

const labels = {
  root: 'root (rootless = false)',
  none: 'a bare number ("none")',
  userdb: 'a user in /run/userdb ("userdb")',
  useradd: 'a user in /etc/passwd ("useradd")',
}

/** The configuration that we ship, with one or two values changed. */
function writeConfig(directory: string, variant: (typeof variants)[number]): string {
  const path = `${directory}/${variant}.toml`
  writeFileSync(
    path,
    shippedWith(variant === 'root' ? { rootless: 'false' } : { rootless_account: `"${variant}"` }),
  )
  return path
}
