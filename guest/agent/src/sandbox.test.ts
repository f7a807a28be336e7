import { afterAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateContainerRequest,
  CreateSandboxRequest,
  ExecProcessRequest,
} from '../../../src/protocol/generated/agent.ts'
import type { ContainerTools } from './container/container-tools.ts'
import { loadOnHost } from './system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'sandbox-'))
afterAll(() => rmSync(top, { recursive: true }))

const stream = { processEnded() {}, close() {}, destroy() {} }
const stdio = { stdin: stream, stdout: stream, stderr: stream }
/** Those of a process that are open. */
function openStdio(open: Set<string>) {
  const opened = (name: string) => {
    open.add(name)
    const end = () => void open.delete(name)
    return { processEnded() {}, close: end, destroy: end }
  }
  return { stdin: opened('stdin'), stdout: opened('stdout'), stderr: opened('stderr') }
}

interface Mounted {
  readonly mounts?: { source: string }[]
  readonly storages?: { driver: string; source?: string; mountPoint: string }[]
}

/**
 * A pod with the container `c`, whose process has ended, or with those of other `ids`. Its share lets go of one once `fails` is empty. `machine` as for
 * `loadOnHost`.
 */
async function podWith(fails: Error[], more: Record<string, object> = {}, machine = '', ids = ['c']) {
  const share = join(top, crypto.randomUUID())
  mkdirSync(`${share}.kata-containers`)
  const host = await loadOnHost<typeof import('./sandbox.ts')>('sandbox.ts', share, machine)
  const told: string[] = []
  const tools = {
    crun: {
      create: async () => {
        told.push('made')
        return { pid: 0, ended: Promise.resolve(0), stdio }
      },
      forget: () => void told.push('forgotten'),
      start: () => {},
      ...more.crun,
    },
    oom: { watch: () => ({ look() {}, stop: () => void told.push('unwatched') }) },
    sources: {
      hold: async () => {},
      leave: async () => {
        const failure = fails.shift()
        if (failure !== undefined) throw failure
        told.push('left')
      },
    },
    ...more.tools,
  } as unknown as ContainerTools
  const sandbox = new host.module.Sandbox(tools, { pid: async () => 1 })
  await sandbox.create(CreateSandboxRequest.fromPartial({}))
  const make = (containerId = 'c', { mounts, storages }: Mounted = {}) =>
    sandbox.createContainer(
      CreateContainerRequest.fromPartial({
        containerId,
        oci: { process: { args: ['true'] }, root: { path: '/' }, mounts },
        storages,
      }),
    )
  for (const id of ids) await make(id)
  return { sandbox, make, told, share, started: host.started, mounts: host.mounts }
}

const made = ['made', 'unwatched', 'forgotten']

test('a removal that failed can be asked for again, and takes the steps that are left', async () => {
  const { sandbox, told } = await podWith([new Error('the share is busy')])
  await expect(sandbox.removeContainer('c', 0)).rejects.toThrow('the share is busy')
  expect(told).toEqual(made)
  await sandbox.removeContainer('c', 0)
  expect(told).toEqual([...made, 'left'])
  await expect(sandbox.removeContainer('c', 0)).rejects.toThrow('no container c')
})

test('a container takes the name of one whose removal failed, once that has gone', async () => {
  const { sandbox, make, told } = await podWith([new Error('the share is busy'), new Error('still busy')])
  await expect(make()).rejects.toThrow('container c exists')
  await expect(sandbox.removeContainer('c', 0)).rejects.toThrow('the share is busy')
  await expect(make()).rejects.toThrow('still busy')
  await make()
  expect(told).toEqual([...made, 'left', 'made'])
})

test.each(['shared', 'sandbox', 'resolv.conf'])(
  'a container called %s leaves what the pod has there',
  async (id) => {
    const { sandbox, make, share } = await podWith([])
    const bundles = `${share}.kata-containers`
    const volume = join(bundles, id, 'volume')
    mkdirSync(volume, { recursive: true })
    await make(id)
    expect(readdirSync(bundles).sort()).toEqual([`.${id}`, 'c', id].sort())
    await sandbox.removeContainer(id, 0)
    expect(readdirSync(bundles).sort()).toEqual(['c', id].sort())
    expect(existsSync(volume)).toBe(true)
  },
)

