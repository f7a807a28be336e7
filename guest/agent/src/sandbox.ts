/** The pod: its containers, its mounts, its name. */
import { mount, setHostname } from 'syscalls'
import type {
  CreateContainerRequest,
  CreateSandboxRequest,
  Storage,
} from '../../../src/protocol/generated/agent.ts'
import { mountFlags } from './boot/flags.ts'
import { Container, checkId, isOfPod } from './container/container.ts'
import type { ContainerTools } from './container/container-tools.ts'
import { hasNamespaces, keepNamespaces, releaseNamespaces, sharedNamespaces } from './container/namespaces.ts'
import type { PodProcesses } from './container/pod-processes.ts'
import { removeUnusedCopies } from './container/removal.ts'
import { warmUp } from './container/warm-up.ts'
import { answerModuleRequests } from './devices/module-requests.ts'
import { isInInitrd, loadModuleNamed } from './devices/modules.ts'
import { alreadyExists, deadline, invalid, precondition } from './errors.ts'
import { shareAtRest } from './storage/share-requests.ts'
import { type MountedStorage, mountStorage, unmountStorage } from './storage/storage.ts'
import { errnoName, save } from './system/files.ts'
import { within } from './system/wait.ts'

/** How long the containers of a pod that ends may take to die; the machine is switched off after that anyway. */
const killMilliseconds = 2000
/** Linux allows 64 (utsname(2)); Kata's host side cuts longer names. */
const longestHostname = 64

export class Sandbox {
  readonly #tools: ContainerTools
  readonly #podProcesses: Pick<PodProcesses, 'pid'>
  readonly #containers = new Map<string, Container>()
  readonly #creating = new Map<string, Promise<void>>()
  /** The container that is to make the pod's namespaces, until it is made or has failed. Never rejects. */
  #first: Promise<void> | undefined
  readonly #storages: MountedStorage[] = []
  #created = false

  constructor(tools: ContainerTools, podProcesses: Pick<PodProcesses, 'pid'>) {
    this.#tools = tools
    this.#podProcesses = podProcesses
  }

