/** The VMM that is configured: its program is there, new enough and has what is needed. */
import type { HypervisorDriver } from '../../config/config.ts'
import type { DriverConfiguration } from '../../config/driver-configuration.ts'
import { configurations, nameOf } from '../../config/drivers.ts'
import { isOlder, type ProgramFinding, parseVersion, programNeeds, versionText } from '../../vmm/program.ts'
import { programChecks } from '../../vmm/program-checks.ts'
import { type Check, type CheckContext, failed, firstLine, ok } from './check.ts'

const driver: Check = {
  name: 'vmm',
  run: ({ config }) => ok(nameOf(config.hypervisor.driver)),
}

/** The checks of one VMM; they are ok where another one is configured. */
function checksOf(about: DriverConfiguration & { readonly driver: HypervisorDriver }): Check[] {
  const checkOf = (name: string, find: (context: CheckContext) => Promise<ProgramFinding>): Check => ({
    name,
    run: async (context) => {
      const used = context.config.hypervisor.driver
      if (used !== about.driver) return ok(`not used: the configuration has [hypervisor.${used}]`)
      const found = await find(context)
      return found.ok ? ok(found.detail) : failed(found.detail, about.program.remedy)
    },
  })
  return [
    checkOf(about.folder, (context) => version(context, about)),
    ...programChecks[about.driver].map(({ name, run }) =>
      checkOf(name, ({ host, config }) => run(host, config.hypervisor)),
    ),
  ]
}

async function version({ host, config }: CheckContext, about: DriverConfiguration): Promise<ProgramFinding> {
  const { path } = config.hypervisor
  const { name, minimum } = programNeeds(about, config.hypervisor)
  if (!host.isExecutable(path)) return { ok: false, detail: `${path} is not an executable program` }
  const { code, text } = await host.ask([path, '--version'])
  const found = parseVersion(text)
  if (code !== 0 || found === undefined)
    return { ok: false, detail: `${path} --version failed (exit code ${code}): ${firstLine(text)}` }
  const which = `${name} ${versionText(found)} (${path})`
  return isOlder(found, minimum)
    ? { ok: false, detail: `${which} is older than ${minimum.major}.${minimum.minor}` }
    : { ok: true, detail: which }
}

export const vmmChecks: readonly Check[] = [driver, ...configurations.flatMap(checksOf)]
