import type { CheckResult } from '../check/check.ts'
import { type FixStep, fixKvm } from '../check/fix-kvm.ts'
import { hostProbe } from '../check/host-probe.ts'
import { runChecks } from '../check/run-checks.ts'
import type { CheckFlags } from '../commands/check.ts'
import { loadForPerson } from '../configuration.ts'
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

function asText({ fix, checks }: Report): string {
  const fixed = fix
    .map(({ command, status, detail }) => `${command}: ${status}${detail && ` (${detail})`}\n`)
    .join('')
  const found = table(
    ['CHECK', 'STATUS', 'FOUND'],
    checks.map(({ name, status, detail }) => [name, status, detail]),
  )
  const todo = checks.filter(({ remedy }) => remedy !== '').map(({ name, remedy }) => `${name}: ${remedy}\n`)
  return [fixed, found, todo.join('')].filter((part) => part !== '').join('\n')
}