  /** Runs a container before there is a pod, and leaves nothing of it. @throws TtrpcError those of {@link warmUp}. */
  async warmUp(request: CreateContainerRequest): Promise<void> {
    if (this.#created) throw alreadyExists('the sandbox exists')
    await warmUp(request, this.#tools)
  }

  async create({
    hostname,
    dns,
    storages,
    kernelModules,
    guestHookPath,
  }: CreateSandboxRequest): Promise<void> {
    if (this.#created) throw alreadyExists('the sandbox exists')
    if (guestHookPath !== '') throw invalid('guest hooks are not supported')
    this.#created = true
    if (hostname !== '') setHostname(hostname.slice(0, longestHostname))
    const [early, late] = [true, false].map((is) =>
      kernelModules.filter(({ name }) => isInInitrd(name) === is),
    )
    for (const { name, parameters } of early!) loadModuleNamed(name, parameters)
    for (const storage of storages)
      if (this.#tools.volumes.owns(storage)) await this.#tools.volumes.require(storage)
      else this.#storages.push(await mountStorage(storage, this.#tools.exitOf))
    // From here on the archive of modules is there, if the host shares one.
    answerModuleRequests()
    for (const { name, parameters } of late!) loadModuleNamed(name, parameters)
    if (dns.length > 0) saveResolver(`${dns.join('\n')}\n`)
  }

  /** New sizes of memory-backed volumes, /dev/shm among them. */
  updateVolumes(storages: readonly Storage[]): void {
    for (const storage of storages) this.#tools.volumes.update(storage)
  }

  async createContainer(request: CreateContainerRequest): Promise<void> {
    const { containerId: id } = request
    if (!this.#created) throw precondition('there is no sandbox yet')
    checkId(id)
    const isThere = this.#containers.get(id)?.isLeaving === false
    if (isThere || this.#creating.has(id)) throw alreadyExists(`container ${id} exists`)
    const creating = this.#make(request)
    this.#creating.set(id, creating)
    try {
      await creating
    } finally {
      this.#creating.delete(id)
    }
  }

  async #make(request: CreateContainerRequest): Promise<void> {
    // The host has forgotten a container whose removal failed or was late, and asks for a new one of its name.
    await this.#containers.get(request.containerId)?.remove()
    this.#containers.delete(request.containerId)
    // Two that are made at once would make the namespaces each.
    while (!hasNamespaces() && this.#first !== undefined) await this.#first
    if (hasNamespaces()) return this.#makeIn(request)
    const made = this.#makeIn(request)
    const over = () => {
      this.#first = undefined
    }
    this.#first = made.then(over, over)
    await made
  }

  /** Makes it in the namespaces that the pod has; those that it has not are the container's. */
  async #makeIn(request: CreateContainerRequest): Promise<void> {
    const pid = await this.#pidNamespace(request)
    const shared = { ...sharedNamespaces(), ...pid }
    const container = await Container.create(request, shared, this.#tools)
    this.#containers.set(request.containerId, container)
    keepNamespaces(container.init.pid)
  }

  /**
   * The pod's is that of the pause container, or of a process of ours for a pod without one. A container without a pod has a new one.
   *
   * @throws TtrpcError INVALID_ARGUMENT, FAILED_PRECONDITION when the container whose it is does not run; those of {@link PodProcesses.pid}.
   */
  async #pidNamespace({
    sandboxPidns,
    pidnsContainer,
    oci,
  }: CreateContainerRequest): Promise<Record<string, string>> {
    const named = pidnsContainer === '' ? undefined : this.container(pidnsContainer)
    if (named !== undefined && named.init.exitCode !== undefined)
      throw precondition(`container ${pidnsContainer}, whose processes are asked for, has ended`)
    if (named !== undefined) return pathOf(named.init.pid)
    if (!sandboxPidns) return {}
    const alive = [...this.#containers.values()].filter(({ init }) => init.exitCode === undefined)
    const holder = alive.find(({ holdsPod }) => holdsPod) ?? (isOfPod(oci) ? undefined : alive[0])
    if (holder !== undefined) return pathOf(holder.init.pid)
    if (!isOfPod(oci)) return {}
    const pid = await this.#podProcesses.pid(sharedNamespaces())
    keepNamespaces(pid)
    return pathOf(pid)
  }

  /** @throws TtrpcError INVALID_ARGUMENT, Kata's status for an unknown container. */
  container(id: string): Container {
    const container = this.#containers.get(id)
    if (container === undefined) throw invalid(`no container ${id}`)
    return container
  }

  /**
   * Waits for one that is being made: its host has given up waiting for that, and wants nothing to be left of it. Of one that was not made
   * the files go that the host has copied for it.
   *
   * @throws TtrpcError INVALID_ARGUMENT for one that was not made, DEADLINE_EXCEEDED when it does not end in time; `seconds` 0 waits for ever.
   */
  async removeContainer(id: string, seconds: number): Promise<void> {
    await this.#creating.get(id)?.catch(() => {})
    if (!this.#containers.has(id))
      removeUnusedCopies(id, [...this.#containers.keys(), ...this.#creating.keys()])
    const container = this.container(id)
    const removed = container.remove()
    if (seconds === 0) await removed
    else
      await within(removed, seconds * 1000, () => deadline(`container ${id} did not end within ${seconds} s`))
    if (this.#containers.get(id) === container) this.#containers.delete(id)
  }

  /** Kills every container and takes the mounts away. Never fails: the machine is about to be switched off. */
  async destroy(report: (error: unknown) => void): Promise<void> {
    const containers = [...this.#containers.values()]
    for (const container of containers) attempt(() => container.signal('', 9), report)
    const ended = Promise.all(containers.map(({ init }) => init.ended))
    await within(ended, killMilliseconds, () => deadline('containers still run')).catch(report)
    await Promise.all(containers.map((container) => container.leaveDisks(report)))
    releaseNamespaces()
    await this.#tools.volumes.release(report)
    await shareAtRest().catch(report)
    for (const storage of this.#storages.reverse())
      await unmountStorage(storage, this.#tools.exitOf).catch(report)
  }
}

const pathOf = (pid: number) => ({ pid: `/proc/${pid}/ns/pid` })

function attempt(action: () => void, report: (error: unknown) => void): void {
  try {
    action()
  } catch (error) {
    report(error)
  }
}

/** On a read-only root (a disk image) a file in memory takes the place of the one that the image must have. */
function saveResolver(text: string): void {
  const path = '/etc/resolv.conf'
  try {
    save(path, text, 0o644)
  } catch (error) {
    if (errnoName(error) !== 'EROFS') throw error
    const inMemory = '/run/kata-containers/resolv.conf'
    save(inMemory, text, 0o644)
    mount(inMemory, path, '', mountFlags.bind, '')
  }
}
