import type { CheckResult, CheckStatus } from '../check/check.ts'
import { type FixStep, fixKvm } from '../check/fix-kvm.ts'
import { hostProbe } from '../check/host-probe.ts'
import { runChecks } from '../check/run-checks.ts'
import type { CheckFlags } from '../commands/check.ts'
import { loadForPerson } from '../configuration.ts'
import { coloured } from '../output/colour.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

interface Report {
  readonly fix: readonly FixStep[]
  readonly checks: readonly CheckResult[]
}

/** 0 when nothing failed; warnings do not keep containers from running. */
export async function check(settings: Settings, flags: CheckFlags): Promise<number> {
  const host = hostProbe()
  const fix = flags.fixKvm === true ? await fixKvm(host) : []
  const config = loadForPerson(settings, flags.config)
  const checks = await runChecks({ host, config })
  settings.print(render<Report>(settings.format, { fix, checks }, asText))
  const failed =
    checks.some(({ status }) => status === 'failed') || fix.some(({ status }) => status === 'failed')
  return failed ? 1 : 0
}

const standings = { ok: 'good', warning: 'warning', failed: 'bad' } as const

/** What needs doing first, and a verdict as the last line. */
const byNeed: readonly CheckStatus[] = ['failed', 'warning', 'ok']

/** For people. */
export function asText({ fix, checks: unsorted }: Report): string {
  const checks = byNeed.flatMap((need) => unsorted.filter(({ status }) => status === need))
  const fixed = fix
    .map(({ command, status, detail }) => `${command}: ${status}${detail && ` (${detail})`}\n`)
    .join('')
  const found = table(
    ['CHECK', 'STATUS', 'FOUND'],
    checks.map(({ name, status, detail }) => [name, status, detail]),
    undefined,
    (cell, column) => (column === 'STATUS' ? coloured(cell, standings[cell as CheckStatus]) : cell),
  )
  const todo = checks.filter(({ remedy }) => remedy !== '').map(({ name, remedy }) => `${name}: ${remedy}\n`)
  return [fixed, found, todo.join(''), verdict(checks)].filter((part) => part !== '').join('\n')
}

function verdict(checks: readonly CheckResult[]): string {
  const count = (wanted: CheckStatus) => checks.filter(({ status }) => status === wanted).length
  const [failed, warnings] = [count('failed'), count('warning')]
  const can = failed === 0 ? 'this host can run containers' : 'this host cannot run containers yet'
  return `${can}: ${failed} failed, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${count('ok')} ok\n`
}