// Both ends take what the container held from the same list.
test.each([
  ['is removed', 'removed'],
  ['fails once crun has made it', 'failed'],
])('a container that %s leaves nothing', async (_what, end) => {
  const open = new Set<string>()
  const crun = { create: async () => ({ pid: 0, ended: Promise.resolve(0), stdio: openStdio(open) }) }
  const watch = (id: string) => {
    if (id === 'failed') throw new Error('no memory.events')
    return { look() {}, stop() {} }
  }
  const source = join(top, `of-one-${end}`)
  const isWatched = Promise.withResolvers<boolean>()
  const leave = async () => {
    writeFileSync(`${source}/late`, '')
    // The double's time passes several looks.
    await Bun.sleep(50)
    isWatched.resolve(existsSync(`${volume}/late`))
  }
  const sources = { hold: async () => {}, leave }
  const tools = { oom: { watch }, sources, volumes: { owns: () => false }, exitOf: async () => 0 }
  const { sandbox, make, told, share, started } = await podWith([], { crun, tools })
  const bundle = `${share}.kata-containers/${end}`
  const copy = `${share}/${end}-0123456789abcdef-hosts`
  const [volume, layers] = [`${share}/watched/volume`, `${share}/layers`]
  mkdirSync(source)
  mkdirSync(share)
  writeFileSync(copy, 'localhost')
  open.clear()
  const made = make(end, {
    mounts: [{ source: copy }],
    storages: [
      { driver: 'watchable-bind', source, mountPoint: volume },
      { driver: 'overlayfs', mountPoint: layers },
    ],
  })
  if (end === 'failed') await expect(made).rejects.toThrow('no memory.events')
  else {
    await made
    expect([bundle, copy, volume].filter((path) => !existsSync(path))).toEqual([])
    expect(open.size).toBe(3)
    await sandbox.removeContainer(end, 0)
  }
  expect([bundle, copy, volume].filter((path) => existsSync(path))).toEqual([])
  expect([...open]).toEqual([])
  expect(told).toEqual(['forgotten'])
  expect(await isWatched.promise).toBe(false)
  expect(started).toEqual([`sync ${layers}`])
})

test('a process that comes to be while its container is removed leaves no descriptor', async () => {
  const open = new Set<string>()
  const [ended, added] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()]
  const crun = {
    create: async () => ({ pid: 0, ended: ended.promise, stdio }),
    exec: async () => {
      await added.promise
      return { pid: 0, ended: Promise.resolve(137), stdio: openStdio(open) }
    },
  }
  const { sandbox } = await podWith([], { crun })
  const container = sandbox.container('c')
  container.start()
  const process = { args: ['x'], cwd: '/' }
  const exec = container.exec(ExecProcessRequest.fromPartial({ containerId: 'c', execId: 'e', process }))
  const removed = sandbox.removeContainer('c', 0)
  ended.resolve(137)
  await removed
  added.resolve()
  await expect(exec).rejects.toMatchObject({ code: 'failed_precondition' })
  expect([...open]).toEqual([])
})

test('a signal for a process that is being started reaches it once it is there, and is refused if it does not come to run', async () => {
  const [pid, never] = [2 ** 22 + 1, new Promise<number>(() => {})]
  const starts = [Promise.withResolvers<number>(), Promise.withResolvers<number>()]
  const next = starts.values()
  const crun = {
    create: async () => ({ pid: 0, ended: never, stdio }),
    exec: async () => ({ pid: await next.next().value!.promise, ended: never, stdio }),
  }
  const { sandbox, started } = await podWith([], { crun })
  const container = sandbox.container('c')
  container.start()
  const process = { args: ['x'], cwd: '/' }
  const [running, failing] = ['e', 'f'].map((execId) =>
    container.exec(ExecProcessRequest.fromPartial({ containerId: 'c', execId, process })),
  )
  const [reached, missed] = ['e', 'f'].map((execId) => container.signal(execId, 9))
  starts[0]!.resolve(pid)
  await Promise.all([running, reached])
  expect(started).toEqual([`kill ${pid} 9`])
  starts[1]!.reject(new Error('no such command'))
  expect(await Promise.allSettled([failing, missed])).toMatchObject([
    { reason: { message: 'no such command' } },
    { reason: { code: 'not_found' } },
  ])
})

