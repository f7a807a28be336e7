/** Create: makes a container in the pod's sandbox. The first container makes the sandbox. */
import { warnClient } from '../../bundle/warnings.ts'
import { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import { unmetWishes } from '../../oci/guest/host-only.ts'
import { checkMountPlaces } from '../../oci/mount-place.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { checkSpecLimits } from '../../oci/spec-limits.ts'
import { terminationMount } from '../../oci/termination-mount.ts'
import type { CreateTaskRequest, CreateTaskResponse } from '../../protocol/generated/containerd/task.ts'
import type { Container } from '../../sandbox/container.ts'
import type { ContainerRequest } from '../../sandbox/container-request.ts'
import { droppedDevices } from '../../sandbox/devices/dropped-devices.ts'
import { mayBeSilent, requireAnswering } from '../../sharing/answering-sources.ts'
import type { CallContext, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { leaveLateRootfs, mountedSources, showLateMounts } from '../late-mounts.ts'
import { taskEvents } from './events.ts'
import { makeProcess, publishExit } from './make-process.ts'
import { checkStreams } from './open-streams.ts'
import { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'

type Call = Pick<CallContext, 'onCancel' | 'peer'>

/**
 * Most time to wait, once a container has ended, until the ends of its execs are reported, milliseconds. When the container is removed or its
 * machine stopped, their exit codes are lost.
 */
const execsEndMs = 500

/**
 * @throws KataError TASK_EXISTS; TASK_UNSUPPORTED if containerd asks for a restore; TASK_STATE if the task is given up or deleted meanwhile;
 *   those of the specification, the sandbox's start and the container.
 */
export function createTask(
  context: TaskContext,
  request: CreateTaskRequest,
  call?: Call,
): Promise<CreateTaskResponse> {
  return context.tasks.making(request.id, () => create(context, request, call))
}

async function create(
  context: TaskContext,
  request: CreateTaskRequest,
  call: Call | undefined,
): Promise<CreateTaskResponse> {
  const { pod, tasks, clientReturns } = context
  const { id } = request
  // containerd restores from an image, which may come from anywhere. Only the command line's saved machines are root's own.
  if (clientReturns && request.checkpoint !== '')
    throw new KataError('TASK_UNSUPPORTED', { action: 'restore' })
  const asked = readContainer(context, request)
  const isFirst = id === pod.id
  call?.onCancel((reason) => giveUp(context, id, reason))
  // This is the first look at the sources. A source that does not answer would block the whole pod.
  if (mayBeSilent()) await requireAnswering(mountedSources(asked.spec), id, context.answerMs)
  const mayBeHidden = !isFirst || context.isLate === true
  if (mayBeHidden && context.showMounts !== undefined && call?.peer !== undefined)
    await showLateMounts(asked, call.peer, context.showMounts)
  const sandbox = await pod.sandboxFor(request, asked)
  try {
    const container = await sandbox
      .createContainer(asked)
      .finally(() => leaveRootfs(context, request, asked.spec))
    const task = await taskOf(context, request, asked.spec, container)
    if (isFirst) endPodWith(context, task)
    return { pid: task.pid }
  } catch (failure) {
    const error = pod.givenUp ?? failure
    // Without its first container a sandbox is useless.
    if (tasks.isEmpty && !pod.standsAlone) await pod.stopAnyway()
    throw error
  }
}

/** Unmounts the late root file system. Never throws: an error would lose a container that was made, and a mount that stays costs little. */
function leaveRootfs({ log }: TaskContext, { id, bundle }: CreateTaskRequest, spec: OciSpec): void {
  try {
    leaveLateRootfs(bundle, spec)
  } catch (error) {
    log.warn('a root file system that was shown to the shim stays in use there', { container: id, error })
  }
}

/** Parses and checks a container's specification. No code behind it reads the JSON again. @throws KataError. */
function readContainer(
  { complete = (spec) => spec, log }: TaskContext,
  { id, bundle, rootfs, stdout, stderr }: CreateTaskRequest,
): ContainerRequest {
  checkStreams({ stdout, stderr })
  const fields: string[] = []
  const found = complete(readBundleSpec(bundle, fields))
  const spec = rootfs.length === 0 ? withRootIn(bundle, found) : found
  checkSpecLimits(spec, id)
  checkMountPlaces(spec.mounts ?? [], id)
  warnOfUnmet([...fields, ...unmetWishes(spec)], id, log)
  const rights = deviceRights(spec)
  const warning = droppedDevices({ id, spec, rights })
  if (warning !== undefined) warnClient(bundle, warning, log)
  return { id, spec, rights, bundle, rootfs }
}

/** Resolves a relative root path, which is relative to the container's own bundle; the shim's working directory is the first container's. */
function withRootIn(bundle: string, spec: OciSpec): OciSpec {
  const { root } = spec
  if (root === undefined || root.path === '' || root.path.startsWith('/')) return spec
  return { ...spec, root: { ...root, path: `${bundle}/${root.path}` } }
}

/** Warns about fields of the client's request that have no effect. */
export function warnOfUnmet(fields: readonly string[], container: string, log: Logger): void {
  if (fields.length > 0)
    log.warn('a container in a machine does not get these fields of its specification', {
      container,
      fields,
    })
}

/** Gives up a container whose client no longer waits for it. If it is the first, the pod's start ends. */
function giveUp({ pod, tasks, clientReturns }: TaskContext, id: string, { code }: TtrpcError): void {
  const isLate = code === 'deadline_exceeded'
  if (isLate || !clientReturns) tasks.giveUp(id, 'given up')
  if (id !== pod.id) return
  if (isLate) void pod.stopAnyway('its client’s time for it is over')
  else if (!clientReturns) void pod.stopAnyway('its client went away')
}

/** Makes the task of a new container. If that fails, the container is removed, because no client would ask for that. */
async function taskOf(
  context: TaskContext,
  request: CreateTaskRequest,
  spec: OciSpec,
  container: Container,
): Promise<Task> {
  const { pod, log } = context
  try {
    return addTask(context, request, spec, container)
  } catch (error) {
    // A machine that has gone leaves nothing of its containers.
    if (!pod.isStopping)
      await container
        .remove()
        .catch((left) =>
          log.error('a container without a task left something', { container: request.id, error: left }),
        )
    throw error
  }
}

function addTask(
  context: TaskContext,
  { id, bundle, rootfs, stdin, stdout, stderr, terminal, checkpoint }: CreateTaskRequest,
  spec: OciSpec,
  container: Container,
): Task {
  const { tasks, events, clientReturns, clientsNow = () => () => true } = context
  const stdio = { stdin, stdout, stderr, terminal }
  // A containerd that stops closes its end of the input, and opens it again after its restart. So does dockerd, whose stop the shim cannot tell
  // from the end of the input. A terminal's input has no end, so there the client may always come back.
  const inputReturns = () => {
    const stay = clientsNow()
    return () => terminal || !stay()
  }
  const init = makeProcess(context, {
    id,
    stdio,
    guest: container.init,
    tellsDeath: clientReturns,
    ...(clientReturns && { inputReturns }),
    othersOver: () => task.endExecs(execsEndMs),
  })
  const terminationFile = terminationMount(spec)?.source
  const apparmorProfile = spec.process?.apparmorProfile
  const task: Task = new Task({ id, bundle, container, init, terminationFile, apparmorProfile })
  tasks.add(task)
  const event = { containerId: id, bundle, rootfs, io: stdio, checkpoint, pid: task.pid }
  events.publish(taskEvents.create(event))
  publishExit(context, task, init)
  return task
}

/** Ends the pod once its own container and that container's logging programs have ended. Everything else in the pod is killed then. */
function endPodWith({ pod }: TaskContext, task: Task): void {
  void task.init.exited.then(() => task.init.logged).then(() => pod.gone())
}
