import { readFileSync } from 'node:fs'
import { arch, cpus, hostname, release, totalmem } from 'node:os'
import { listImages } from '../../../images/store/image-store.ts'
import { storePaths } from '../../../images/store/store-paths.ts'
import { version } from '../../../version.ts'
import { listNamespaces, listRecords, readRecord } from '../../client/record.ts'
import { type LiveStatus, observe } from '../../client/status.ts'
import { loadForPerson } from '../../configuration.ts'
import { render } from '../../output/format.ts'
import { byteSize } from '../../output/size.ts'
import { compileTemplate } from '../../output/template/template.ts'
import type { Settings } from '../../settings.ts'

/** In docker's fields, with `Hypervisor` and `Rootless` beside them; containers are those of every namespace of ours. */
export async function info(settings: Settings): Promise<number> {
  const template = settings.template === undefined ? undefined : compileTemplate(settings.template)
  const facts = await factsOf(settings)
  settings.print(
    template === undefined ? render(settings.format, facts, asText) : `${template.render(facts)}\n`,
  )
  return 0
}

async function factsOf(settings: Settings) {
  const { stateDir } = settings
  const { hypervisor } = loadForPerson(settings, undefined)
  const states = await statesOf(stateDir)
  const count = (...wanted: LiveStatus[]) => states.filter((state) => wanted.includes(state)).length
  return {
    ServerVersion: version,
    Name: hostname(),
    Containers: states.length,
    ContainersRunning: count('running', 'restarting', 'unresponsive'),
    ContainersPaused: count('paused'),
    ContainersStopped: count('stopped', 'suspended', 'dead', 'created', 'creating'),
    Images: (await listImages(storePaths(stateDir))).length,
    KataTsRootDir: stateDir,
    KataTsRunDir: settings.runDir,
    Hypervisor: hypervisor.driver,
    Rootless: hypervisor.rootless,
    OperatingSystem: operatingSystem(),
    OSType: 'linux',
    Architecture: arch() === 'x64' ? 'x86_64' : arch(),
    KernelVersion: release(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
  }
}

/** A container whose record cannot be read is dead; `ps` says why. */
async function statesOf(stateDir: string): Promise<LiveStatus[]> {
  const all = listNamespaces(stateDir).flatMap((namespace) =>
    listRecords(stateDir, namespace).map(async (id): Promise<LiveStatus> => {
      try {
        return (await observe(readRecord(stateDir, namespace, id))).status
      } catch {
        return 'dead'
      }
    }),
  )
  return Promise.all(all)
}

function operatingSystem(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  } catch {
    return 'Linux'
  }
}

function asText(facts: Awaited<ReturnType<typeof factsOf>>): string {
  const lines: [string, string | number | boolean][] = [
    ['Version', facts.ServerVersion],
    ['Containers', facts.Containers],
    ['  Running', facts.ContainersRunning],
    ['  Paused', facts.ContainersPaused],
    ['  Stopped', facts.ContainersStopped],
    ['Images', facts.Images],
    ['Hypervisor', facts.Hypervisor],
    ['Rootless', facts.Rootless],
    ['State', facts.KataTsRootDir],
    ['Run', facts.KataTsRunDir],
    ['Name', facts.Name],
    ['Operating system', facts.OperatingSystem],
    ['Kernel', facts.KernelVersion],
    ['Architecture', facts.Architecture],
    ['CPUs', facts.NCPU],
    ['Memory', byteSize(facts.MemTotal)],
  ]
  return lines.map(([name, value]) => `${name}: ${value}\n`).join('')
}
