/** Each call to a guest's agent, made by the host's own code, for tests of the answers that a guest may give. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type AgentFacts, askAgent } from '../agent/agent-facts.ts'
import type { AgentClient } from '../agent/client.ts'
import type { HostCall, hostCalls } from '../agent/host-calls.double.ts'
import type { Config, RuntimeConfig } from '../config/config.ts'
import { silentLogger } from '../log.ts'
import type { NetworkFacts } from '../network/facts.ts'
import { hostPeer } from '../network/localhost.ts'
import { Spec } from '../protocol/generated/oci.ts'
import { Container, createInGuest } from '../sandbox/container.ts'
import { MachineEnd } from '../sandbox/end/machine-end.ts'
import { guestSilent } from '../sandbox/guest/health.ts'
import { watchOom } from '../sandbox/guest/oom.ts'
import { undrivenDevices } from '../sandbox/guest/passed-drivers.ts'
import { volumeStats } from '../sandbox/guest/volume-stats.ts'
import { warmUp } from '../sandbox/pool/warm-up.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import type { SandboxParts } from '../sandbox/sandbox-parts.ts'
import { startGuest } from '../sandbox/start/guest/start-guest.ts'
import { noBringer } from '../sandbox/storage/brought-modules.ts'
import { keepCopy } from '../sandbox/storage/copied-files.ts'
import { messageBringer } from '../sandbox/storage/copied-message.ts'
import { growInGuest } from '../sandbox/storage/grow-volume.ts'
import { clearFreeMemory } from '../sandbox/template/clear-memory.ts'
import { loadDrivers } from '../sandbox/template/load-drivers.ts'

type Calls = AgentClient & { check(): Promise<unknown> }
/** Makes the call; resolves with the host's interpretation of the answer. */
type Use = (agent: Calls) => Promise<unknown>

const ids = { containerId: 'c', execId: '' }
const facts: AgentFacts = {
  name: 'kata-ts',
  version: '1',
  seccomp: true,
  usesStreamBuffer: false,
  watchesVolumes: true,
  memoryBlockMiB: 128,
}
const containerOf = (agent: AgentClient) =>
  new Container('c', agent, {
    pid: 1,
    guestId: 'c',
    agentFacts: facts,
    resources: {},
    resize: async () => {},
    remove: async () => {},
  })

const network: NetworkFacts = {
  interfaces: [
    {
      index: 2,
      name: 'eth0',
      mac: '02:00:00:00:00:01',
      mtu: 1500,
      noArp: false,
      kind: 'veth',
      addresses: [],
    },
  ],
  routes: [],
  neighbours: [],
  localhost: { index: 2, mac: '02:00:00:00:00:02', peer: hostPeer },
}
/** The agent, with true answers to the other calls that the start of a guest makes. */
const start: Use = (agent) => {
  const others = new Proxy(agent, {
    get: (target, name) => Reflect.get(target, name) ?? (async () => ({ memBlockSizeBytes: 0n })),
  })
  return startGuest(
    { agent: others },
    {
      sandboxId: 's',
      hostname: 'h',
      shares: [],
      shmBytes: 65_536,
      dns: [],
      kernelModules: [],
      network,
      offlineVcpus: 1,
      modules: noBringer,
    },
  )
}