test('a signal without the name of a process is for all of the container, and one with it for that alone', async () => {
  const machine = join(top, 'machine')
  const cgroup = `${machine}/sys/fs/cgroup/kata/c`
  for (const directory of [`${machine}/proc/sys/kernel`, cgroup]) mkdirSync(directory, { recursive: true })
  writeFileSync(`${machine}/proc/sys/kernel/threads-max`, '10000')
  for (const file of ['cgroup.freeze', 'cgroup.kill']) writeFileSync(`${cgroup}/${file}`, '0')
  // The init, which is no process of this host, and one more.
  const [init, other] = [2 ** 22 + 1, 2 ** 22 + 2]
  writeFileSync(`${cgroup}/cgroup.procs`, `${init}\n${other}\n`)
  const crun = { create: async () => ({ pid: init, ended: new Promise<number>(() => {}), stdio }) }
  const { sandbox, started } = await podWith([], { crun }, machine)
  sandbox.container('c').signal('c', 15)
  sandbox.container('c').signal('', 10)
  expect(started).toEqual([`kill ${init} 15`, `kill ${init} 10`, `kill ${other} 10`])
  sandbox.container('c').signal('', 9)
  expect(readFileSync(`${cgroup}/cgroup.kill`, 'utf8')).toBe('1')
  // Its removal has taken the cgroup away.
  rmSync(cgroup, { recursive: true })
  for (const signal of [9, 10]) sandbox.container('c').signal('', signal)
  expect(started).toHaveLength(3)
})

test('a disk that cannot be written back keeps no other disk of its container from that when the pod ends', async () => {
  const exitOf = async () => {
    if (started.length === 1) throw new Error('the disk is stuck')
    return 0
  }
  const { sandbox, make, share, started } = await podWith([], {
    tools: { volumes: { owns: () => false, release: async () => {} }, exitOf },
  })
  const [first, second] = ['first', 'second'].map((name) => `${share}/${name}`)
  await make('two', {
    storages: [first!, second!].map((mountPoint) => ({ driver: 'overlayfs', mountPoint })),
  })
  const reports: unknown[] = []
  await sandbox.destroy((error) => void reports.push(String(error)))
  expect(started).toEqual([`sync ${second}`, `sync ${first}`])
  expect(reports).toContain('Error: the disk is stuck')
})

test('disks that never take what is written hold up no other disk of their container when the pod ends', async () => {
  const reports: string[] = []
  let [isLate, healthy] = [false, 'not written back']
  const exitOf = (pid: number) => {
    if (started[pid - 1]!.endsWith('healthy')) {
      healthy = isLate ? 'late' : 'in time'
      return Promise.resolve(0)
    }
    // Less than a write-back may take by the double's clock.
    setTimeout(() => {
      isLate = true
    }, 10)
    return new Promise(() => {})
  }
  const { sandbox, make, share, started } = await podWith([], {
    tools: { volumes: { owns: () => false, release: async () => {} }, exitOf },
  })
  const names = ['healthy', 'stuck', 'hung']
  await make('two', {
    storages: names.map((name) => ({ driver: 'overlayfs', mountPoint: `${share}/${name}` })),
  })
  await sandbox.destroy((error) => void reports.push(String(error)))
  expect(healthy).toBe('in time')
  for (const name of ['stuck', 'hung'])
    expect(reports.filter((text) => text.includes(`${share}/${name} is not written back`))).toHaveLength(1)
})

/** Where each container of a pod was told to find its IPC namespace; none for the one that makes it. */
async function namespacesOf(ids: readonly string[], failing?: string) {
  const found: Record<string, unknown> = {}
  const create = async (id: string, bundle: string) => {
    const { linux } = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8'))
    await Bun.sleep(1)
    if (id === failing) throw new Error('no such command')
    found[id] = linux.namespaces.find(({ type }: { type: string }) => type === 'ipc')?.path
    return { pid: 1, ended: new Promise<number>(() => {}), stdio }
  }
  const { make, share } = await podWith([], { crun: { create } }, '', [])
  await Promise.allSettled(ids.map((id) => make(id)))
  return { found, kept: `${share}.sandbox-ns/ipc` }
}

test('containers of a pod that are the first, and made at once, share its namespaces', async () => {
  const { found, kept } = await namespacesOf(['a', 'b', 'c'])
  expect(found).toEqual({ a: undefined, b: kept, c: kept })
})

test('when the first of them fails the next makes the namespaces', async () => {
  const { found, kept } = await namespacesOf(['a', 'b', 'c'], 'a')
  expect(found).toEqual({ b: undefined, c: kept })
})

const typeOf = (type: string) => ({ 'io.katacontainers.pkg.oci.container_type': type })
const pause = { id: 'pause', annotations: typeOf('pod_sandbox') }
const ofPod = { annotations: typeOf('pod_container'), sandboxPidns: true }
/** Has the process 100, and the next ones 101 and so on. */
const first = { id: 'first' }
const ended = { id: 'ended', hasEnded: true }

interface OfPod {
  readonly id?: string
  readonly annotations?: Record<string, string>
  readonly sandboxPidns?: boolean
  readonly pidnsContainer?: string
  readonly hasEnded?: boolean
}

