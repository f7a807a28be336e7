/** The VMM that is configured: its program is there, new enough and has what is needed. */
import type { HypervisorDriver } from '../../config/config.ts'
import { driverNames } from '../../config/drivers.ts'
import { clhNeeds } from '../../vmm/cloud-hypervisor/program.ts'
import { needsFor } from '../../vmm/firecracker/settings/needs.ts'
import { type ProgramNeeds, parseVersion } from '../../vmm/program.ts'
import { qemuNeeds } from '../../vmm/qemu/program.ts'
import { type Check, type CheckContext, failed, firstLine, type Outcome, ok } from './check.ts'

const neededDevices = ['vhost-user-fs-pci', 'virtio-serial-pci', 'virtserialport', 'pcie-root-port']
const neededObjects = ['memory-backend-memfd']
const installQemu = 'Run `apt-get install qemu-system-x86`, or name another QEMU with `path`.'
const installFirecracker =
  'Install firecracker and jailer of one release from github.com/firecracker-microvm, or name them with `path` and `jailer_path`.'
const installClh = 'Install its release from github.com/cloud-hypervisor, or name one with `path`.'

const driver: Check = {
  name: 'vmm',
  run: ({ config }) => ok(driverNames[config.hypervisor.driver]),
}

/** A check that is about one VMM only. */
function checkOf(
  name: string,
  about: HypervisorDriver,
  run: (context: CheckContext) => Promise<Outcome>,
): Check {
  return {
    name,
    run: (context) => {
      const used = context.config.hypervisor.driver
      return used === about ? run(context) : ok(`not used: the configuration has [hypervisor.${used}]`)
    },
  }
}

async function program(
  { host, config }: CheckContext,
  { name, minimum }: ProgramNeeds,
  remedy: string,
): Promise<Outcome> {
  const { path } = config.hypervisor
  if (!host.isExecutable(path)) return failed(`${path} is not an executable program`, remedy)
  const { code, text } = await host.ask([path, '--version'])
  const version = parseVersion(text)
  if (code !== 0 || version === undefined)
    return failed(`${path} --version failed (exit code ${code}): ${firstLine(text)}`, remedy)
  const found = `${name} ${version.major}.${version.minor}.${version.micro} (${path})`
  const tooOld =
    version.major < minimum.major || (version.major === minimum.major && version.minor < minimum.minor)
  return tooOld ? failed(`${found} is older than ${minimum.major}.${minimum.minor}`, remedy) : ok(found)
}

const qemu = checkOf('qemu', 'qemu', (context) => program(context, qemuNeeds, installQemu))
const clh = checkOf('cloud-hypervisor', 'clh', (context) => program(context, clhNeeds, installClh))

const firecracker = checkOf('firecracker', 'firecracker', (context) =>
  program(context, needsFor(context.config.hypervisor), installFirecracker),
)

/** A jailer only starts a Firecracker of its own release. */
const jailer = checkOf('jailer', 'firecracker', async ({ host, config }) => {
  const { path, jailerPath } = config.hypervisor
  if (!host.isExecutable(jailerPath))
    return failed(`${jailerPath} is not an executable program`, installFirecracker)
  const [own, other] = await Promise.all([jailerPath, path].map((name) => host.ask([name, '--version'])))
  const [version, wanted] = [own, other].map((answer) => JSON.stringify(parseVersion(answer?.text ?? '')))
  if (version === undefined || version !== wanted)
    return failed(
      `${jailerPath} is not of the same release as ${path}: ${firstLine(own?.text ?? '')}`,
      installFirecracker,
    )
  return ok(`${firstLine(own?.text ?? '')} (${jailerPath})`)
})

const qemuFeatures = checkOf('qemu-features', 'qemu', async ({ host, config }) => {
  const { path, accelerator } = config.hypervisor
  if (!host.isExecutable(path)) return failed(`${path} is not an executable program`, installQemu)
  const lists = await Promise.all([
    host.ask([path, '-device', 'help']),
    host.ask([path, '-machine', 'none', '-object', 'help']),
    host.ask([path, '-accel', 'help']),
  ])
  const known = new Set(lists.flatMap(({ text }) => text.match(/[a-z0-9][a-z0-9-]*/g) ?? []))
  const accelerators = accelerator === 'auto' ? ['kvm', 'tcg'] : [accelerator]
  const missing = [...neededDevices, ...neededObjects, ...accelerators].filter((name) => !known.has(name))
  return missing.length === 0
    ? ok('all needed devices, memory backends and accelerators')
    : failed(`${path} lacks ${missing.join(', ')}`, installQemu)
})

export const vmmChecks: readonly Check[] = [driver, qemu, qemuFeatures, clh, firecracker, jailer]
