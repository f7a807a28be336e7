import { readFailure } from '../../bundle/failure.ts'
import { bundleFile } from '../../bundle/files.ts'
import { readNetworkWishes } from '../../bundle/network.ts'
import { wasOomKilled } from '../../bundle/oom-killed.ts'
import { readOverrides } from '../../bundle/overrides.ts'
import { maxSpecBytes, readObject } from '../../bundle/read-file.ts'
import { readWarnings } from '../../bundle/warnings.ts'
import { KataError } from '../../errors.ts'
import { type ImageFacts, imageFacts } from '../../images/store/image-facts.ts'
import { storePaths } from '../../images/store/store-paths.ts'
import { isObject } from '../../json/compounds.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { plainJson } from '../../plain-text.ts'
import { readFacts } from '../../sandbox/records/facts.ts'
import { hasLostNetwork } from '../../sandbox/records/lost-network.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import { isExternal, pathsOf, sandboxOf } from '../client/external.ts'
import { healthOf } from '../client/life/health-state.ts'
import { isRestartCut } from '../client/life/restart-note.ts'
import { hasLog } from '../client/logs/reader.ts'
import { publishedPorts } from '../client/networks/free-ports.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { observe } from '../client/status.ts'
import { listVolumes, volumePaths } from '../client/volumes/store.ts'
import type { InspectFlags } from '../commands/inspect.ts'
import { tellError } from '../explain.ts'
import { dockerNetworks } from '../output/docker-networks.ts'
import { dockerFacts } from '../output/docker-view.ts'
import { asMap, compileEach } from '../output/template/rows.ts'
import { parseChoice } from '../parse/number.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

const types = ['container', 'image'] as const

/** @throws KataError OPTION_INVALID, TEMPLATE_INVALID. */
export async function inspect(
  settings: Settings,
  { full, type }: InspectFlags,
  names: readonly string[],
): Promise<number> {
  const wanted = type === undefined ? undefined : parseChoice(type, '--type', types)
  const template = settings.template === undefined ? undefined : compileEach(settings.template)
  const facts: unknown[] = []
  let exitCode = 0
  for (const name of names) {
    try {
      const found = await find(settings, name, wanted)
      const shown = full === true ? found.shown : withoutRules(found.shown)
      if (template === undefined) facts.push(shown)
      else settings.print(template(found.inDockersWords()))
    } catch (error) {
      tellError(settings, error)
      exitCode = 1
    }
  }
  if (template === undefined) settings.print(`${plainJson(facts, 2)}\n`)
  return exitCode
}

interface Found {
  readonly shown: object
  /** The same for templates. */
  inDockersWords(): unknown
}

/** Docker looks for a container first, too. @throws KataError CONTAINER_NOT_FOUND, NAME_INVALID, IMAGE_NOT_STORED. */
async function find(
  settings: Settings,
  name: string,
  type: (typeof types)[number] | undefined,
): Promise<Found> {
  if (type === 'image') return asFound(await imageFacts(storePaths(settings.stateDir), name))
  try {
    const record = findRecord(settings, name)
    const facts = await factsOf(settings, record)
    return {
      shown: facts,
      inDockersWords: () =>
        dockerFacts(facts, specOf(facts.paths.bundle), {
          volumes: volumesIn(settings),
          networks: networksOf(facts.paths.bundle),
          logPath: logPathOf(settings, record),
        }),
    }
  } catch (error) {
    if (type === 'container' || !(error instanceof KataError)) throw error
    if (error.code !== 'CONTAINER_NOT_FOUND' && error.code !== 'NAME_INVALID') throw error
    return imageInstead(settings, name, error)
  }
}

/** Only images have a colon or a slash in their names, so such a name is told to be none of theirs. */
async function imageInstead(settings: Settings, name: string, noContainer: KataError): Promise<Found> {
  try {
    return asFound(await imageFacts(storePaths(settings.stateDir), name))
  } catch (error) {
    const isImageName =
      noContainer.code === 'NAME_INVALID' &&
      !(error instanceof KataError && error.code === 'IMAGE_NAME_INVALID')
    throw isImageName ? error : noContainer
  }
}

