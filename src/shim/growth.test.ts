/** What a shim keeps of calls that come again and again for as long as a pod lives: nothing. */
import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { agentClients } from '../agent/client.ts'
import { makeFifo } from '../linux/files/fifo.ts'
import { openFiles } from '../linux/files/open-files.double.ts'
import { listenUnix } from '../linux/sockets/socket.ts'
import { silentLogger } from '../log.ts'
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import { EventsDefinition } from '../protocol/generated/containerd/events.ts'
import { TaskDefinition } from '../protocol/generated/containerd/task.ts'
import { Container } from '../sandbox/container.ts'
import type { ContainerRequest } from '../sandbox/container-request.ts'
import { neverHeldUp } from '../sandbox/guest/health.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { connectUnix, listen } from '../ttrpc/bun.ts'
import {
  connect,
  createClient,
  type ServerConnection,
  serve,
  service,
  transportPair,
} from '../ttrpc/ttrpc.ts'
import { serveClients } from './daemon/clients.ts'
import { Pod } from './daemon/pod.ts'
import type { ShimServices } from './daemon/services.ts'
import { createPublisher } from './task/publisher.ts'
import { TaskService } from './task/task-service.ts'

const never = () => new Promise<never>(() => {})

/** The agent of a guest whose pod runs for ever, and whose other processes end; execs say a line before that. */
function guest() {
  const unread = new Set<string>()
  const isInit = ({ containerId, execId }: { containerId: string; execId: string }) =>
    containerId === 'pod' && execId === ''
  const [host, inGuest] = transportPair()
  const handlers = {
    startContainer: () => ({}),
    execProcess: ({ execId }: { execId: string }) => {
      unread.add(execId)
      return {}
    },
    readStdout: (ids: { containerId: string; execId: string }) =>
      isInit(ids) ? never() : { data: Buffer.from(unread.delete(ids.execId) ? 'line\n' : '') },
    readStderr: (ids: { containerId: string; execId: string }) => (isInit(ids) ? never() : {}),
    waitProcess: (ids: { containerId: string; execId: string }) => (isInit(ids) ? never() : { status: 0 }),
    removeContainer: () => ({}),
    closeStdin: () => ({}),
    signalProcess: () => ({}),
    updateContainer: () => ({}),
    statsContainer: () => ({ cgroupStats: {} }),
  }
  serve(inGuest, [service(AgentServiceDefinition, handlers)])
  const link = connect(host)
  return agentClients({ call: (...call) => link.call(...call) }).agent
}

/** containerd's end of the events, which can be started again. */
function eventsServer(unix: string) {
  const clients = new Set<ServerConnection>()
  const start = () =>
    listen({ unix }, (transport) => {
      const client = serve(transport, [service(EventsDefinition, { forward: () => ({}) })])
      clients.add(client)
      void client.closed.then(() => clients.delete(client))
    })
  let listener = start()
  const stop = () => {
    listener.stop()
    rmSync(unix, { force: true })
    for (const client of clients) client.close()
  }
  const again = () => {
    stop()
    listener = start()
  }
  return { again, stop }
}

test('neither objects nor descriptors stay of probes, containers, figures, updates, signals and clients that come again', async () => {
  const directory = mkdtempSync(`${tmpdir()}/growth-`)
  const bundle = `${directory}/bundle`
  mkdirSync(bundle)
  writeFileSync(
    `${bundle}/config.json`,
    '{"annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"pod"}}',
  )
  const agent = guest()
  const surroundings = {
    pid: 1,
    agentFacts: { name: 'kata-ts' } as ConstructorParameters<typeof Container>[2]['agentFacts'],
    resources: {},
    resize: async () => {},
    remove: async () => {},
  }
  const sandbox = {
    died: never(),
    stopped: never(),
    watchOom: async () => {},
    attachLateNetwork: async () => {},
    heldUp: neverHeldUp(),
    waited: () => 0,
    createContainer: async ({ id }: ContainerRequest) =>
      new Container(id, agent, { ...surroundings, guestId: id }),
  }
  const pod = new Pod({
    id: 'pod',
    createSandbox: async () => sandbox as unknown as Sandbox,
    onDied: () => {},
    onLeft: () => {},
    oom: { isKnown: () => false, onOom: () => {} },
  })
  const server = eventsServer(`${directory}/events`)
  const told = { address: `${directory}/events`, namespace: 'k8s.io', log: silentLogger }
  const tasks = new TaskService({
    pod,
    events: createPublisher(told),
    records: { add: () => {}, remove: () => {} },
    namespace: 'k8s.io',
    clientReturns: true,
    clientsNow: () => () => true,
    log: silentLogger,
  })
  const services = { pod, tasks, sandbox: {} } as unknown as ShimServices
  const clients = serveClients(listenUnix(`${directory}/shim`), services, silentLogger)
  const id = 'pod'
  const come = async () => {
    const link = connect(await connectUnix(`${directory}/shim`))
    const client = createClient(TaskDefinition, link)
    return { client, close: () => link.close() }
  }
  let { client, close } = await come()
  const waitForInit = () => void client.wait({ id }).catch(() => {})

  async function probe(execId: string): Promise<void> {
    const [stdout, stderr] = [`${directory}/${execId}.out`, `${directory}/${execId}.err`]
    const readers = [stdout, stderr].map((path) => {
      makeFifo(path)
      return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    })
    const spec = { value: Buffer.from('{"args":["true"],"cwd":"/"}') }
    await client.exec({ id, execId, stdout, stderr, spec })
    const exited = client.wait({ id, execId })
    await client.start({ id, execId })
    expect(await exited).toMatchObject({ exitStatus: 0 })
    await client.delete({ id, execId })
    for (const reader of readers) closeSync(reader)
    for (const path of [stdout, stderr]) rmSync(path)
  }

  async function container(id: string): Promise<void> {
    await client.create({ id, bundle })
    const exited = client.wait({ id })
    await client.start({ id })
    expect(await exited).toMatchObject({ exitStatus: 0 })
    await client.delete({ id })
  }

  async function rounds(count: number): Promise<{ objects: number; descriptors: number }> {
    for (let round = 0; round < count; round++) {
      await probe(`e${round}`)
      await container(`c${round}`)
      await client.stats({ id })
      await client.state({ id })
      await client.update({ id, resources: { value: Buffer.from('{"cpu":{"shares":100}}') } })
      await client.kill({ id, signal: 10 })
      if (round % 3 !== 0) continue
      close()
      server.again()
      const next = await come()
      client = next.client
      close = next.close
      waitForInit()
    }
    // What was closed goes in turns of the loop, and what is collected after them.
    for (let turn = 0; turn < 20; turn++) {
      await Bun.sleep(5)
      Bun.gc(true)
    }
    return { objects: heapStats().objectCount, descriptors: openFiles().length }
  }

  try {
    await client.create({ id, bundle })
    await client.start({ id })
    // What is compiled, and what is kept once, is there after these.
    await rounds(100)
    const before = await rounds(100)
    const count = 200
    const after = await rounds(count)
    expect(after.objects - before.objects).toBeLessThan(count)
    expect(after.descriptors - before.descriptors).toBeLessThan(5)
    expect(clients.count()).toBe(1)
  } finally {
    close()
    clients.stop()
    server.stop()
    rmSync(directory, { recursive: true })
  }
}, 60_000)