/** The namespaces that the last one is told to be in, by type. The process of the pod, which has no container, is 1. */
async function namespacesOfLast(containers: readonly OfPod[]) {
  const told: Record<string, string | undefined>[] = []
  const create = async (id: string, bundle: string) => {
    const { linux } = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8'))
    told.push(
      Object.fromEntries(linux.namespaces.map(({ type, path }: Record<string, string>) => [type, path])),
    )
    const hasEnded = id === ended.id
    return {
      pid: 99 + told.length,
      ended: hasEnded ? Promise.resolve(0) : new Promise<number>(() => {}),
      stdio,
    }
  }
  const { sandbox, share } = await podWith([], { crun: { create } }, '', [])
  for (const { id: containerId = 'last', annotations, hasEnded: _, ...asked } of containers)
    await sandbox.createContainer(
      CreateContainerRequest.fromPartial({
        containerId,
        oci: { process: { args: ['true'] }, root: { path: '/' }, annotations },
        ...asked,
      }),
    )
  return { ...told.at(-1), kept: `${share}.sandbox-ns/ipc` }
}

test.each<[string, OfPod[], number | undefined]>([
  ['its own, if it asks for no other', [pause, first, {}], undefined],
  ['that of the pause container, whoever came before', [first, pause, ofPod], 101],
  ['that of the pod’s own process, not of a neighbour, where there is no pause container', [first, ofPod], 1],
  [
    'that of the pod’s own process, once the pause container has ended',
    [{ ...pause, ...ended }, first, ofPod],
    1,
  ],
  ['outside of a pod, that of the first that runs', [ended, first, { sandboxPidns: true }], 101],
  ['outside of a pod, its own as the first', [{ sandboxPidns: true }], undefined],
  ['that of the container that it names', [pause, first, { ...ofPod, pidnsContainer: 'first' }], 101],
])('the pid namespace of a container is %s', async (_what, containers, pid) => {
  expect((await namespacesOfLast(containers)).pid).toBe(pid === undefined ? undefined : `/proc/${pid}/ns/pid`)
})

test('the first container of a pod without a pause container is in the other namespaces of the pod’s own process, too', async () => {
  const { ipc, kept } = await namespacesOfLast([ofPod])
  expect(ipc).toBe(kept)
})

test('no container is put beside the processes of one that has ended', async () => {
  const made = namespacesOfLast([ended, { pidnsContainer: ended.id }])
  await expect(made).rejects.toMatchObject({ code: 'failed_precondition' })
})

/** A pod with the container `c`, whose init runs until `end` is called. Its execs end with 3, and `log` tells what is done for it. */
async function running(fails: { start?: Error } = {}) {
  const [log, open] = [[] as string[], new Set<string>()]
  const init = Promise.withResolvers<number>()
  const crun = {
    create: async () => ({ pid: 0, ended: init.promise, stdio }),
    exec: async () => ({ pid: 0, ended: Promise.resolve(3), stdio: openStdio(open) }),
    start: () => {
      if (fails.start !== undefined) throw fails.start
    },
  }
  const watch = () => ({ look: () => void log.push('looked'), stop: () => void log.push('unwatched') })
  const volumes = { owns: () => false, release: async () => void log.push('volumes released') }
  const pod = await podWith([], { crun, tools: { oom: { watch }, volumes } })
  const container = pod.sandbox.container('c')
  const exec = (execId: string) =>
    container.exec(
      ExecProcessRequest.fromPartial({ containerId: 'c', execId, process: { args: ['x'], cwd: '/' } }),
    )
  return { ...pod, container, exec, end: init.resolve, log, open }
}