const asFound = (facts: ImageFacts): Found => ({
  shown: facts,
  inDockersWords: () => ({ ...facts, Config: imageConfig(facts.Config) }),
})

/** With the fields that docker always has; an image leaves out what it does not set. */
const imageConfig = ({ Labels, ExposedPorts, Volumes, ...others }: ImageFacts['Config']) => ({
  ...{ User: '', WorkingDir: '', StopSignal: '', Env: [], Cmd: [], Entrypoint: [] },
  ...others,
  Labels: mapOf(Labels),
  ExposedPorts: mapOf(ExposedPorts),
  Volumes: mapOf(Volumes),
})

const mapOf = (value: unknown) => asMap(isObject(value) ? value : {})

function volumesIn(settings: Settings) {
  return listVolumes(settings).map((name) => ({ name, source: volumePaths(settings, name).data }))
}

/** Empty where no log is kept. */
function logPathOf({ stateDir }: Settings, record: ContainerRecord): string {
  if (isExternal(record)) return ''
  const paths = recordPaths(stateDir, record.namespace, record.id)
  return hasLog(record, paths) ? paths.log : ''
}

/** What cannot be read leads nowhere; a start tells why. */
function networksOf(bundle: string) {
  try {
    return dockerNetworks(readNetworkWishes(bundle))
  } catch {
    return dockerNetworks(undefined)
  }
}

/** What cannot be read has nothing to say; the JSON tells why. */
function specOf(bundle: string): OciSpec {
  try {
    return readBundleSpec(bundle)
  } catch {
    return {}
  }
}

/** Record, live state, and what the shim has written about the sandbox while it lives. */
async function factsOf(settings: Settings, record: ContainerRecord) {
  const { status, exitCode = null, shimPid, vmmPid } = await observe(record)
  const paths = isExternal(record)
    ? pathsOf(settings, record)
    : recordPaths(settings.stateDir, record.namespace, record.id)
  const sandbox = sandboxPaths(settings.runDir, record.namespace, sandboxOf(record))
  const live = readFacts(sandbox.facts)
  const isLive = live !== undefined || shimPid !== undefined
  const networkLost = shown(() => hasLostNetwork(sandbox.stateDir))
  return {
    ...record,
    healthcheck: record.health ?? null,
    health: isExternal(record) ? null : (healthOf(settings, record) ?? null),
    status,
    exitCode,
    oomKilled: wasOomKilled(paths.bundle),
    restartCut: isRestartCut(record, status),
    ports: publishedPorts(paths.bundle),
    paths,
    config: shown(() => readObject(bundleFile(paths.bundle, 'spec'), maxSpecBytes)),
    overrides: shown(() => readOverrides(paths.bundle)),
    failure: shown(() => toldFailure(paths.bundle)),
    warnings: shown(() => readWarnings(paths.bundle)),
    sandbox: isLive ? { stateDir: sandbox.stateDir, shimPid, vmmPid, ...live, networkLost } : null,
  }
}

/** Replaces the hundreds of rules of a seccomp profile by their number, so that the rest stays readable. */
function withoutRules(facts: object): object {
  const { config } = facts as { readonly config?: unknown }
  if (!isObject(config) || !isObject(config.linux) || !isObject(config.linux.seccomp)) return facts
  const { syscalls, ...seccomp } = config.linux.seccomp
  if (!Array.isArray(syscalls)) return facts
  return {
    ...facts,
    config: { ...config, linux: { ...config.linux, seccomp: { ...seccomp, rules: syscalls.length } } },
  }
}

function toldFailure(bundle: string) {
  const failure = readFailure(bundle, 'failure')
  return failure === undefined ? undefined : factsOfError(failure)
}

/** What a file holds, null where there is none; of one that cannot be read, what is wrong with it. */
function shown<Value>(read: () => Value | undefined): Value | ReturnType<typeof factsOfError> | null {
  try {
    return read() ?? null
  } catch (error) {
    if (error instanceof KataError) return factsOfError(error)
    throw error
  }
}

const factsOfError = ({ code, fields, message }: KataError) => ({ code, fields, message })
