import { statSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { requireSupported } from '../../config/key-support.ts'
import { findKey, keysFor } from '../../config/keys.ts'
import { describeError, KataError } from '../../errors.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { endAllWaiting, endWaiting, listPool, type PoolEntry } from '../../sandbox/pool/pool.ts'
import { findPoolServer, type PoolServer } from '../../sandbox/pool/pool-server.ts'
import { makeTemplate } from '../../sandbox/template/make-template.ts'
import { whileMakingTemplates, whileRemovingTemplates } from '../../sandbox/template/template-lock.ts'
import {
  type ListedTemplate,
  listTemplates,
  removeStaleTemplates,
  removeTemplates,
  type Template,
  type TemplateFacts,
} from '../../sandbox/template/template-store.ts'
import { type Seen, usability } from '../../sandbox/template/usable.ts'
import { resolveAssets } from '../../vmm/host/assets.ts'
import type { SavedPaths } from '../../vmm/vmm.ts'
import { interruptible } from '../client/signals.ts'
import type { FactoryFlags } from '../commands/factory.ts'
import { loadForPerson } from '../configuration.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

/** How much of a key a person is shown. */
const shownDigits = 12

export async function init(settings: Settings, flags: FactoryFlags): Promise<number> {
  const config = loadForPerson(settings, flags.config)
  if (flags.ifEnabled && !config.factory.enableTemplate) return 0
  requireTemplates(config)
  hintUnused(settings, config)
  const { runDir, log } = settings
  const { templatePath } = config.factory
  const began = performance.now()
  const template = await interruptible((signal) =>
    whileMakingTemplates(templatePath, async () => {
      // Before the new one, which may need their room.
      for (const key of await removeStaleTemplates(templatePath, bootId(), signal))
        settings.tell(`removed ${short(key)}, a template of another boot of the host`)
      const made = await makeTemplate({ config, runDir, log, signal })
      await endThoseOf(made, settings)
      return made
    }),
  )
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  settings.print(render(settings.format, template.facts, () => `${lineOf(template)}, made in ${seconds} s\n`))
  return 0
}

/** What waits as a clone of the former one is no pod's any more (../../sandbox/pool/adopt.ts). */
async function endThoseOf({ facts }: Template, { runDir, log }: Settings): Promise<void> {
  for (const entry of listPool(runDir, log).filter(({ template }) => template === facts.key))
    await endWaiting(entry, log).catch((error) => log.warn('a waiting machine does not end', { error }))
}

function lineOf({ facts: { key, memoryMiB, vcpus }, saved }: Template): string {
  const size = byteSize(bytesOnDisk(saved))
  return `${short(key)}: ${size} for machines with ${memoryMiB} MiB and ${vcpus} vCPU${vcpus === 1 ? '' : 's'}`
}

/** Less than its length: memory that the guest never touched is a hole. */
function bytesOnDisk({ state, memory }: SavedPaths): number {
  const paths = memory === undefined ? [state] : [state, memory]
  return paths.reduce((sum, path) => sum + statSync(path).blocks * 512, 0)
}

/** @throws KataError CONFIG_VMM_CANNOT for a VMM of which there are none. */
function requireTemplates({ hypervisor: { driver } }: Config): void {
  const spec = findKey(keysFor(driver), 'factory', 'enable_template')!
  requireSupported(driver, { spec, value: true, where: 'kata-ts factory init' })
}

export async function status(settings: Settings, flags: FactoryFlags): Promise<number> {
  const { runDir, log } = settings
  const config = loadForPerson(settings, flags.config)
  const { templatePath } = config.factory
  const seen = { config, bootId: bootId(), resolveAssets: (of: Config) => resolveAssets(of) }
  const entries = listPool(runDir, log)
  const waiting = entries.filter(({ state }) => state === 'waiting')
  const templates: CountedTemplate[] = []
  for (const listed of listTemplates(templatePath)) {
    const ofIt = waiting.filter(({ template }) => template === listed.key)
    templates.push({ ...(await shown(listed, seen)), waiting: ofIt.length })
  }
  const all = { templates, pool: poolOf(findPoolServer(runDir), entries) }
  if (templates.length > 0) hintUnused(settings, config)
  settings.print(render(settings.format, all, asText))
  return 0
}

function hintUnused(settings: Settings, { factory }: Config): void {
  if (!factory.enableTemplate)
    settings.tell('hint: no pod uses the template: enable_template in [factory] is false')
}

/** What `kata-ts factory serve` is at; null where none runs. */
interface ShownPool extends Pick<PoolServer, 'number' | 'doing' | 'reason'> {
  readonly pid: number
  readonly waiting: number
  readonly starting: number
}

function poolOf(server: PoolServer | undefined, entries: readonly PoolEntry[]): ShownPool | null {
  if (server === undefined) return null
  const { process, number, doing, reason } = server
  const count = (wanted: PoolEntry['state']) => entries.filter(({ state }) => state === wanted).length
  const [waiting, starting] = [count('waiting'), count('starting')]
  return { pid: process.pid, number, waiting, starting, doing, reason }
}

function asText({
  templates,
  pool,
}: {
  readonly templates: readonly CountedTemplate[]
  readonly pool: ShownPool | null
}): string {
  return asTable(templates) + (pool === null ? '' : `\n${sentenceOfPool(pool)}\n`)
}

function sentenceOfPool({ waiting, number, doing, reason }: ShownPool): string {
  const why = reason === '' ? '' : `: ${reason}`
  return `pool: ${waiting} of ${number} machines wait, ${doing}${why}`
}

/** What a template has of its facts, and whether a pod of the configuration can be a clone of it. */
type ShownTemplate = Pick<TemplateFacts, 'key'> &
  Partial<TemplateFacts> & { readonly state: string; readonly diskBytes?: number }
/** With how many machines of it wait for a pod. */
type CountedTemplate = ShownTemplate & { readonly waiting: number }

async function shown(listed: ListedTemplate, seen: Seen): Promise<ShownTemplate> {
  if ('error' in listed) return { key: listed.key, state: sentenceOf(listed.error) }
  const { facts, saved } = listed.template
  return { ...facts, diskBytes: bytesOnDisk(saved), state: await usability(facts, seen) }
}

const sentenceOf = (error: unknown): string =>
  error instanceof KataError ? error.rawMessage : describeError(error)

function asTable(all: readonly CountedTemplate[]): string {
  const rows = all.map(({ key, madeAt, diskBytes, vmm, accelerator, vcpus, memoryMiB, waiting, state }) => [
    ...[
      short(key),
      madeAt ?? '-',
      diskBytes === undefined ? '-' : byteSize(diskBytes),
      vmm ?? '-',
      accelerator ?? '-',
    ],
    ...[vcpus === undefined ? '-' : `${vcpus}`, memoryMiB === undefined ? '-' : `${memoryMiB} MiB`],
    ...[`${waiting}`, state],
  ])
  return table(['KEY', 'MADE', 'SIZE', 'VMM', 'ACCELERATOR', 'VCPUS', 'MEMORY', 'WAITING', 'STATE'], rows)
}

export async function destroy(settings: Settings, flags: FactoryFlags): Promise<number> {
  const { templatePath } = loadForPerson(settings, flags.config).factory
  const { runDir, log } = settings
  const keys = await interruptible((signal) =>
    whileRemovingTemplates(templatePath, async () => {
      await endAllWaiting(listPool(runDir, log), log)
      return removeTemplates(templatePath, signal)
    }),
  )
  settings.print(render(settings.format, keys, () => keys.map((key) => `${short(key)}\n`).join('')))
  return 0
}

const short = (key: string): string => key.slice(0, shownDigits)
