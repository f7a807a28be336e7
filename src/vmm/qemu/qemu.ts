/** QEMU behind the {@link Vmm} interface. */
import { closeSync, rmSync, writeFileSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { describeError, KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { socketPair } from '../../linux/socket.ts'
import type { Logger } from '../../log.ts'
import type { AgentEndpoint } from '../../protocol/agent-endpoint.ts'
import { launch } from '../../rootless/jail.ts'
import type { LaunchedProcess, LaunchSpec } from '../../rootless/launch-spec.ts'
import { assertPosture, type ExpectedPosture, expectedPosture } from '../../rootless/posture-check.ts'
import { ConsoleLog } from '../console-log.ts'
import { openDiskImage } from '../disk-image.ts'
import { lastWords, panicMark, vmEndError } from '../end-error.ts'
import type { ShareAttachment, VmEnd, Vmm, VmSpec } from '../vmm.ts'
import { qemuCommandLine, shareId } from './command-line.ts'
import { type BareEnd, EndWatch } from './end-watch.ts'
import { offlineVcpus } from './kernel-command-line.ts'
import { machineSettings } from './machine-settings.ts'
import { checkProgram, checkVersion, programVersion } from './program.ts'
import { QmpClient } from './qmp.ts'
import { RootPorts, rootPort } from './root-ports.ts'
import { openSockets, type QemuSockets, removeSockets, socketPath } from './sockets.ts'
import { Unplugs } from './unplug.ts'

export interface QemuOptions {
  readonly spec: VmSpec
  readonly config: Pick<Config, 'hypervisor'>
  /** Holds the process, by {@link processResource}. */
  readonly ledger: Ledger
  readonly log: Logger
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal
  /** Sees every QMP event, for instance VSERPORT_CHANGE when the guest opens the agent's port. */
  readonly onEvent?: (name: string, data: Readonly<Record<string, unknown>>) => void
}

/** Until the greeting, milliseconds: 60 are usual, a host under load takes a multiple. */
const greetingMs = 30_000
/** What a QEMU that was asked to quit gets before it is killed, milliseconds. */
const quitMs = 1000
/** The same for one whose connection is broken. */
const brokenMs = 100
/** Filters on every thread: the two of the jail and that of `-sandbox`. */
const seccompFilters = 3
/** Bytes already written reach us within a turn of the event loop, milliseconds. */
const outputLagMs = 5
/** What QEMU opens itself and keeps open. */
const ownFiles = ['anon_inode:', '/memfd:', '/dev/urandom', '/dev/kvm']

/** A machine that is described but not started. @throws nothing; what is wrong with the spec shows at start. */
export function createQemu(options: QemuOptions): Vmm {
  return new Qemu(options)
}

/** When the sockets cannot be had, the disk is closed again. */
function openSocketsOrClose(privateDir: string, disk: number | undefined): QemuSockets {
  try {
    return openSockets(privateDir)
  } catch (error) {
    if (disk !== undefined) closeSync(disk)
    throw error
  }
}

class Qemu implements Vmm {
  readonly agent: AgentEndpoint
  readonly offlineVcpus: number
  readonly ended: Promise<VmEnd>
  readonly #options: QemuOptions
  readonly #watch: EndWatch
  readonly #ports: RootPorts
  readonly #unplugs: Unplugs
  #process: LaunchedProcess | undefined
  #qmp: QmpClient | undefined
  #console: ConsoleLog | undefined
  #output: ConsoleLog | undefined
  #stopping: Promise<void> | undefined

  constructor(options: QemuOptions) {
    const { spec } = options
    this.#options = options
    this.agent = { kind: 'serial', socketPath: socketPath(spec.privateDir, 'agent') }
    this.offlineVcpus = offlineVcpus(spec)
    this.#watch = new EndWatch()
    this.#ports = new RootPorts(options.config.hypervisor.pcieRootPort)
    this.#unplugs = new Unplugs((command, args) => this.#execute(command, args))
    this.ended = this.#watch.ended.then((end) => this.#describe(end))
  }

  async start(): Promise<LaunchedProcess> {
    const { config, signal } = this.#options
    checkProgram(config.hypervisor.path)
    // The wait for the greeting fails with its connection, and what fails is stopped.
    const giveUp = () => this.#qmp?.close()
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      return await this.#start()
    } catch (error) {
      await this.stop()
      signal?.throwIfAborted()
      throw await this.#explain(error)
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  async boot(): Promise<void> {
    await this.#execute('cont')
  }

  async pause(): Promise<void> {
    this.#watch.expectPause(true)
    await this.#execute('stop')
  }

  async resume(): Promise<void> {
    await this.#execute('cont')
    this.#watch.expectPause(false)
  }

  async plugShare({ tag, socket, queueSize }: ShareAttachment): Promise<void> {
    const bus = rootPort(this.#ports.take('the share'))
    const addr = { type: 'fd', data: { str: shareId } }
    await this.#execute('getfd', { fdname: shareId }, [socket])
    await this.#execute('chardev-add', {
      id: shareId,
      backend: { type: 'socket', data: { addr, server: false } },
    })
    const device = { driver: 'vhost-user-fs-pci', id: shareId, chardev: shareId, bus, tag }
    await this.#execute('device_add', { ...device, 'queue-size': queueSize })
  }

  consoleTail(): string {
    return this.#console?.tail() ?? ''
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #start(): Promise<LaunchedProcess> {
    const { spec, config, log } = this.#options
    const { spec: launchSpec, close, connections } = this.#prepare()
    let expected: ExpectedPosture
    try {
      this.#console = await ConsoleLog.open(connections.console, `${spec.stateDir}/console.log`)
      this.#output = await ConsoleLog.open(connections.output, `${spec.stateDir}/vmm.log`)
      this.#qmp = await QmpClient.open(connections.qmp, ({ name, data }) => this.#onEvent(name, data))
      expected = this.#expect(launchSpec)
      this.#process = await this.#launch(launchSpec)
    } finally {
      close()
    }
    const { ref, exited } = this.#process
    this.#watch.exitOf(exited, [this.#qmp.closed, this.#console.closed, this.#output.closed])
    checkVersion(config.hypervisor.path, await this.#qmp.negotiate(greetingMs))
    assertPosture(ref.pid, expected)
    writeFileSync(`${spec.privateDir}/pid`, `${ref.pid}\n`, { mode: 0o600, flag: 'wx' })
    log.debug('vmm ready', { pid: ref.pid, accelerator: spec.accelerator })
    return this.#process
  }

  /** Everything that must be open before the process exists. */
  #prepare() {
    const { spec, config } = this.#options
    const commandLine = qemuCommandLine(spec, machineSettings(config.hypervisor))
    const disk = spec.rootDisk && openDiskImage(spec.rootDisk.image)
    const sockets = openSocketsOrClose(spec.privateDir, disk)
    // A pipe of our own instead of a file: a VMM that was taken over must not be able to fill the run directory.
    const [reader, output] = socketPair()
    const fds = commandLine.fds.map((role) => {
      if (role === 'share') return spec.share!.socket
      return role === 'disk' ? disk! : sockets.listeners[role]
    })
    const { args, paths } = commandLine
    const { identity, stateDir } = spec
    const launchSpec = { program: config.hypervisor.path, args, identity, paths, fds, output, stateDir }
    const close = () => {
      sockets.closeListeners()
      closeSync(output)
      if (disk !== undefined) closeSync(disk)
    }
    const connections = { qmp: sockets.qmp, console: sockets.console, output: reader }
    return { spec: launchSpec, close, connections }
  }

  /**
   * `-add-fd` keeps the disk's descriptor under another number, and opening the set duplicates it: whatever number has
   * the image is what was handed over, and the number itself may come to be used for something else. It is the last.
   */
  #expect(spec: LaunchSpec): ExpectedPosture {
    // Connections that it accepts: ours to qmp and console, and the agent client's.
    const asked = { seccompFilters, sockets: 3 }
    if (this.#options.spec.rootDisk === undefined) return expectedPosture(spec, { ...asked, opens: ownFiles })
    const diskFd = 3 + spec.fds.length - 1
    const expected = expectedPosture(spec, asked)
    const { [diskFd]: image, ...descriptors } = expected.descriptors
    return { ...expected, descriptors, opens: [...ownFiles, ...(image === undefined ? [] : [image])] }
  }

  #launch(spec: LaunchSpec): Promise<LaunchedProcess> {
    const { ledger, log, signal } = this.#options
    return ledger.take(processResource, { name: 'vmm' }, async (entry) => {
      const launched = await launch(spec, log, {
        said: () => this.#said(),
        ...(signal === undefined ? {} : { signal }),
      })
      entry.amend({ name: 'vmm', ref: launched.ref })
      return launched
    })
  }

  /** What the process wrote on stdout and stderr; the last of it may still be on its way when the process has ended. */
  async #said(): Promise<string> {
    await Bun.sleep(outputLagMs)
    return this.#output?.tail() ?? ''
  }

  async #stop(): Promise<void> {
    const { spec, ledger } = this.#options
    if (this.#process === undefined) {
      this.#watch.stopped()
    } else {
      const { ref, exited } = this.#process
      const quits = await this.#qmp?.execute('quit', {}, { timeoutMs: quitMs }).then(
        () => true,
        () => false,
      )
      // A QEMU that cannot be asked is ending already, if it ever will; what it then says of its end is worth a moment.
      await Promise.race([exited, Bun.sleep(quits ? quitMs : brokenMs)])
      await ledger.release(processResource, (held) => held.ref?.pid === ref.pid)
      await exited
      await this.#watch.ended
    }
    this.#qmp?.close()
    this.#console?.close()
    this.#output?.close()
    removeSockets(spec.privateDir)
    rmSync(`${spec.privateDir}/pid`, { force: true })
  }

  #onEvent(name: string, data: Readonly<Record<string, unknown>>): void {
    this.#options.log.debug('vmm event', { name })
    this.#watch.event(name, data, async () => this.#execute('query-status'))
    this.#unplugs.event(name, data)
    this.#options.onEvent?.(name, data)
  }

  async #execute(command: string, args: object = {}, fds: readonly number[] = []): Promise<unknown> {
    if (this.#qmp === undefined) throw new KataError('VMM_DISCONNECTED', { command })
    return this.#qmp.execute(command, args, { fds })
  }

  #describe(end: BareEnd): VmEnd {
    const consoleTail = this.consoleTail()
    const panicked = end.reason === 'shutdown' && this.#watch.wasReset && consoleTail.includes(panicMark)
    return {
      ...end,
      reason: panicked ? 'guest-panicked' : end.reason,
      consoleTail,
      logTail: this.#output?.tail() ?? '',
    }
  }

  /** What a failed start says: a QEMU that ended tells more than the connection that broke with it. */
  async #explain(error: unknown): Promise<unknown> {
    if (!(error instanceof KataError) || this.#process === undefined) return error
    const { spec, config } = this.#options
    if (error.code === 'VMM_COMMAND_TIMEOUT')
      return new KataError(
        'VMM_START_TIMEOUT',
        {
          sandbox: spec.sandboxId,
          seconds: greetingMs / 1000,
          tail: lastWords(this.#output?.tail() ?? ''),
        },
        { cause: error },
      )
    if (error.code !== 'VMM_DISCONNECTED' && error.code !== 'PROCESS_GONE') return error
    const version = await programVersion(config.hypervisor.path).catch(describeError)
    if (typeof version === 'object') checkVersion(config.hypervisor.path, version)
    return vmEndError(await this.ended, spec.sandboxId, config.hypervisor.path)
  }
}
