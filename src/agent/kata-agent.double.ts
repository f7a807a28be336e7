/**
 * A test double of Kata's agent (Rust, 4.1.0). It is as strict as the real one, by its source (src/agent/src/rpc.rs) and by runs under
 * kata-ts: a request that is surplus, early or misplaced fails here without a guest. Its processes are processes of this host with
 * real pipes. It shows nothing about machines or walls.
 */
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import type { Process } from '../protocol/generated/oci.ts'
import { connect, serve, service, TtrpcError, transportPair } from '../ttrpc/ttrpc.ts'
import { type AgentClient, agentClients } from './client.ts'
import { ProcessDouble } from './kata-process.double.ts'

export interface KataAgentOptions {
  /** Whether it was built with its `seccomp` feature. */
  readonly seccomp?: boolean
  /** How long it waits for output that a child of an ended process may still write, milliseconds. */
  readonly drainMs?: number
}

export interface KataAgentDouble {
  readonly agent: AgentClient
  /** Methods in the order in which they were called; reads and writes of streams are left out. */
  readonly calls: readonly string[]
  /** The ids of existing containers. */
  readonly containerIds: () => readonly string[]
  [Symbol.dispose](): void
}

interface ContainerDouble {
  readonly process: Process
  /** The spec named a pid namespace beside the one that the agent adds. */
  readonly twoPidNamespaces: boolean
  /** By exec id; the init process has the container's id. */
  readonly processes: Map<string, ProcessDouble>
}

/** The debug form of an error chain, with the backtrace of a stripped program. */
const failed = (what: string) =>
  new TtrpcError('internal', `${what}\n\nStack backtrace:\n${'   0: <unknown>\n'.repeat(30)}`)

export function startKataAgent({ seccomp = false, drainMs = 500 }: KataAgentOptions = {}): KataAgentDouble {
  const containers = new Map<string, ContainerDouble>()
  const calls: string[] = []
  /** Also those that it has forgotten: their children may be left. */
  const started: ProcessDouble[] = []
  const containerOf = ({ containerId }: { containerId: string }): ContainerDouble => {
    const container = containers.get(containerId)
    if (container === undefined) throw new TtrpcError('invalid_argument', 'Invalid container id')
    return container
  }
  const processOf = (request: { containerId: string; execId: string }): ProcessDouble => {
    const process = containerOf(request).processes.get(request.execId || request.containerId)
    if (process === undefined) throw new TtrpcError('not_found', 'Process not found')
    return process
  }
  const spawn = (asked: Process): ProcessDouble => {
    const [program = ''] = asked.args
    if (ProcessDouble.find(program) === undefined) throw failed(`the file ${program} was not found`)
    const process = new ProcessDouble(asked, drainMs)
    started.push(process)
    return process
  }
  const noted = <Request, Reply>(name: string, handler: (request: Request) => Reply) => {
    return (request: Request): Reply => {
      calls.push(name)
      return handler(request)
    }
  }
  const nothing = (name: string) => noted(name, () => ({}))

  const agentService = service(AgentServiceDefinition, {
    setGuestDateTime: nothing('SetGuestDateTime'),
    reseedRandomDev: nothing('ReseedRandomDev'),
    updateInterface: nothing('UpdateInterface'),
    updateRoutes: nothing('UpdateRoutes'),
    createSandbox: nothing('CreateSandbox'),
    updateContainer: nothing('UpdateContainer'),
    getGuestDetails: noted('GetGuestDetails', () => ({
      memBlockSizeBytes: 1n << 27n,
      agentDetails: {
        version: '4.1.0',
        initDaemon: true,
        supportsSeccomp: seccomp,
        storageHandlers: ['virtio-fs', 'watchable-bind'],
      },
    })),
    createContainer: noted('CreateContainer', ({ containerId, oci }) => {
      if (oci?.process === undefined) throw failed('EINVAL: Invalid argument')
      const [program = ''] = oci.process.args
      if (ProcessDouble.find(program) === undefined) throw failed(`the file ${program} was not found`)
      const twoPidNamespaces = oci.linux?.namespaces.some(({ type }) => type === 'pid') ?? false
      containers.set(containerId, { process: oci.process, twoPidNamespaces, processes: new Map() })
      return {}
    }),
    startContainer: noted('StartContainer', (request) => {
      const { process, processes } = containerOf(request)
      processes.set(request.containerId, spawn(process))
      return {}
    }),
    execProcess: noted('ExecProcess', (request) => {
      const { twoPidNamespaces, processes } = containerOf(request)
      if (request.process === undefined) throw failed('Unable to parse process from ExecProcessRequest')
      // The second closed the first one's descriptor, and its number is in other use by now.
      if (twoPidNamespaces) throw failed('failed to join pidns, EINVAL: Invalid argument')
      processes.set(request.execId, spawn(request.process))
      return {}
    }),
    signalProcess: noted('SignalProcess', (request) => {
      const { processes } = containerOf(request)
      const meant = request.execId === '' ? processes.values() : [processOf(request)]
      for (const process of meant) process.signal(request.signal)
      return {}
    }),
    // Its answer closes the streams and forgets the process, even if a reader is left.
    waitProcess: noted('WaitProcess', async (request) => {
      const process = processOf(request)
      const status = await process.exited
      process.close()
      containerOf(request).processes.delete(request.execId || request.containerId)
      return { status }
    }),
    // The agent accepts the limit of processes and does not set it (protocols/src/trans.rs).
    statsContainer: noted('StatsContainer', (request) => {
      containerOf(request)
      return { cgroupStats: { pidsStats: { current: 1n, limit: 0n } } }
    }),
    removeContainer: noted('RemoveContainer', (request) => {
      for (const process of containerOf(request).processes.values()) process.end()
      containers.delete(request.containerId)
      return {}
    }),
    readStdout: async (request) => ({ data: await processOf(request).stdout.read(request.len) }),
    readStderr: async (request) => ({ data: await processOf(request).stderr.read(request.len) }),
    async writeStdin(request) {
      const process = processOf(request)
      if (request.data.length === 0) process.closeInput()
      else await process.write(request.data)
      return { len: request.data.length }
    },
    closeStdin: (request) => {
      processOf(request).closeInput()
      return {}
    },
    ttyWinResize: () => {
      throw new TtrpcError('unavailable', 'no tty')
    },
  })
  const [host, guest] = transportPair()
  const server = serve(guest, [agentService])
  return {
    agent: agentClients(connect(host)).agent,
    calls,
    containerIds: () => [...containers.keys()],
    [Symbol.dispose]() {
      for (const { processes } of containers.values()) for (const process of processes.values()) process.end()
      for (const process of started) process.endChildren()
      server.close()
    },
  }
}
