import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { loadConfig } from '../../config/load.ts'
import type { Overrides } from '../../config/overrides.ts'
import { KataError } from '../../errors.ts'
import { groupsInImage, userInImage } from '../../images/account-files.ts'
import { silentLogger } from '../../log.ts'
import { defaultSpec, type SpecUser } from '../../oci/defaults/default-spec.ts'
import { withRights } from '../../oci/defaults/spec-rights.ts'
import { callerWindow, requireTerminal } from '../client/attach.ts'
import { type ContainerInit, containerInit } from '../client/container-init.ts'
import { chooseDisks, isCopied } from '../client/disk-root.ts'
import { recordPaths } from '../client/record.ts'
import { chooseRootfs, type Rootfs } from '../client/rootfs.ts'
import {
  type Attached,
  type ContainerPlan,
  createOnly,
  prepareNew,
  runAttached,
  runDetached,
} from '../client/run.ts'
import { interruptible } from '../client/signals.ts'
import { consoleSize } from '../client/spec.ts'
import { prepareVolumes } from '../client/volumes/fill.ts'
import { volumePaths } from '../client/volumes/store.ts'
import type { RunFlags, RunWords } from '../commands/run.ts'
import { exitCodeOf } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import { parseCallerVolume } from '../parse/caller-volume.ts'
import { defaultDetachKeys, parseDetachKeys } from '../parse/detach-keys.ts'
import { parseDevice } from '../parse/device.ts'
import { mergeEnv } from '../parse/env.ts'
import { readEnvFiles } from '../parse/env-file.ts'
import { exposedPorts, parseExpose, portName, unpublished } from '../parse/expose.ts'
import { healthCheckOf, parseHealth } from '../parse/health.ts'
import { hostnameOf, parseHostname } from '../parse/hostname.ts'
import { parseAddHost, parseDns } from '../parse/hosts.ts'
import { readLabels } from '../parse/labels.ts'
import { parseLogOptions } from '../parse/log-options.ts'
import { parseMounts } from '../parse/mount.ts'
import { checkName, generateName } from '../parse/name.ts'
import { parseBoolean, parseChoice, parseCpus, parseStopTimeout, parseWhole } from '../parse/number.ts'
import { type Place, parsePlace } from '../parse/place.ts'
import { parseWorkdir, requirePlaces } from '../parse/place-in-container.ts'
import type { FreePort } from '../parse/publish.ts'
import { parseRestart } from '../parse/restart.ts'
import { parseRights } from '../parse/rights.ts'
import { parseSignal } from '../parse/signal.ts'
import { parseMachineMemory, parseMemoryLimit } from '../parse/size.ts'
import { parseStorageOptions } from '../parse/storage-options.ts'
import { parseVolume } from '../parse/volume.ts'
import type { Settings } from '../settings.ts'
import { runFromSnapshot } from './run-from.ts'
import { networkOf, type RunNetwork } from './run-network.ts'

/** The exit code is the command's own; 125, 126 and 127 are ours, as in docker. */
export function run(settings: Settings, flags: RunFlags, words: RunWords): Promise<number> {
  if (flags.from !== undefined)
    return runFromSnapshot(settings, { ...flags, from: flags.from }, words, () => attachedOf(flags))
  return withPlan(settings, flags, words, async (plan) => {
    if (flags.detach !== true)
      return runAttached(settings, plan, attachedOf(flags), () => prepareNew(settings, plan))
    await runDetached(settings, plan)
    return printId(settings, plan)
  })
}

/** Makes the container, and no machine. */
export function create(settings: Settings, flags: RunFlags, words: RunWords): Promise<number> {
  // It runs in the background, unless `start --attach` says otherwise.
  return withPlan(settings, { ...flags, detach: true }, words, async (plan) => {
    await createOnly(settings, plan)
    return printId(settings, plan)
  })
}

function printId({ format, print }: Settings, { id }: ContainerPlan): number {
  print(format === 'json' ? `${JSON.stringify({ id })}\n` : `${id}\n`)
  return 0
}

async function withPlan(
  settings: Settings,
  flags: RunFlags,
  words: RunWords,
  work: (plan: ContainerPlan) => Promise<number>,
): Promise<number> {
  let idFile: string | undefined
  // Before an image is pulled or a volume is made for nothing; empty until there is a container.
  const makeIdFile = () => {
    if (flags.cidfile === undefined) return
    writeFileSync(flags.cidfile, '', { flag: 'wx' })
    idFile = flags.cidfile
  }
  try {
    const plan = await planOf(settings, flags, words, makeIdFile)
    if (idFile !== undefined) writeFileSync(idFile, plan.id)
    return await work(plan)
  } catch (error) {
    // There is no such container.
    if (idFile !== undefined) rmSync(idFile, { force: true })
    tellError(settings, error)
    return exitCodeOf(error)
  }
}

