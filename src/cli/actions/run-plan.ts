/** From what was asked of `run` or `create` and its image to the plan of a container. */
import { resolve } from 'node:path'
import { groupsInImage, rootInImage, userInImage } from '../../images/account-files.ts'
import { defaultSpec, type SpecUser } from '../../oci/defaults/default-spec.ts'
import { withRights } from '../../oci/defaults/spec-rights.ts'
import { callerWindow } from '../client/attach.ts'
import { type ContainerInit, containerInit } from '../client/container-init.ts'
import type { ContainerPlan } from '../client/container-plan.ts'
import { chooseDisks, isCopied } from '../client/disk-root.ts'
import { recordPaths } from '../client/record.ts'
import { chooseRootfs, type Rootfs } from '../client/rootfs.ts'
import { interruptible } from '../client/signals.ts'
import { consoleSize } from '../client/spec.ts'
import { prepareVolumes } from '../client/volumes/fill.ts'
import type { RunFlags, RunWords } from '../commands/run.ts'
import { exposedPorts, portRanges, unpublished } from '../parse/expose.ts'
import { healthCheckOf } from '../parse/health.ts'
import type { HostOptions } from '../parse/host-options.ts'
import type { FreePort } from '../parse/publish.ts'
import { parseSignal } from '../parse/signal.ts'
import type { Settings } from '../settings.ts'
import type { RunNetwork } from './run-network.ts'
import { type Asked, askedOf } from './run-options.ts'

/**
 * Checks everything that the person asked for before anything is made. `onChecked` is called before it looks for the image.
 *
 * @throws KataError those of {@link askedOf}; those of the image, its user and groups, its disks and volumes.
 */
export async function planOf(
  settings: Settings,
  flags: RunFlags,
  words: RunWords,
  onChecked: () => void,
): Promise<ContainerPlan> {
  const asked = askedOf(settings, flags)
  const { id, terminal, network, volumes, config, bound, stop } = asked
  onChecked()
  const rootfs = await chooseRootfs(settings, flags, words, config.runtime.imageStoreLimit * 2 ** 20)
  const exposed = exposedPorts(rootfs.config.exposedPorts ?? [], asked.alsoExposed)
  const command = commandOf(rootfs, flags.entrypoint)
  const plain = specOf(asked, flags, rootfs, command)
  const init = flags.init === true ? await containerInit(settings.stateDir) : undefined
  const spec = withInit(plain, init)
  const size = terminal ? await callerWindow() : undefined
  const { directory } = recordPaths(settings.stateDir, settings.namespace, id)
  const disks = await interruptible((signal) =>
    chooseDisks(settings, { id, directory, rootfs, bytes: bound, config, signal }),
  )
  // All that was asked for makes sense; volumes stay even if the start fails.
  await interruptible((signal) => prepareVolumes(settings, volumes, rootfs.lowerDirs, signal))
  const { interactive, detachKeys, labels, logBounds, autoRemove, overrides, etc, restart } = asked
  return {
    id,
    command,
    interactive,
    terminal,
    detachKeys,
    labels,
    logBounds,
    autoRemove,
    overrides,
    etc,
    spec: { ...spec, process: { ...spec.process, ...consoleSize(terminal, size) } },
    ...stop,
    restart,
    health: healthCheckOf(asked.health, rootfs.config.healthcheck),
    stopSignal: stop.stopSignal ?? stopSignalOf(rootfs),
    network: network.wishes,
    freePorts: flags.publishAll === true ? withExposed(network, exposed) : network.freePorts,
    exposed: exposed.length > 0 ? portRanges(exposed) : undefined,
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

function specOf(asked: Asked, flags: RunFlags, rootfs: Rootfs, command: readonly string[]) {
  const { limits, envOver, workdir, terminal, hostname, volumes, devices, network, rights, hostOptions } =
    asked
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
  return onHost(withRights(plain, rights), hostOptions)
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

const stopSignalOf = ({ config }: Rootfs) =>
  config.stopSignal === '' ? undefined : parseSignal(config.stopSignal, 'StopSignal of the image')

function withGroups(user: SpecUser, groups: readonly number[]): SpecUser {
  return { ...user, additionalGids: [...new Set([...(user.additionalGids ?? []), ...groups])] }
}

/** Its mount is the last: nothing covers it. */
function withInit(spec: ReturnType<typeof onHost>, init: ContainerInit | undefined) {
  if (init === undefined) return spec
  const { process, mounts } = spec
  return {
    ...spec,
    process: { ...process, args: [...init.args, ...process.args] },
    mounts: [...mounts, init.mount],
  }
}

function onHost(spec: ReturnType<typeof withRights>, { cpus, mems, oomScoreAdj, annotations }: HostOptions) {
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
  return user === '' ? rootInImage(lowerDirs) : userInImage(lowerDirs, user)
}
