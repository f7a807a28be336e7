/** Create: a container in the pod's sandbox, which the first container makes. */
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
 * How long the execs of a container that has ended may take to be told as ended, milliseconds. How they ended cannot be found out once the
 * container is removed or its machine stopped.
 */
const execsEndMs = 500

/**
 * @throws KataError TASK_EXISTS, TASK_UNSUPPORTED for a restore of containerd's, TASK_STATE when it was given up or deleted meanwhile, those of
 *   the specification, of the sandbox's start and of the container.
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
  // What containerd restores comes from an image, whoever made that. Only the command line knows machines that are root's own.
  if (clientReturns && request.checkpoint !== '')
    throw new KataError('TASK_UNSUPPORTED', { action: 'restore' })
  const asked = readContainer(context, request)
  const isFirst = id === pod.id
  call?.onCancel((reason) => giveUp(context, id, reason))
  // Nobody else looks at a source before: a look at one that does not answer would hold up the whole pod.
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
    // A sandbox without its first container is of no use.
    if (tasks.isEmpty && !pod.standsAlone) await pod.stopAnyway()
    throw error
  }
}

/** Whatever comes of it: a container that is made would be lost by an error, and its pod holds one mount more at worst. */
function leaveRootfs({ log }: TaskContext, { id, bundle }: CreateTaskRequest, spec: OciSpec): void {
  try {
    leaveLateRootfs(bundle, spec)
  } catch (error) {
    log.warn('a root file system that was shown to the shim stays in use there', { container: id, error })
  }
}

/** The door of a container's specification: behind it nothing looks at its JSON again. */
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

/** A relative path is in the container's own bundle. The shim is in that of the pod's first one. */
function withRootIn(bundle: string, spec: OciSpec): OciSpec {
  const { root } = spec
  if (root === undefined || root.path === '' || root.path.startsWith('/')) return spec
  return { ...spec, root: { ...root, path: `${bundle}/${root.path}` } }
}

/** Names fields of what a client has sent that have no effect, so that nobody waits for one. */
export function warnOfUnmet(fields: readonly string[], container: string, log: Logger): void {
  if (fields.length > 0)
    log.warn('a container in a machine does not get these fields of its specification', {
      container,
      fields,
    })
}

/** The client does not wait for the container any more; with the first one the pod's start ends. */
function giveUp({ pod, tasks, clientReturns }: TaskContext, id: string, { code }: TtrpcError): void {
  const isLate = code === 'deadline_exceeded'
  if (isLate || !clientReturns) tasks.giveUp(id, 'given up')
  if (id !== pod.id) return
  if (isLate) void pod.stopAnyway('its client’s time for it is over')
  else if (!clientReturns) void pod.stopAnyway('its client went away')
}

/** The task of a new container. A container that gets none is removed again: no client would ask for that. */
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
    // Nothing of a container is left once its machine has gone.
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
  // A containerd that ends closes its end, and opens it again once it is back. So does dockerd, whose end the shim cannot tell from
  // that of the input: a terminal has none.
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

/** The pod ends with its own container, and with no other. What is left of it is killed, its logging program too. */
function endPodWith({ pod }: TaskContext, task: Task): void {
  void task.init.exited.then(() => task.init.logged).then(() => pod.gone())
}