const streamNames = ['stdin', 'stdout', 'stderr'] as const

/** @throws KataError OPTION_INVALID. */
function attachedOf({ attach, sigProxy }: Pick<RunFlags, 'attach' | 'sigProxy'>): Attached {
  const names = (attach ?? streamNames).map((text) =>
    parseChoice(text.toLowerCase(), '--attach', streamNames),
  )
  return {
    streams: new Set(names),
    passesSignals: sigProxy === undefined || parseBoolean(sigProxy, '--sig-proxy'),
  }
}

/** Checks everything the person asked for before anything is made. `onChecked` is called before it looks for the image. */
async function planOf(
  settings: Settings,
  flags: RunFlags,
  words: RunWords,
  onChecked: () => void,
): Promise<ContainerPlan> {
  const { interactive = false, tty: terminal = false, detach = false, rm: autoRemove = false } = flags
  const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
  refuseConflicts(flags)
  attachedOf(flags)
  if (flags.platform !== undefined) parseChoice(flags.platform, '--platform', platforms)
  if (!detach) requireTerminal({ interactive, terminal })
  const id = checkName(flags.name ?? generateName(), 'container')
  const overrides = overridesOf(flags)
  const logBounds = parseLogOptions(flags.logOpt ?? [])
  const bound = parseStorageOptions(flags.storageOpt ?? [])
  const labels = readLabels(flags.label ?? [], flags.labelFile ?? [])
  const limits = limitsOf(flags)
  const volumePlace = (name: string) => volumePaths(settings, name).data
  const mounts = parseMounts(flags.mount ?? [], volumePlace)
  const plainRights = parseRights(flags)
  const rights = { ...plainRights, tmpfs: [...plainRights.tmpfs, ...mounts.tmpfs] }
  const place = parsePlace(flags, flags.memory)
  const hostname = flags.hostname ? parseHostname(flags.hostname) : hostnameOf(id)
  // The shim tells its warnings.
  const config = loadConfig({ file: flags.config, env: settings.env, log: silentLogger })
  const network = networkOf(settings, flags, { id, hostname, config })
  const alsoExposed = parseExpose(flags.expose ?? [])
  const dns = (flags.dns ?? []).map(parseDns)
  const etc = {
    hostname,
    hosts: (flags.addHost ?? []).map(parseAddHost),
    // On a shared network its name server asks them.
    dns: network.place === undefined ? dns : [],
    nameServer: network.nameServer,
    hasNetwork: network.isNone !== true,
    resolver: place.resolver,
  }
  const volumes = [
    ...(flags.volume ?? []).map((text) => parseVolume(text, volumePlace)),
    ...mounts.volumes,
    ...(flags.callerVolume ?? []).map(parseCallerVolume),
  ]
  const devices = (flags.device ?? []).map(parseDevice)
  requirePlaces([...volumes, ...rights.tmpfs])
  const workdir = flags.workdir ? parseWorkdir(flags.workdir) : undefined
  const envFiles = readEnvFiles(flags.envFile ?? [])
  const envOver = (env: readonly string[]) => mergeEnv(env, [...envFiles, ...(flags.env ?? [])], settings.env)
  // An image may have to be pulled, so what can be wrong with the rest is found first.
  envOver([])
  const stop = stopOf(flags)
  const health = parseHealth(flags)
  const restart = flags.restart === undefined ? undefined : parseRestart(flags.restart)
  onChecked()
  const rootfs = await chooseRootfs(settings, flags, words, config.runtime.imageStoreLimit * 2 ** 20)
  const exposed = exposedPorts(rootfs.config.exposedPorts ?? [], alsoExposed)
  const freePorts = flags.publishAll === true ? withExposed(network, exposed) : network.freePorts
  const command = commandOf(rootfs, flags.entrypoint)
  const plain = defaultSpec({
    ...limits,
    args: command,
    env: envOver(rootfs.config.env),
    cwd: workdir ?? rootfs.config.workingDir,
    user: withGroups(userOf(rootfs, flags.user), groupsInImage(rootfs.lowerDirs, flags.groupAdd ?? [])),
    terminal,
    hostname,
    readonly: flags.readOnly === true,
    rootfs: 'rootfs',
    mounts: volumes,
    devices,
    netns: network.netns,
  })
  const init = flags.init === true ? await containerInit(settings.stateDir) : undefined
  const spec = withInit(placed(withRights(plain, rights), place), init)
  const size = terminal ? await callerWindow() : undefined
  const { directory } = recordPaths(settings.stateDir, settings.namespace, id)
  const disks = await interruptible((signal) =>
    chooseDisks(settings, { id, directory, rootfs, bytes: bound, config, signal }),
  )
  // All that was asked for makes sense; volumes stay even if the start fails.
  await interruptible((signal) => prepareVolumes(settings, volumes, rootfs.lowerDirs, signal))
  return {
    ...{ id, command, interactive, terminal, detachKeys, labels, logBounds, autoRemove, overrides, etc },
    spec: { ...spec, process: { ...spec.process, ...consoleSize(terminal, size) } },
    ...stop,
    restart,
    health: healthCheckOf(health, rootfs.config.healthcheck),
    stopSignal: stop.stopSignal ?? stopSignalOf(rootfs),
    network: network.wishes,
    freePorts,
    exposed: exposed.length > 0 ? exposed.map(portName) : undefined,
    place: network.place,
    image: rootfs.description,
    imageId: rootfs.imageId,
    onRecorded: rootfs.release,
    layers: rootfs.lowerDirs,
    disks,
    isCopied: disks === undefined && isCopied(config) ? true : undefined,
    configFile: flags.config === undefined ? undefined : resolve(flags.config),
  }
}

