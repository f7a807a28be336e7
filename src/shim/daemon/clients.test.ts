import { afterAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asksForErrorInfo } from '../../errors/told.ts'
import { connectUnix as connectFd, listenUnix } from '../../linux/sockets/socket.ts'
import { type Logger, silentLogger } from '../../log.ts'
import { SandboxDefinition } from '../../protocol/generated/containerd/sandbox.ts'
import { TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import { connect, createClient } from '../../ttrpc/ttrpc.ts'
import { serveClients } from './clients.ts'
import type { ShimServices } from './services.ts'

const directory = mkdtempSync(join(tmpdir(), 'clients-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('a client that comes when another has gone is not taken for it', async () => {
  const path = join(directory, 'two')
  const services = { pod: {}, tasks: {}, sandbox: {} } as unknown as ShimServices
  const clients = serveClients(listenUnix(path), services, silentLogger)
  const count = async (wanted: number) => {
    while (clients.count() !== wanted) await Bun.sleep(1)
  }
  const [one, two] = [await connectUnix(path), await connectUnix(path)]
  await count(2)
  const stay = clients.now()
  one.close()
  await count(1)
  expect(stay()).toBe(true)
  two.close()
  await count(0)
  const next = await connectUnix(path)
  await count(1)
  expect({ stay: stay(), now: clients.now()() }).toEqual({ stay: false, now: true })
  next.close()
  clients.stop()
})

test('the command line is not taken for a client that stays', async () => {
  const path = join(directory, 'visitor')
  const state = async () => ({ bundle: '/b' })
  const services = { pod: {}, tasks: { state }, sandbox: {} } as unknown as ShimServices
  const clients = serveClients(listenUnix(path), services, silentLogger)
  const [containerd, visitor] = [connect(await connectUnix(path)), connect(await connectUnix(path))]
  await createClient(TaskDefinition, containerd).state({ id: 'c' })
  await createClient(TaskDefinition, visitor, { metadata: asksForErrorInfo }).state({ id: 'c' })
  const stay = clients.now()
  expect({ stay: stay(), count: clients.count() }).toEqual({ stay: true, count: 2 })
  containerd.close()
  while (clients.count() > 1) await Bun.sleep(1)
  expect(stay()).toBe(false)
  visitor.close()
  clients.stop()
})

test('however many waits were given up, a container can be killed', async () => {
  const never = () => new Promise<never>(() => {})
  let killed = 0
  const kill = async () => {
    killed++
    return {}
  }
  const services = { pod: {}, tasks: { wait: never, kill }, sandbox: { waitSandbox: never } }
  const path = join(directory, 's')
  const clients = serveClients(listenUnix(path), services as unknown as ShimServices, silentLogger)
  const connection = connect(await connectUnix(path))
  const tasks = createClient(TaskDefinition, connection)
  const sandbox = createClient(SandboxDefinition, connection)
  for (let call = 0; call < 600; call++)
    for (const waits of [tasks.wait({ id: 'c' }), sandbox.waitSandbox({ sandboxId: 'pod' })])
      waits.catch(() => {})
  await tasks.kill({ id: 'c', signal: 9 })
  expect(killed).toBe(1)
  connection.close()
  clients.stop()
})

test('a client that reads none of its answers is cut off', async () => {
  const told = Promise.withResolvers<unknown>()
  const log = {
    ...silentLogger,
    warn: (_: string, { error }: { error?: unknown } = {}) => told.resolve(error),
  }
  const state = async () => ({ bundle: 'x'.repeat(1 << 20) })
  const path = join(directory, 'unread')
  const services = { pod: {}, tasks: { state }, sandbox: {} } as unknown as ShimServices
  const clients = serveClients(listenUnix(path), services, log as Logger)
  const fd = connectFd(path)
  const write = (bytes: Uint8Array) => void writeSync(fd, bytes)
  const unread = connect({ write, onData: () => {}, onClose: () => {}, close: () => {} })
  const tasks = createClient(TaskDefinition, unread)
  for (let call = 0; call < 20; call++) tasks.state({ id: 'c' }).catch(() => {})
  expect(await told.promise).toMatchObject({ code: 'resource_exhausted' })
  while (clients.count() > 0) await Bun.sleep(1)
  closeSync(fd)
  unread.close()
  clients.stop()
})
