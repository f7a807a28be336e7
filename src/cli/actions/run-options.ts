/** What a person typed for `run` and `create`, read and checked before anything is made or an image is looked for. */
import { applyAnnotations } from '../../config/annotations.ts'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { applyOverrides, type Overrides } from '../../config/overrides.ts'
import { KataError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { hostMount, imageMount } from '../../oci/defaults/default-spec.ts'
import { tmpfsMount } from '../../oci/defaults/spec-rights.ts'
import { checkMountPlaces } from '../../oci/mount-place.ts'
import { requireTerminal } from '../client/attach.ts'
import { parsePullPolicy } from '../client/pull.ts'
import type { Attached } from '../client/run.ts'
import { volumePaths } from '../client/volumes/store.ts'
import type { RunFlags } from '../commands/run.ts'
import { parseCallerVolume } from '../parse/caller-volume.ts'
import { defaultDetachKeys, parseDetachKeys } from '../parse/detach-keys.ts'
import { parseDevice } from '../parse/device.ts'
import { mergeEnv } from '../parse/env.ts'
import { envWishesOf } from '../parse/env-file.ts'
import { parseExpose } from '../parse/expose.ts'
import { parseHealth } from '../parse/health.ts'
import { type HostOptions, parseHostOptions } from '../parse/host-options.ts'
import { hostnameOf, parseHostname } from '../parse/hostname.ts'
import { parseAddHost, parseDns } from '../parse/hosts.ts'
import { readLabels } from '../parse/labels.ts'
import { parseLogOptions } from '../parse/log-options.ts'
import { parseMounts } from '../parse/mount.ts'
import { checkName, generateName } from '../parse/name.ts'
import {
  parseBoolean,
  parseChoice,
  parseCpus,
  parsePidsLimit,
  parseStopTimeout,
  parseWhole,
} from '../parse/number.ts'
import { parseWorkdir, requirePlaces } from '../parse/place-in-container.ts'
import { parseRestart } from '../parse/restart.ts'
import { parseRights } from '../parse/rights.ts'
import { parseSignal } from '../parse/signal.ts'
import { parseMachineMemory, parseMemoryLimit } from '../parse/size.ts'
import { parseStorageOptions } from '../parse/storage-options.ts'
import { parseVolume } from '../parse/volume.ts'
import type { Settings } from '../settings.ts'
import { networkOf } from './run-network.ts'

export type Asked = ReturnType<typeof askedOf>

/** @throws KataError with the code of the first option that makes no sense; those of {@link loadConfig}. */
export function askedOf(settings: Settings, flags: RunFlags) {
  const { interactive = false, tty: terminal = false, detach = false, rm: autoRemove = false } = flags
  const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
  refuseConflicts(flags)
  attachedOf(flags)
  if (flags.platform !== undefined) parseChoice(flags.platform, '--platform', platforms)
  checkPull(flags)
  if (!detach) requireTerminal({ interactive, terminal })
  const id = checkName(flags.name ?? generateName(), 'container')
  const hostname = flags.hostname ? parseHostname(flags.hostname) : hostnameOf(id)
  const overrides = overridesOf(flags)
  const hostOptions = parseHostOptions(flags, flags.memory)
  // The shim tells its warnings.
  const config = loadConfig({ file: flags.config, env: settings.env, log: silentLogger })
  checkMachine(config, hostOptions.annotations, overrides)
  const network = networkOf(settings, flags, { id, hostname, config })
  return {
    id,
    hostname,
    interactive,
    terminal,
    detachKeys,
    autoRemove,
    labels: readLabels(flags.label ?? [], flags.labelFile ?? []),
    logBounds: parseLogOptions(flags.logOpt ?? []),
    bound: parseStorageOptions(flags.storageOpt ?? []),
    overrides,
    config,
    limits: limitsOf(flags),
    hostOptions,
    workdir: flags.workdir ? parseWorkdir(flags.workdir) : undefined,
    network,
    alsoExposed: parseExpose(flags.expose ?? []),
    etc: etcOf(flags, { hostname, network, resolver: hostOptions.resolver }),
    ...mountedOf(settings, flags, id),
    envOver: envOf(settings, flags),
    stop: stopOf(flags),
    health: parseHealth(flags),
    restart: flags.restart === undefined ? undefined : parseRestart(flags.restart),
  }
}

/** What the container's /etc/hosts and resolv.conf are made of. */
function etcOf(
  flags: RunFlags,
  {
    hostname,
    network,
    resolver,
  }: Pick<HostOptions, 'resolver'> & { hostname: string; network: ReturnType<typeof networkOf> },
) {
  const dns = (flags.dns ?? []).map(parseDns)
  return {
    hostname,
    hosts: (flags.addHost ?? []).map(parseAddHost),
    // On a shared network its name server asks them.
    dns: network.place === undefined ? dns : [],
    nameServer: network.nameServer,
    hasNetwork: network.isNone !== true,
    resolver,
  }
}

/** Volumes, devices and what is mounted in memory, each at a place of its own. */
function mountedOf(settings: Settings, flags: RunFlags, id: string) {
  const volumePlace = (name: string) => volumePaths(settings, name).data
  const mounts = parseMounts(flags.mount ?? [], volumePlace)
  const plainRights = parseRights(flags)
  const rights = { ...plainRights, tmpfs: [...plainRights.tmpfs, ...mounts.tmpfs] }
  const volumes = [
    ...(flags.volume ?? []).map((text) => parseVolume(text, volumePlace)),
    ...mounts.volumes,
    ...(flags.callerVolume ?? []).map(parseCallerVolume),
  ]
  const devices = (flags.device ?? []).map(parseDevice)
  requirePlaces([...volumes, ...rights.tmpfs])
  // The shim asks this too, but only once an image was pulled and volumes were made.
  const mounted = [
    ...volumes.map((volume) => hostMount(volume, { uid: 0, gid: 0 })),
    ...rights.tmpfs.map(tmpfsMount),
    ...devices.filter((device) => device.what === 'file').map(imageMount),
  ]
  checkMountPlaces(mounted, id)
  return { rights, volumes, devices }
}

/** Gives the environment, over the image's. What is wrong with it is found before an image is pulled. */
function envOf(settings: Settings, flags: RunFlags): (env: readonly string[]) => string[] {
  const variables = envWishesOf(flags)
  const callerEnv = flags.callerEnv === false ? {} : settings.env
  const envOver = (env: readonly string[]) => mergeEnv(env, variables, callerEnv)
  envOver([])
  return envOver
}

/** The shim makes the machine's configuration, but only once an image was pulled and volumes were made. */
function checkMachine(
  config: Config,
  annotations: Readonly<Record<string, string>>,
  overrides: Overrides,
): void {
  applyOverrides(applyAnnotations(config, annotations, silentLogger), overrides)
}

/** They count only where an image is missing: a typo would show on another host. */
function checkPull({ pull, tlsVerify }: RunFlags): void {
  if (pull !== undefined) parsePullPolicy(pull)
  if (tlsVerify !== undefined) parseBoolean(tlsVerify, '--tls-verify')
}

const streamNames = ['stdin', 'stdout', 'stderr'] as const

/** @throws KataError OPTION_INVALID. */
export function attachedOf({ attach, sigProxy }: Pick<RunFlags, 'attach' | 'sigProxy'>): Attached {
  const names = (attach ?? streamNames).map((text) =>
    parseChoice(text.toLowerCase(), '--attach', streamNames),
  )
  return {
    streams: new Set(names),
    passesSignals: sigProxy === undefined || parseBoolean(sigProxy, '--sig-proxy'),
  }
}

/** The platforms whose images a machine here can run. */
const platforms = ['linux/amd64', 'linux/x86_64']

function refuseConflicts({ interactive, rootfs, image, rm, restart, attach, detach }: RunFlags): void {
  if (attach !== undefined && detach === true)
    throw new KataError('OPTION_CONFLICT', {
      options: '--attach and --detach',
      reason: 'a container in the background is attached to nothing',
      remedy: 'Omit one of them, and see `kata-ts attach`.',
    })
  if (rm === true && restart !== undefined && restart !== 'no')
    throw new KataError('OPTION_CONFLICT', {
      options: '--rm and --restart',
      reason: 'a container that is removed cannot be started again',
      remedy: 'Omit one of them.',
    })
  if (interactive && (image === '-' || image === '/dev/stdin'))
    throw new KataError('OPTION_CONFLICT', {
      options: '--image - and --interactive',
      reason: 'the image takes all of standard input',
      remedy: 'Save the image to a file first.',
    })
  if (rootfs !== undefined && image !== undefined)
    throw new KataError('OPTION_CONFLICT', {
      options: '--rootfs and --image',
      reason: 'a container has one root file system',
      remedy: 'Omit one of them.',
    })
}

function overridesOf({ machineMemory, vcpus, rootless, accelerator }: RunFlags): Overrides {
  return {
    ...(machineMemory === undefined ? {} : { memory: parseMachineMemory(machineMemory) }),
    ...(vcpus === undefined ? {} : { vcpus: parseWhole(vcpus, '--vcpus', 1, 240) }),
    ...(rootless === undefined ? {} : { rootless: parseBoolean(rootless, '--rootless') }),
    ...(accelerator === undefined
      ? {}
      : { accelerator: parseChoice(accelerator, '--accelerator', ['auto', 'kvm', 'tcg']) }),
  }
}

/** As with docker, 0 is no limit. */
export function limitsOf({ memory, cpus, pidsLimit }: Pick<RunFlags, 'memory' | 'cpus' | 'pidsLimit'>) {
  const pids = pidsLimit === undefined ? undefined : parsePidsLimit(pidsLimit)
  return {
    ...(isNone(memory) ? {} : { memoryBytes: parseMemoryLimit(memory) }),
    ...(isNone(cpus) ? {} : { cpus: parseCpus(cpus) }),
    ...(pids === undefined ? {} : { pids }),
  }
}

const isNone = (limit: string | undefined): limit is undefined | '0' => limit === undefined || limit === '0'

/** How `stop` ends the container; what nobody said is absent. */
function stopOf({ stopSignal, stopTimeout }: RunFlags) {
  return {
    stopSignal: stopSignal === undefined ? undefined : parseSignal(stopSignal, '--stop-signal'),
    stopTimeout: stopTimeout === undefined ? undefined : parseStopTimeout(stopTimeout, '--stop-timeout'),
  }
}