/** Of the images that a machine here can run. */
const platforms = ['linux/amd64', 'linux/x86_64']

function refuseConflicts({ interactive, rootfs, image, rm, restart, attach, detach }: RunFlags): void {
  if (attach !== undefined && detach === true)
    throw new KataError('OPTION_CONFLICT', {
      options: '--attach and --detach',
      reason: 'a container in the background has nobody to attach',
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

function limitsOf({ memory, cpus, pidsLimit }: RunFlags) {
  return {
    ...(memory === undefined ? {} : { memoryBytes: parseMemoryLimit(memory) }),
    ...(cpus === undefined ? {} : { cpus: parseCpus(cpus) }),
    ...(pidsLimit === undefined ? {} : { pids: parseWhole(pidsLimit, '--pids-limit', 1, 4_194_304) }),
  }
}

/** An image's entry point stays in front of the words given here; another one makes its command void, too. As in docker. */
function commandOf({ config, args }: Rootfs, entrypoint: string | undefined): readonly string[] {
  const ofImage = entrypoint === undefined
  const first = ofImage ? config.entrypoint : [entrypoint].filter((program) => program !== '')
  const command = [...first, ...(args.length > 0 || !ofImage ? args : config.cmd)]
  return command.length > 0 ? command : ['sh']
}

/** What was published by name stays as it is. */
function withExposed({ wishes, freePorts = [] }: RunNetwork, exposed: readonly FreePort[]) {
  return [...freePorts, ...unpublished(exposed, [...(wishes?.ports ?? []), ...freePorts])]
}

/** How `stop` ends the container; what nobody said is absent. */
function stopOf({ stopSignal, stopTimeout }: RunFlags) {
  return {
    stopSignal: stopSignal === undefined ? undefined : parseSignal(stopSignal, '--stop-signal'),
    stopTimeout: stopTimeout === undefined ? undefined : parseStopTimeout(stopTimeout, '--stop-timeout'),
  }
}

const stopSignalOf = ({ config }: Rootfs) =>
  config.stopSignal === '' ? undefined : parseSignal(config.stopSignal, 'StopSignal of the image')

function withGroups(user: SpecUser, groups: readonly number[]): SpecUser {
  return { ...user, additionalGids: [...new Set([...(user.additionalGids ?? []), ...groups])] }
}

/** Its mount is the last: nothing covers it. */
function withInit(spec: ReturnType<typeof placed>, init: ContainerInit | undefined) {
  if (init === undefined) return spec
  const { process, mounts } = spec
  return {
    ...spec,
    process: { ...process, args: [...init.args, ...process.args] },
    mounts: [...mounts, init.mount],
  }
}

function placed(spec: ReturnType<typeof withRights>, { cpus, mems, oomScoreAdj, annotations }: Place) {
  const { resources } = spec.linux
  const cpuset = { ...(cpus === '' ? {} : { cpus }), ...(mems === '' ? {} : { mems }) }
  const cpu = 'cpu' in resources ? { ...resources.cpu, ...cpuset } : cpuset
  return {
    ...spec,
    annotations: { ...spec.annotations, ...annotations },
    process: { ...spec.process, ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }) },
    linux: {
      ...spec.linux,
      resources: { ...resources, ...(Object.keys(cpu).length === 0 ? {} : { cpu }) },
    },
  }
}

/** A user of no name was not asked for, as in docker: the image's stays. */
function userOf({ config, lowerDirs }: Rootfs, asked: string | undefined) {
  const user = asked || config.user
  return user === '' ? { uid: 0, gid: 0 } : userInImage(lowerDirs, user)
}