const copy: Use = async (agent) => {
  const directory = mkdtempSync(join(tmpdir(), 'copied-'))
  try {
    writeFileSync(`${directory}/file`, 'x')
    const request = { source: `${directory}/file`, target: '/t', container: 'c' }
    const kept = await keepCopy(agent, request, () => {})
    kept.stop()
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** What is in the kubelet's file then. */
const message: Use = async (agent) => {
  const directory = mkdtempSync(join(tmpdir(), 'message-'))
  try {
    const source = `${directory}/pods/uid/containers/c/0a1b2c3d`
    mkdirSync(dirname(source), { recursive: true })
    writeFileSync(source, '')
    const mounts = [{ type: 'bind', source, destination: '/dev/termination-log' }]
    await messageBringer('c', { mounts }, { agent, log: silentLogger })!()
    return readFileSync(source, 'utf8')
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const stop: Use = async (agent) => {
  const never = new Promise<never>(() => {})
  const nothing = async () => {}
  const stateDir = mkdtempSync(join(tmpdir(), 'stopped-'))
  const connection = { agent, health: { check: () => never }, closed: never, close() {} }
  const parts = {
    id: 's',
    log: silentLogger,
    config: { hypervisor: {} },
    agent: connection,
    paths: { stateDir, runDir: '/absent' },
    ledger: { releaseAll: nothing },
    network: { lookAfter() {} },
    vmm: { ended: never, consoleTail: () => '', stop: nothing },
    share: { exited: never },
    disks: { areWritten: false },
    end: new MachineEnd({ id: 's', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
  }
  await new Sandbox(parts as unknown as SandboxParts).stop()
}

const output = (stream: 'stdout' | 'stderr'): Use => {
  return async (agent) => {
    let bytes = 0
    const reading = containerOf(agent).init.output(stream, async (chunk) => {
      bytes += chunk.length
      if (bytes > 1 << 20) throw new Error(`a reader that has had enough after ${bytes} bytes`)
    })
    await reading
    return bytes
  }
}

async function* oneByte() {
  yield Uint8Array.of(1)
}

const oom: Use = async (agent) => {
  const told: string[] = []
  let [now, pauses] = [0, 0]
  const sleep = async (ms: number) => {
    now += ms
    if (++pauses === 3) throw new Error('three pauses')
  }
  const watch = { isKnown: (id: string) => id === 'c', onOom: (id: string) => told.push(id) }
  await watchOom(agent, { ...watch, time: { now: () => now, sleep } }).catch(() => {})
  return told
}

const passed = [{ options: ['0000:01:00.0=00/01'], id: '', type: '', vmPath: '', containerPath: '' }]

/** A row for each call. A new call needs a row, and a look at its possible answers. */
export const uses: Readonly<Record<(typeof hostCalls)[number], Use>> = {
  check: async (agent) => {
    const over = new AbortController()
    let asked = 0
    const check = () => (++asked < 4 ? agent.check() : Promise.resolve(over.abort()))
    await Promise.race([
      guestSilent({ intervalMs: 0, check, signal: over.signal }),
      new Promise((resolve) => over.signal.addEventListener('abort', resolve)),
    ])
    return asked
  },
  loadDrivers: (agent) => loadDrivers({ agent }, { hypervisor: { sharedFs: 'none' } } as Config),
  clearFreeMemory: (agent) => clearFreeMemory({ agent }),
  syncFileSystems: (agent) => agent.syncFileSystems({}),
  reclaimMemory: (agent) => agent.reclaimMemory({ containerId: 'c' }),
  abortConnections: (agent) => agent.abortConnections({}),
  warmUp: (agent) => warmUp({ agent }, { runtime: { disableGuestSeccomp: false } as RuntimeConfig }),
  setGuestDateTime: start,
  reseedRandomDev: start,
  createSandbox: start,
  onlineCPUMem: start,
  updateInterface: start,
  updateRoutes: start,
  addARPNeighbors: start,
  getGuestDetails: askAgent,
  destroySandbox: stop,
  getOOMEvent: oom,
  getMetrics: (agent) => undrivenDevices(passed as never, 'c', agent, silentLogger),
  copyFile: copy,
  createContainer: (agent) =>
    createInGuest(agent, { ...ids, oci: Spec.fromPartial({}) }, { timeoutMs: 1000, facts }),
  startContainer: (agent) => containerOf(agent).init.start(),
  removeContainer: (agent) => containerOf(agent).remove(),
  updateContainer: (agent) => containerOf(agent).update({}),
  pauseContainer: (agent) => containerOf(agent).pause(),
  resumeContainer: (agent) => containerOf(agent).resume(),
  statsContainer: (agent) => containerOf(agent).stats(),
  getDiagnosticData: message,
  getVolumeStats: (agent) => volumeStats(agent, '/run/v'),
  resizeVolume: (agent) => growInGuest(agent, { volumeGuestPath: '/run/v', size: 512n }, '/v'),
  execProcess: (agent) =>
    containerOf(agent)
      .exec('e', { args: ['x'], cwd: '/' })
      .start(),
  signalProcess: (agent) => containerOf(agent).init.signal(9),
  waitProcess: (agent) => containerOf(agent).init.wait(),
  ttyWinResize: (agent) => containerOf(agent).init.resize({ rows: 1, columns: 1 }),
  readStdout: output('stdout'),
  readStderr: output('stderr'),
  writeStdin: (agent) => containerOf(agent).init.input(oneByte()),
  closeStdin: (agent) => containerOf(agent).init.input((async function* () {})()),
} satisfies Partial<Record<HostCall, Use>>