test('a process has a name that no other of its container has', async () => {
  const { container, exec } = await running()
  container.start()
  const starting = exec('e')
  await expect(exec('e')).rejects.toMatchObject({ code: 'already_exists' })
  await starting
  await expect(exec('e')).rejects.toMatchObject({ code: 'already_exists' })
  await expect(exec('c')).rejects.toMatchObject({ code: 'already_exists' })
  await expect(exec('../e')).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('a process is added to a container that runs only', async () => {
  const { sandbox, container, exec, end } = await running()
  const refusal = { code: 'failed_precondition', message: 'container c is not running' }
  await expect(exec('e')).rejects.toMatchObject(refusal)
  container.start()
  await exec('e')
  const removed = sandbox.removeContainer('c', 0)
  await Bun.sleep(0)
  await expect(exec('f')).rejects.toMatchObject(refusal)
  end(0)
  await removed
  const other = await running()
  other.container.start()
  other.end(0)
  await other.container.init.ended
  await expect(other.exec('e')).rejects.toMatchObject(refusal)
})

test('a container starts once, and one that could not be started is not taken for running', async () => {
  const { container } = await running()
  container.start()
  expect(() => container.start()).toThrow('was started before')
  const fails: { start?: Error } = { start: new Error('no pipe') }
  const failing = await running(fails)
  expect(() => failing.container.start()).toThrow('no pipe')
  await expect(failing.exec('e')).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('who is told the end of a process is told of a lack of memory first, and nothing of the process is left', async () => {
  const { container, exec, log, open, share } = await running()
  container.start()
  await exec('e')
  expect(open.size).toBe(3)
  expect(await container.wait('e')).toBe(3)
  expect(log).toEqual(['looked'])
  expect([...open]).toEqual([])
  await expect(container.wait('e')).rejects.toMatchObject({ code: 'not_found' })
  expect(readdirSync(`${share}.kata-containers/c`)).toEqual(['config.json'])
  await exec('e')
  expect(await container.wait('e')).toBe(3)
})

test('the end of a first process is told to all who wait by then, and to nobody later', async () => {
  const { container, end } = await running()
  const waiting = [container.wait(''), container.wait('c')]
  end(7)
  expect(await Promise.all(waiting)).toEqual([7, 7])
  await expect(container.wait('')).rejects.toMatchObject({ code: 'not_found' })
})

test('nothing of a container goes before its first process has ended, and its host waits as long as it wants to', async () => {
  const { sandbox, told, end } = await running()
  await expect(sandbox.removeContainer('c', 2)).rejects.toMatchObject({
    code: 'deadline_exceeded',
    message: 'container c did not end within 2 s',
  })
  expect(told).not.toContain('left')
  const removed = sandbox.removeContainer('c', 0)
  await Bun.sleep(10)
  expect(sandbox.container('c').isLeaving).toBe(true)
  end(137)
  await removed
  expect(told).toContain('left')
  expect(() => sandbox.container('c')).toThrow('no container c')
})

test('a container that is being made is removed once it is there', async () => {
  const isMade = Promise.withResolvers<void>()
  const create = async () => {
    await isMade.promise
    return { pid: 0, ended: Promise.resolve(0), stdio }
  }
  const { sandbox, make } = await podWith([], { crun: { create } }, '', [])
  const made = make()
  await expect(make()).rejects.toMatchObject({ code: 'already_exists' })
  const removed = sandbox.removeContainer('c', 0)
  isMade.resolve()
  await Promise.all([made, removed])
  expect(() => sandbox.container('c')).toThrow('no container c')
})

test('a pod is made once, and nothing warms up in it', async () => {
  const { sandbox } = await podWith([])
  await expect(sandbox.create(CreateSandboxRequest.fromPartial({}))).rejects.toMatchObject({
    code: 'already_exists',
  })
  await expect(sandbox.warmUp(CreateContainerRequest.fromPartial({}))).rejects.toMatchObject({
    code: 'already_exists',
  })
})

test('the end of a pod waits for its containers, but not for ever, before their disks and the volumes go', async () => {
  const { sandbox, container, end, log, mounts, share } = await running()
  const isKept = () => mounts.some((line) => line.includes(`${share}.sandbox-ns/ipc`))
  expect(isKept()).toBe(true)
  const leaveDisks = container.leaveDisks.bind(container)
  container.leaveDisks = (report) => {
    log.push('disks left')
    return leaveDisks(report)
  }
  container.signal = (execId, signal) => void log.push(`signal "${execId}" ${signal}`)
  const destroyed = sandbox.destroy(() => {})
  await Promise.resolve()
  expect(log).toEqual(['signal "" 9'])
  end(137)
  await destroyed
  expect(log).toEqual(['signal "" 9', 'disks left', 'volumes released'])
  expect(isKept()).toBe(false)
  const hung = await running()
  const reports: unknown[] = []
  await hung.sandbox.destroy((error) => void reports.push(error))
  expect(reports).toMatchObject([{ code: 'deadline_exceeded' }])
  expect(hung.log).toEqual(['volumes released'])
})

test('the removal of a container that was not made takes away what was copied for it alone', async () => {
  const { sandbox, make, share } = await podWith([])
  const id = 'web-0123456789abcdef-x'
  await make(id)
  const copy = (name: string) => `${name}-0123456789abcdef-hosts`
  mkdirSync(share)
  for (const name of ['web', 'web2', id, '.scratch']) {
    mkdirSync(join(share, copy(name)))
    writeFileSync(join(share, copy(name), 'file'), '')
  }
  await expect(sandbox.removeContainer('web', 0)).rejects.toThrow('no container web')
  expect(readdirSync(share).sort()).toEqual(['.scratch', id, 'web2'].map(copy).sort())
})
