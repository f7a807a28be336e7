import { heapStats } from 'bun:jsc'
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attachesExecs, forgetsAtEnd } from '../../bundle/forgotten-exec.ts'
import { writeLateMounts } from '../../bundle/late-mounts.ts'
import { wasOomKilled } from '../../bundle/oom-killed.ts'
import { readWarnings } from '../../bundle/warnings.ts'
import { KataError } from '../../errors.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { silentLogger } from '../../log.ts'
import { CheckpointOptions } from '../../protocol/generated/containerd/runc_options.ts'
import { CreateTaskRequest, ExecProcessRequest } from '../../protocol/generated/containerd/task.ts'
import { TaskExit } from '../../protocol/generated/containerd/task_events.ts'
import { Status } from '../../protocol/generated/containerd/types.ts'
import type { ContainerRequest } from '../../sandbox/container-request.ts'
import { neverHeldUp } from '../../sandbox/guest/health.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import { Pod } from '../daemon/pod.ts'
import type { TaskEvent } from './events.ts'
import { TaskService } from './task-service.ts'

let bundle: string
beforeEach(() => {
  bundle = mkdtempSync(join(tmpdir(), 'bundle-'))
  writeFileSync(join(bundle, 'config.json'), '{}')
})
afterEach(() => rmSync(bundle, { recursive: true }))

/** A service over a double of a sandbox, in which a test ends processes by name. */
function serviceOf(
  podId: string,
  {
    endMs = 20_000,
    stallMs = 10_000,
    deaf = false,
    held = '',
    refuses = false,
    makes = Promise.resolve(),
    starts = Promise.resolve(),
    lateNetwork = Promise.resolve(),
    clientReturns = true,
    clientsStay = true,
    records = { add: (_: { id: string }) => {}, remove: () => {} },
    save = async (_: { signal: AbortSignal }) => {},
    execsStartMs = 5000,
    removes = Promise.resolve(),
    updates = Promise.resolve(),
    logged = Promise.resolve(),
    waited = (): number => 0,
  } = {},
) {
  const ends = new Map<string, (status: number) => void>()
  const removed: string[] = []
  const signals: string[] = []
  /** Processes whose stdin has ended. */
  const inputsOver: string[] = []
  const resized: string[] = []
  const updated: string[] = []
  const started: string[] = []
  /** Root file systems that were asked for. */
  const roots: (string | undefined)[] = []
  const answers: (() => void)[] = []
  const answered = () => new Promise<void>((resolve) => answers.push(resolve))
  const topics: string[] = []
  /** Processes whose ends were published. */
  const exits: string[] = []
  const deaths: string[] = []
  const left: string[] = []
  let stops = 0
  let lateNetworks = 0
  const process = (name: string, fails = false) => {
    const ended = new Promise<number>((resolve) => ends.set(name, resolve))
    return {
      start: async () => {
        if (fails) throw new Error('refused')
        if (name === 'slow') await starts
        started.push(name)
      },
      wait: () => ended,
      signal: async (signal: number, all = false) => {
        signals.push(`${name} ${signal}${all ? ' all' : ''}`)
        if (!deaf) ends.get(name)!(137)
      },
      resize: async () => void resized.push(name),
      output: async () => (name === 'unread' ? new Promise<void>(() => {}) : undefined),
      input: async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const _ of chunks);
        inputsOver.push(name)
      },
    }
  }
  const died = Promise.withResolvers<KataError>()
  const sandbox = {
    pid: 4242,
    died: died.promise,
    stopped: new Promise<void>(() => {}),
    watchOom: async () => {},
    attachLateNetwork: async () => {
      lateNetworks++
      await lateNetwork
    },
    save,
    stop: async () => {
      stops++
      if (held !== '') throw new KataError('RELEASE_FAILED', { held, reason: 'EBUSY' })
    },
    heldUp: neverHeldUp(),
    waited,
    condemn: (reason: string) => died.resolve(new KataError('SANDBOX_DIED', { id: podId, reason, tail: '' })),
    createContainer: async ({ id, spec }: Pick<ContainerRequest, 'id' | 'spec'>) => {
      roots.push(spec.root?.path)
      if (refuses) throw new Error('no room')
      if (id !== podId) await makes
      const exec = (execId: string) => process(execId, execId === 'bad')
      return {
        id,
        pid: id === podId ? 4242 : 4300,
        init: process(id),
        exec,
        pause: answered,
        resume: answered,
        update: async () => {
          await updates
          updated.push(id)
        },
        remove: async () => {
          await removes
          removed.push(id)
        },
      }
    },
  }
  const pod = new Pod({
    id: podId,
    createSandbox: async () => sandbox as unknown as Sandbox,
    onDied: (error) => {
      deaths.push(error.message)
      return tasks.died(error)
    },
    onLeft: (error) => void left.push(String(error)),
    logged: () => logged,
    oom: { isKnown: () => false, onOom: () => {} },
  })
  const publish = ({ topic, event }: TaskEvent) => {
    topics.push(topic.replace('/tasks/', ''))
    if (topic === '/tasks/exit') exits.push(TaskExit.decode(event.value).id)
  }
  const limits = { stallMs, endMs }
  const tasks: TaskService = new TaskService({
    pod,
    events: { publish, flush: async () => void topics.push('flushed') },
    records,
    limits,
    execsStartMs,
    namespace: 'k8s.io',
    clientReturns,
    clientsNow: () => () => clientsStay,
    log: silentLogger,
  })
  const create = (id: string, more: Partial<CreateTaskRequest> = {}) =>
    tasks.create(CreateTaskRequest.fromPartial({ id, bundle, ...more }))
  const exec = (id: string, execId: string) =>
    tasks.exec(ExecProcessRequest.fromPartial({ id, execId, spec: { value: Buffer.from('{}') } }))
  return {
    tasks,
    create,
    exec,
    ends,
    removed,
    signals,
    inputsOver,
    resized,
    updated,
    started,
    roots,
    /** Lets the guest answer the oldest Pause or Resume. */
    answer: () => answers.shift()!(),
    topics,
    exits,
    deaths,
    left,
    died,
    stops: () => stops,
    lateNetworks: () => lateNetworks,
  }
}

describe('the start of a pod that nobody waits for any more', () => {
  const closed = new TtrpcError('unavailable', 'the connection is closed')
  const late = new TtrpcError('deadline_exceeded', 'Create took longer than 1 ms')

  /** A start that lasts until it is given up, and the call that waits for it. */
  function starting({ clientReturns = true, podId = 'pod' } = {}) {
    const given: { up?: Error } = {}
    const pod = new Pod({
      id: 'pod',
      createSandbox: (_request, _spec, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            given.up = signal.reason
            reject(signal.reason)
          }),
        ),
      onDied: () => {},
      onLeft: () => {},
      oom: { isKnown: () => false, onOom: () => {} },
    })
    const records = { add: () => {}, remove: () => {} }
    const events = { publish: () => {}, flush: async () => {} }
    const tasks = new TaskService({
      pod,
      events,
      records,
      namespace: 'k8s.io',
      clientReturns,
      log: silentLogger,
    })
    let cancel: (reason: TtrpcError) => void = () => {}
    const onCancel = (handler: typeof cancel) => {
      cancel = handler
    }
    const request = CreateTaskRequest.fromPartial({ id: podId, bundle })
    const created = tasks.create(request, { onCancel }).catch(({ message }) => message)
    return { tasks, pod, given, created, cancel: (reason: TtrpcError) => cancel(reason) }
  }

  test('ends with Shutdown, which waits until nothing of it is left', async () => {
    const { tasks, created } = starting()
    await tasks.shutdown({ id: 'pod', now: false })
    expect(await created).toStartWith(
      '[START_GIVEN_UP] the start of sandbox pod was given up: its end was asked for',
    )
    await tasks.shutdownRequested
    expect(tasks.isIdle).toBe(true)
  })

  test('ends with the client’s time for it', async () => {
    const { created, cancel } = starting()
    cancel(late)
    expect(await created).toContain('its client’s time for it is over')
  })

  test('ends with the connection of a client that does not come back', async () => {
    const { created, cancel, tasks } = starting({ clientReturns: false })
    cancel(closed)
    expect(await created).toContain('its client went away')
    // Nobody asks for its end: the shim ends by itself.
    expect(tasks.isIdle).toBe(true)
  })

  test('goes on for a containerd that may come back', async () => {
    const { given, cancel, pod } = starting()
    cancel(closed)
    expect(given.up).toBeUndefined()
    await pod.stop()
    expect(given.up).toBeDefined()
  })

  test('is told so by a container that lost its guest to that', async () => {
    const gone = Promise.withResolvers<never>()
    const lost = new KataError('AGENT_DIED', { endpoint: 'agent.sock', reason: 'the connection is closed' })
    const machine = {
      pid: 1,
      died: new Promise(() => {}),
      stopped: new Promise(() => {}),
      watchOom: async () => {},
      createContainer: () => gone.promise,
      stop: async () => gone.reject(lost),
    }
    const pod = new Pod({
      id: 'pod',
      createSandbox: async () => machine as unknown as Sandbox,
      onDied: () => {},
      onLeft: () => {},
      oom: { isKnown: () => false, onOom: () => {} },
    })
    const events = { publish: () => {}, flush: async () => {} }
    const records = { add: () => {}, remove: () => {} }
    const tasks = new TaskService({
      pod,
      events,
      records,
      namespace: 'k8s.io',
      clientReturns: true,
      log: silentLogger,
    })
    const created = tasks.create(CreateTaskRequest.fromPartial({ id: 'pod', bundle }))
    created.catch(() => {})
    await pod.sandboxFor(CreateTaskRequest.fromPartial({ id: 'pod' }), {} as never)
    await pod.stop()
    await expect(created).rejects.toThrow('[START_GIVEN_UP]')
  })

  test('and is not begun again', async () => {
    const { tasks, pod, created } = starting()
    await pod.stop()
    await created
    const again = tasks.create(CreateTaskRequest.fromPartial({ id: 'pod', bundle }))
    await expect(again).rejects.toThrow('TASK_STATE')
  })
})

describe('a pod of several containers', () => {
  test('looks for a late network when its own container starts, and at no other start', async () => {
    const { tasks, create, exec, lateNetworks } = serviceOf('pod')
    for (const id of ['pod', 'web']) {
      await create(id)
      await tasks.start({ id, execId: '' })
    }
    await exec('pod', 'one')
    await tasks.start({ id: 'pod', execId: 'one' })
    expect(lateNetworks()).toBe(1)
  })

  test.each(['runs', 'has ended', 'has lost its machine'])(
    'looks for none at the start of its own container when that %s',
    async (state) => {
      const { tasks, create, ends, died, lateNetworks } = serviceOf('pod')
      const ids = { id: 'pod', execId: '' }
      await create('pod')
      if (state === 'has lost its machine') {
        died.resolve(new KataError('SANDBOX_DIED', { id: 'pod', reason: 'panic', tail: '' }))
        await Bun.sleep(0)
        await tasks.start(ids)
        expect(lateNetworks()).toBe(0)
        return
      }
      await tasks.start(ids)
      if (state === 'has ended') {
        ends.get('pod')!(0)
        await tasks.wait(ids)
      }
      await expect(tasks.start(ids)).rejects.toMatchObject({ code: 'TASK_STATE' })
      expect(lateNetworks()).toBe(1)
    },
  )

  test('the end of a workload container leaves the pod running, and its place free', async () => {
    const { tasks, create, ends, removed, stops } = serviceOf('pod')
    for (const id of ['pod', 'web']) {
      await create(id)
      await tasks.start({ id, execId: '' })
    }
    ends.get('web')!(3)
    expect((await tasks.wait({ id: 'web', execId: '' })).exitStatus).toBe(3)
    expect(await tasks.delete({ id: 'web', execId: '' })).toMatchObject({ exitStatus: 3, pid: 4300 })
    await tasks.shutdown({ id: 'web', now: false })
    expect({ removed, stops: stops() }).toEqual({ removed: ['web'], stops: 0 })
    await create('web')
    expect((await tasks.state({ id: 'web', execId: '' })).pid).toBe(4300)
    expect((await tasks.connect({ id: 'web' })).taskPid).toBe(4300)
    expect((await tasks.connect({ id: 'pod' })).taskPid).toBe(4242)
    expect((await tasks.pids({ id: 'web' })).processes).toEqual([{ pid: 4242, info: undefined }])
  })

  test('tells the end of an exec that ended with its container, though nobody reads its output', async () => {
    const { tasks, create, exec, ends } = serviceOf('pod', { stallMs: 20 })
    for (const id of ['pod', 'web']) {
      await create(id)
      await tasks.start({ id, execId: '' })
    }
    await exec('web', 'unread')
    await tasks.start({ id: 'web', execId: 'unread' })
    const told = tasks.wait({ id: 'web', execId: 'unread' })
    for (const name of ['unread', 'web']) ends.get(name)!(137)
    await tasks.wait({ id: 'web', execId: '' })
    await tasks.delete({ id: 'web', execId: '' })
    expect(await Promise.race([told, Bun.sleep(2000)])).toMatchObject({ exitStatus: 137 })
  })

  describe('of which one is being removed', () => {
    const removing = async () => {
      const { promise: removes, resolve: gone, reject: fail } = Promise.withResolvers<void>()
      const service = serviceOf('pod', { removes })
      for (const id of ['pod', 'web']) {
        await service.create(id)
        await service.tasks.start({ id, execId: '' })
      }
      service.ends.get('web')!(0)
      await service.tasks.wait({ id: 'web', execId: '' })
      const removal = service.tasks.delete({ id: 'web', execId: '' })
      await Bun.sleep(1)
      return { ...service, removal, gone, fail }
    }
    /** Whether it has settled, once other work was done. */
    const isOver = async (work: Promise<unknown>) => {
      let over = false
      const told = () => {
        over = true
      }
      void work.then(told, told)
      await Bun.sleep(1)
      return over
    }

    test('makes another one of that id only after that', async () => {
      const { tasks, create, removed, removal, gone } = await removing()
      const made = create('web')
      expect(await isOver(made)).toBe(false)
      await expect(create('web')).rejects.toMatchObject({ status: 'already_exists' })
      expect(removed).toEqual([])
      gone()
      await removal
      await made
      expect(removed).toEqual(['web'])
      expect((await tasks.state({ id: 'web', execId: '' })).status).toBe(Status.CREATED)
    })

    test('tells who asks for that again that it is gone only when it is', async () => {
      const { tasks, removal, gone } = await removing()
      const again = tasks.delete({ id: 'web', execId: '' })
      expect(await isOver(again)).toBe(false)
      gone()
      await removal
      await expect(again).rejects.toMatchObject({ status: 'not_found' })
    })

    const death = new KataError('SANDBOX_DIED', { id: 'pod', reason: 'panic', tail: '' })

    test('answers with its exit status when the machine dies meanwhile, once all of the pod is released', async () => {
      const { removal, died, fail, stops } = await removing()
      died.resolve(death)
      fail(death)
      expect(await removal).toMatchObject({ exitStatus: 0, pid: 4300 })
      expect(stops()).toBe(1)
    })

    test('answers with its exit status when the pod is ended meanwhile', async () => {
      const { tasks, removal, fail, stops } = await removing()
      const ended = tasks.shutdown({ id: 'pod', now: true })
      fail(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed by us' }))
      expect(await removal).toMatchObject({ exitStatus: 0, pid: 4300 })
      await ended
      expect(stops()).toBe(1)
    })

    test('tells of a guest that does not let go of it', async () => {
      const { removal, fail, stops } = await removing()
      fail(new TtrpcError('internal', 'busy', { isAnswer: true }))
      await expect(removal).rejects.toThrow('busy')
      expect(stops()).toBe(0)
    })
  })

  test('whose machine has died asks no guest to remove what is left, and ends once its last words are written', async () => {
    const logged = Promise.withResolvers<void>()
    const { tasks, create, removed, died, stops } = serviceOf('pod', { logged: logged.promise })
    for (const id of ['pod', 'web']) {
      await create(id)
      await tasks.start({ id, execId: '' })
    }
    died.resolve({} as KataError)
    await tasks.wait({ id: 'web', execId: '' })
    const deleted = tasks.delete({ id: 'web', execId: '' })
    await Bun.sleep(5)
    expect(stops()).toBe(0)
    logged.resolve()
    await deleted
    expect({ removed, stops: stops() }).toEqual({ removed: [], stops: 1 })
  })

  describe('with an exec', () => {
    const running = async (options: Parameters<typeof serviceOf>[1] = {}) => {
      const service = serviceOf('pod', options)
      for (const id of ['pod', 'web']) {
        await service.create(id)
        await service.tasks.start({ id, execId: '' })
      }
      await service.exec('web', 'one')
      await service.tasks.start({ id: 'web', execId: 'one' })
      return service
    }

    test('to kill that, by whatever name, is to kill nothing else', async () => {
      const { tasks } = await running()
      await tasks.kill({ id: 'web', execId: 'one', signal: 9, all: true })
      expect((await tasks.wait({ id: 'web', execId: 'one' })).exitStatus).toBe(137)
      expect((await tasks.state({ id: 'web', execId: '' })).exitedAt).toBeUndefined()
    })

    test('a signal for all processes of a container is one for all in the guest', async () => {
      const { tasks, signals } = await running({ deaf: true })
      for (const all of [false, true]) await tasks.kill({ id: 'web', execId: '', signal: 15, all })
      expect(signals).toEqual(['web 15', 'web 15 all'])
    })

    test.each(['pod', 'web'])('the end of %s is told after those of its execs', async (id) => {
      const { tasks, exec, ends, exits } = await running()
      await exec(id, 'two')
      await tasks.start({ id, execId: 'two' })
      ends.get(id)!(137)
      const ended = tasks.wait({ id, execId: '' })
      await Bun.sleep(5)
      expect(exits).toEqual([])
      for (const execId of ['one', 'two']) ends.get(execId)!(137)
      expect((await ended).exitStatus).toBe(137)
      expect(exits.filter((process) => process !== 'one')).toEqual(['two', id])
    })

    test('of an exec that is being started, too, whether it comes to run or not', async () => {
      for (const comes of [true, false]) {
        const { promise: starts, resolve: run, reject: refuse } = Promise.withResolvers<void>()
        const { tasks, create, exec, ends, exits } = serviceOf('pod', { starts })
        await create('pod')
        await tasks.start({ id: 'pod', execId: '' })
        await exec('pod', 'slow')
        const starting = tasks.start({ id: 'pod', execId: 'slow' }).catch(() => {})
        ends.get('pod')!(3)
        await Bun.sleep(5)
        expect(exits).toEqual([])
        if (comes) run()
        else refuse(new Error('refused'))
        await starting
        if (comes) ends.get('slow')!(137)
        await tasks.wait({ id: 'pod', execId: '' })
        expect(exits).toEqual(comes ? ['slow', 'pod'] : ['pod'])
      }
    })

    test('and is told, and its container removed, though the guest does not end the exec', async () => {
      const { tasks, ends, exits, removed, signals } = await running()
      ends.get('web')!(3)
      expect((await tasks.wait({ id: 'web', execId: '' })).exitStatus).toBe(3)
      // In a pod that shares its processes an exec does not end with its container.
      expect(signals).toEqual(['web 9'])
      const ended = tasks.wait({ id: 'web', execId: 'one' })
      await tasks.delete({ id: 'web', execId: '' })
      expect({ exits, removed }).toEqual({ exits: ['web'], removed: ['web'] })
      ends.get('one')!(137)
      expect((await ended).exitStatus).toBe(137)
    })
  })

  test("the end of the pod's own container ends the pod, whose containers then hold nothing", async () => {
    const { tasks, create, ends, removed, stops } = serviceOf('pod')
    for (const id of ['pod', 'web']) {
      await create(id)
      await tasks.start({ id, execId: '' })
    }
    ends.get('pod')!(0)
    expect((await tasks.wait({ id: 'web', execId: '' })).exitStatus).toBe(255)
    for (const id of ['web', 'pod']) await tasks.delete({ id, execId: '' })
    expect({ removed, stops: stops() }).toEqual({ removed: [], stops: 1 })
    await expect(create('late')).rejects.toMatchObject({ code: 'TASK_STATE' })
    let over = false
    void tasks.shutdownRequested.then(() => {
      over = true
    })
    await tasks.shutdown({ id: 'pod', now: false })
    await tasks.shutdownRequested
    expect(over).toBe(true)
  })

  test('the death of the machine ends every process', async () => {
    const { tasks, create, died } = serviceOf('pod')
    for (const id of ['pod', 'web']) {
      await create(id)
      await tasks.start({ id, execId: '' })
    }
    died.resolve({} as KataError)
    for (const id of ['pod', 'web']) expect((await tasks.wait({ id, execId: '' })).exitStatus).toBe(255)
  })

  describe('is told', () => {
    const memory = new KataError('CGROUP_OUT_OF_MEMORY', { sandbox: 'pod', path: '/pod', limitMiB: 256 })
    const deathBy = (cause?: KataError) =>
      new KataError('SANDBOX_DIED', { id: 'pod', reason: 'it ended', tail: '' }, { cause })
    /** Of a container that runs or is paused, one that has ended and one that was never started. */
    async function dying(death: KataError, isPaused = false) {
      const files = `${bundle}/pods/uid/containers/c`
      const fileOf = (id: string) =>
        `${files}/${{ runs: 'aaaaaaaa', ended: 'bbbbbbbb', waits: 'cccccccc' }[id]}`
      mkdirSync(files, { recursive: true })
      const { tasks, create, ends, died, topics, answer } = serviceOf('pod')
      for (const id of ['runs', 'ended', 'waits']) {
        writeFileSync(fileOf(id), '')
        const mount = { type: 'bind', source: fileOf(id), destination: '/dev/termination-log' }
        writeFileSync(join(bundle, 'config.json'), JSON.stringify({ mounts: [mount] }))
        await create(id)
        if (id !== 'waits') await tasks.start({ id, execId: '' })
      }
      ends.get('ended')!(0)
      await tasks.wait({ id: 'ended', execId: '' })
      if (isPaused) {
        const paused = tasks.pause({ id: 'runs' })
        await Bun.sleep(0)
        answer()
        await paused
      }
      topics.length = 0
      died.resolve(death)
      await tasks.wait({ id: 'runs', execId: '' })
      return { topics, messages: ['runs', 'ended', 'waits'].map((id) => readFileSync(fileOf(id), 'utf8')) }
    }

    test.each([false, true])(
      'in the termination message of each container that ran (paused: %p)',
      async (isPaused) => {
        expect(await dying(deathBy(), isPaused)).toEqual({
          topics: ['exit'],
          messages: [
            expect.stringMatching(/^\[SANDBOX_DIED\] sandbox pod died: it ended\. The machine/),
            '',
            '',
          ],
        })
      },
    )

    test('as a want of the host’s memory before the end, if it was that', async () => {
      expect(await dying(deathBy(memory))).toEqual({
        topics: ['oom', 'flushed', 'exit'],
        messages: [memory.message, '', ''],
      })
      expect(wasOomKilled(bundle)).toBe(true)
    })
  })
})

test('a container whose task cannot be written down is removed again', async () => {
  let isFull = false
  const add = () => {
    if (isFull) throw new Error('no space left')
  }
  const { create, removed, tasks } = serviceOf('pod', { records: { add, remove: () => {} } })
  await create('pod')
  isFull = true
  await expect(create('web')).rejects.toThrow('no space left')
  expect({ removed, has: tasks.has('web') }).toEqual({ removed: ['web'], has: false })
  isFull = false
  await create('web')
  expect(tasks.has('web')).toBe(true)
})

test('a container that is removed is written down no more', async () => {
  const written = new Set<string>()
  const records = {
    add: ({ id }: { id: string }) => void written.add(id),
    remove: (...[id = '']: string[]) => void written.delete(id),
  }
  const { create, tasks } = serviceOf('pod', { records })
  for (const id of ['pod', 'web']) await create(id)
  expect([...written]).toEqual(['pod', 'web'])
  await tasks.delete({ id: 'web', execId: '' })
  expect([...written]).toEqual(['pod'])
})

test.each(['stdout', 'stderr'])(
  'a logging program that cannot run is refused for %s before there is a process',
  async (stream) => {
    const { tasks, create, roots } = serviceOf('pod')
    await create('pod')
    const streams = { [stream]: 'binary:///absent/logger' }
    const refusal = { code: 'STDIO_INVALID' }
    await expect(create('web', streams)).rejects.toMatchObject(refusal)
    expect(roots).toHaveLength(1)
    const spec = { value: Buffer.from('{}') }
    const exec = ExecProcessRequest.fromPartial({ id: 'pod', execId: 'one', spec, ...streams })
    await expect(tasks.exec(exec)).rejects.toMatchObject(refusal)
    await expect(tasks.state({ id: 'pod', execId: 'one' })).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  },
)

test('a container is there though the root file system that its shim was shown has gone by then', async () => {
  const root = join(bundle, 'rootfs')
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ root: { path: root } }))
  writeLateMounts(bundle, [root])
  const { create, tasks, removed } = serviceOf('pod')
  await create('pod')
  expect({ has: tasks.has('pod'), removed }).toEqual({ has: true, removed: [] })
})

test('a root file system is in the bundle of its own container where its path is relative', async () => {
  const { create, roots } = serviceOf('pod')
  const rootAt = (path: string) =>
    writeFileSync(join(bundle, 'config.json'), JSON.stringify({ root: { path, readonly: true } }))
  await create('pod')
  rootAt('rootfs')
  await create('web')
  rootAt('/elsewhere')
  await create('db')
  // Mounts are made instead of it.
  rootAt('rootfs')
  await create('mounts', { rootfs: [{ type: 'bind', source: '/layers', target: '', options: [] }] })
  expect(roots).toEqual([undefined, join(bundle, 'rootfs'), '/elsewhere', 'rootfs'])
})

test('the client of a privileged container is told of a device that it asks for and does not get', async () => {
  const device = { path: '/dev/nvidia0', type: 'c', major: 195, minor: 0 }
  const rules = [{ allow: true, access: 'rwm' }]
  const linux = { devices: [device], resources: { devices: rules } }
  const { create } = serviceOf('pod')
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ linux }))
  await create('pod')
  expect(readWarnings(bundle)).toEqual([])
  rules.push({ ...device, allow: true, access: 'rw' })
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ linux }))
  await create('web')
  expect(readWarnings(bundle)).toEqual([expect.stringContaining('/dev/nvidia0')])
})

describe('a container that is being made', () => {
  const late = new TtrpcError('deadline_exceeded', 'Create took longer than 1 ms')
  const closed = new TtrpcError('unavailable', 'the connection is closed')
  /** Beside the pod's own: `cancel` ends the call, and `made` lets it be made. */
  const making = async (clientReturns = true) => {
    const { promise: makes, resolve: made } = Promise.withResolvers<void>()
    const service = serviceOf('pod', { makes, clientReturns })
    await service.create('pod')
    let cancel: (reason: TtrpcError) => void = () => {}
    const onCancel = (handler: typeof cancel) => {
      cancel = handler
    }
    const request = CreateTaskRequest.fromPartial({ id: 'web', bundle })
    const created = service.tasks.create(request, { onCancel }).catch(({ message }) => message)
    return { ...service, created, made, cancel: (reason: TtrpcError) => cancel(reason) }
  }

  test('is not made a second time', async () => {
    const { tasks, create, created, made, removed } = await making()
    const again = create('web').catch(({ message }) => message)
    made()
    expect(await again).toStartWith('[TASK_EXISTS] web exists already')
    expect(await created).toEqual({ pid: 4300 })
    expect({ removed, has: tasks.has('web') }).toEqual({ removed: [], has: true })
  })

  test.each([
    ['has no more time for it', true, late, 'given up'],
    ['is gone for good', false, closed, 'given up'],
    ['deletes it', true, undefined, 'deleted'],
  ])('is removed once it is made when its client %s', async (_, clientReturns, reason, state) => {
    const { tasks, create, created, made, cancel, removed, topics, stops } = await making(clientReturns)
    if (reason !== undefined) cancel(reason)
    else await expect(tasks.delete({ id: 'web', execId: '' })).rejects.toThrow('TASK_NOT_FOUND')
    made()
    expect(await created).toStartWith(`[TASK_STATE] cannot create web: it is ${state}`)
    expect({ removed, has: tasks.has('web'), topics, stops: stops() }).toEqual({
      removed: ['web'],
      has: false,
      topics: ['create'],
      stops: 0,
    })
    await create('web')
    expect(tasks.has('web')).toBe(true)
  })

  test('stays for a containerd that may come back', async () => {
    const { tasks, created, made, cancel } = await making()
    cancel(closed)
    made()
    await created
    expect(tasks.has('web')).toBe(true)
  })
})

describe('a call out of order is answered as runc’s shim answers it', () => {
  const wrongState = { code: 'TASK_STATE', status: 'failed_precondition' }
  const running = async (options: Parameters<typeof serviceOf>[1] = {}) => {
    const service = serviceOf('pod', options)
    await service.create('pod')
    await service.tasks.start({ id: 'pod', execId: '' })
    return service
  }
  const ended = async () => {
    const service = await running()
    service.ends.get('pod')!(3)
    await service.tasks.wait({ id: 'pod', execId: '' })
    return service
  }

  test('an exec of the container’s own id is there already: its end would pass for that of the container', async () => {
    const { exec, topics } = await running()
    await expect(exec('pod', 'pod')).rejects.toMatchObject({ code: 'TASK_EXISTS', status: 'already_exists' })
    expect(topics).not.toContain('exec-added')
  })

  test('the removal of an exec that is being started waits for that, and is refused', async () => {
    const { promise: starts, resolve: run } = Promise.withResolvers<void>()
    const { tasks, exec, ends } = await running({ starts })
    await exec('pod', 'slow')
    const starting = tasks.start({ id: 'pod', execId: 'slow' })
    const removal = tasks.delete({ id: 'pod', execId: 'slow' })
    removal.catch(() => {})
    await Bun.sleep(1)
    expect((await tasks.state({ id: 'pod', execId: 'slow' })).status).toBe(Status.CREATED)
    run()
    await starting
    await expect(removal).rejects.toMatchObject({
      ...wrongState,
      fields: { action: 'delete', state: 'running' },
    })
    // It can still be ended, waited for and removed.
    await tasks.kill({ id: 'pod', execId: 'slow', signal: 9, all: false })
    ends.get('slow')!(137)
    expect((await tasks.wait({ id: 'pod', execId: 'slow' })).exitStatus).toBe(137)
    await tasks.delete({ id: 'pod', execId: 'slow' })
  })

  test('that of one whose start fails then is done', async () => {
    const { promise: starts, reject: refuse } = Promise.withResolvers<void>()
    const { tasks, exec } = await running({ starts })
    await exec('pod', 'slow')
    const starting = tasks.start({ id: 'pod', execId: 'slow' })
    const removal = tasks.delete({ id: 'pod', execId: 'slow' })
    refuse(new Error('refused'))
    await expect(starting).rejects.toThrow('refused')
    await removal
    await expect(tasks.state({ id: 'pod', execId: 'slow' })).rejects.toThrow('[TASK_NOT_FOUND]')
  })

  test('what was removed while its start waited is not started', async () => {
    const { promise: lateNetwork, resolve: attached } = Promise.withResolvers<void>()
    const { tasks, create, started } = serviceOf('pod', { lateNetwork })
    await create('pod')
    const starting = tasks.start({ id: 'pod', execId: '' })
    const removal = tasks.delete({ id: 'pod', execId: '' })
    attached()
    await expect(starting).rejects.toThrow('[TASK_NOT_FOUND]')
    await removal
    expect(started).toEqual([])
  })

  test('an exec whose start comes before that of its container is refused, and can be started after that', async () => {
    const { tasks, create, exec, started } = serviceOf('pod')
    await create('pod')
    await exec('pod', 'e')
    const ids = { id: 'pod', execId: 'e' }
    await expect(tasks.start(ids)).rejects.toMatchObject({
      ...wrongState,
      fields: { action: 'exec in', id: 'pod', state: 'created' },
    })
    await tasks.start({ id: 'pod', execId: '' })
    await tasks.start(ids)
    expect(started).toEqual(['pod', 'e'])
  })

  test('an exec that is removed as its start is asked for does not run unknown to anybody', async () => {
    const { tasks, exec, started } = await running()
    await exec('pod', 'e')
    const ids = { id: 'pod', execId: 'e' }
    const [removed, begun] = await Promise.allSettled([tasks.delete(ids), tasks.start(ids)])
    expect(removed.status).toBe('fulfilled')
    expect(begun).toMatchObject({ reason: { code: 'TASK_NOT_FOUND' } })
    expect(started).toEqual(['pod'])
  })

  test('a container that is killed as its start is asked for does not run', async () => {
    const { tasks, create, started, exits } = serviceOf('pod')
    await create('pod')
    await create('web')
    const ids = { id: 'web', execId: '' }
    const [killed, begun] = await Promise.allSettled([
      tasks.kill({ ...ids, signal: 9, all: false }),
      tasks.start(ids),
    ])
    expect(killed.status).toBe('fulfilled')
    expect(begun).toMatchObject({ reason: wrongState })
    expect(started).toEqual([])
    expect((await tasks.state(ids)).status).toBe(Status.STOPPED)
    expect(exits).toEqual(['web'])
  })

  test('no exec is made in what is paused, and none started', async () => {
    const { tasks, exec, answer, started } = await running()
    await exec('pod', 'early')
    const paused = tasks.pause({ id: 'pod' })
    answer()
    await paused
    await expect(exec('pod', 'one')).rejects.toMatchObject(wrongState)
    await expect(tasks.start({ id: 'pod', execId: 'early' })).rejects.toMatchObject(wrongState)
    expect(started).toEqual(['pod'])
    const resumed = tasks.resume({ id: 'pod' })
    answer()
    await resumed
    await exec('pod', 'one')
    await tasks.start({ id: 'pod', execId: 'early' })
    expect(started).toEqual(['pod', 'early'])
  })

  test('what is being started is not frozen meanwhile, and nothing is started into a pause', async () => {
    const { promise: starts, resolve: run } = Promise.withResolvers<void>()
    const { tasks, exec, answer, started } = await running({ starts })
    await exec('pod', 'slow')
    await exec('pod', 'late')
    const starting = tasks.start({ id: 'pod', execId: 'slow' })
    const paused = tasks.pause({ id: 'pod' })
    const late = tasks.start({ id: 'pod', execId: 'late' })
    late.catch(() => {})
    await Bun.sleep(1)
    // The guest was not asked for the pause.
    expect(answer).toThrow()
    expect(started).toEqual(['pod'])
    run()
    await starting
    await Bun.sleep(1)
    answer()
    await paused
    await expect(late).rejects.toMatchObject({ ...wrongState, fields: { state: 'paused' } })
    expect(started).toEqual(['pod', 'slow'])
  })

  test('a pause does not wait for ever for what is being started', async () => {
    const { promise: starts, resolve: run } = Promise.withResolvers<void>()
    const { tasks, exec, answer, started } = await running({ starts, execsStartMs: 5 })
    await exec('pod', 'slow')
    await exec('pod', 'late')
    const starting = tasks.start({ id: 'pod', execId: 'slow' })
    const refused = tasks.pause({ id: 'pod' })
    const late = tasks.start({ id: 'pod', execId: 'late' })
    await expect(refused).rejects.toMatchObject({
      ...wrongState,
      fields: { action: 'pause', state: 'starting a process' },
    })
    // What had waited for the pause goes on.
    await late
    run()
    await starting
    expect(started).toEqual(['pod', 'late', 'slow'])
    const paused = tasks.pause({ id: 'pod' })
    answer()
    await paused
  })

  test('no exec is started in what has ended', async () => {
    const { tasks, exec, ends, started } = await running()
    await exec('pod', 'one')
    ends.get('pod')!(3)
    await tasks.wait({ id: 'pod', execId: '' })
    await expect(tasks.start({ id: 'pod', execId: 'one' })).rejects.toMatchObject(wrongState)
    expect(started).toEqual(['pod'])
    // As before: its client can still remove it.
    await tasks.delete({ id: 'pod', execId: 'one' })
  })

  test('a signal for all of a container that has ended has reached all', async () => {
    const { tasks, signals } = await ended()
    for (const signal of [9, 15]) {
      await tasks.kill({ id: 'pod', execId: '', signal, all: true })
      const alone = tasks.kill({ id: 'pod', execId: '', signal, all: false })
      await expect(alone).rejects.toThrow('[TASK_NOT_FOUND]')
    }
    expect(signals).toEqual([])
  })

  test('limits of a container that has ended are not changed; those of one not yet started are', async () => {
    const resources = { typeUrl: '', value: Buffer.from('{}') }
    const { tasks, updated } = await ended()
    const update = tasks.update({ id: 'pod', resources, annotations: {} })
    await expect(update).rejects.toMatchObject(wrongState)
    expect(updated).toEqual([])
    const other = serviceOf('pod')
    await other.create('pod')
    await other.tasks.update({ id: 'pod', resources, annotations: {} })
    expect(other.updated).toEqual(['pod'])
  })

  test('a size for a process without a terminal is none', async () => {
    const { tasks, resized } = await running()
    await tasks.resizePty({ id: 'pod', execId: '', width: 80, height: 24 })
    expect(resized).toEqual([])
  })

  test.each<[string, (tasks: TaskService) => Promise<unknown>, object | undefined]>([
    ['a second start', (tasks) => tasks.start({ id: 'pod', execId: '' }), wrongState],
    ['a start of nothing', (tasks) => tasks.start({ id: 'pod', execId: 'x' }), { status: 'not_found' }],
    ['a removal before the end', (tasks) => tasks.delete({ id: 'pod', execId: '' }), wrongState],
    ['a wait for nothing', (tasks) => tasks.wait({ id: 'pod', execId: 'x' }), { status: 'not_found' }],
    ['a resume of what runs', (tasks) => tasks.resume({ id: 'pod' }), wrongState],
    ['a second end of input', (tasks) => tasks.closeIO({ id: 'pod', execId: '', stdin: true }), undefined],
  ])('%s', async (_, call, error) => {
    const { tasks } = await running()
    await tasks.closeIO({ id: 'pod', execId: '', stdin: true })
    if (error === undefined) expect(await call(tasks)).toEqual({})
    else await expect(call(tasks)).rejects.toMatchObject(error)
    expect((await tasks.state({ id: 'pod', execId: '' })).status).toBe(Status.RUNNING)
  })
})

describe('a container that is paused and resumed', () => {
  const running = async () => {
    const service = serviceOf('pod')
    for (const id of ['pod', 'web']) {
      await service.create(id)
      await service.tasks.start({ id, execId: '' })
    }
    service.topics.length = 0
    return service
  }
  /** Ends it while the guest has not yet answered `call`. */
  const endedDuring = async (service: Awaited<ReturnType<typeof running>>, call: Promise<object>) => {
    service.ends.get('web')!(137)
    await service.tasks.wait({ id: 'web', execId: '' })
    service.answer()
    await expect(call).rejects.toThrow(/^\[TASK_STATE\] cannot (pause|unpause) web: it is stopped/)
    await service.tasks.delete({ id: 'web', execId: '' })
    return service.topics
  }

  test('has the states and events of that', async () => {
    const { tasks, answer, topics } = await running()
    for (const call of ['pause', 'resume'] as const) {
      const called = tasks[call]({ id: 'web' })
      answer()
      await called
    }
    expect(topics).toEqual(['paused', 'resumed'])
  })

  test('has the size that its terminal was given meanwhile', async () => {
    const { tasks, create, answer, resized } = serviceOf('pod')
    await create('pod', { terminal: true })
    await tasks.start({ id: 'pod', execId: '' })
    const pausing = tasks.pause({ id: 'pod' })
    answer()
    await pausing
    await tasks.resizePty({ id: 'pod', execId: '', width: 80, height: 24 })
    expect(resized).toEqual(['pod'])
  })

  test('and ends before the pause is answered has ended, and can be deleted', async () => {
    const service = await running()
    expect(await endedDuring(service, service.tasks.pause({ id: 'web' }))).toEqual(['exit', 'delete'])
  })

  test('and ends before the resume is answered has ended, and can be deleted', async () => {
    const service = await running()
    const paused = service.tasks.pause({ id: 'web' })
    service.answer()
    await paused
    const topics = await endedDuring(service, service.tasks.resume({ id: 'web' }))
    expect(topics).toEqual(['paused', 'exit', 'delete'])
  })
})

describe('a container whose machine is saved', () => {
  const saving = async (exit = false) => {
    const asked = Promise.withResolvers<AbortSignal>()
    const saved = Promise.withResolvers<void>()
    const save = async ({ signal }: { signal: AbortSignal }) => {
      asked.resolve(signal)
      signal.addEventListener('abort', () => saved.reject(signal.reason))
      await saved.promise
    }
    const service = serviceOf('pod', { clientReturns: false, save })
    await service.create('pod')
    await service.tasks.start({ id: 'pod', execId: '' })
    service.topics.length = 0
    const call: { cancel?: (reason: TtrpcError) => void } = {}
    const onCancel = (handler: (reason: TtrpcError) => void) => {
      call.cancel = handler
    }
    const value = CheckpointOptions.encode({ exit }).finish()
    const options = { typeUrl: 'containerd.runc.v1.CheckpointOptions', value }
    const request = { id: 'pod', path: '/saved', options }
    const work = service.tasks.checkpoint(request, { onCancel })
    return { service, work, call, saved, signal: await asked.promise }
  }

  test('is not saved for containerd, which is told', async () => {
    const { tasks, create } = serviceOf('pod')
    await create('pod')
    const request = { id: 'pod', path: '/saved', options: undefined }
    await expect(tasks.checkpoint(request)).rejects.toMatchObject({
      code: 'TASK_UNSUPPORTED',
      fields: { action: 'checkpoint' },
      remedy: expect.stringContaining('kata-ts suspend'),
    })
  })

  test('is not restored for containerd, whose checkpoints are images of strangers', async () => {
    const { tasks, create } = serviceOf('pod')
    await expect(create('pod', { checkpoint: '/run/ctrd-checkpoint' })).rejects.toMatchObject({
      code: 'TASK_UNSUPPORTED',
      fields: { action: 'restore' },
    })
    await create('pod')
    // The start of another container of the pod would pass it over without a word.
    await expect(create('web', { checkpoint: '/run/ctrd-checkpoint' })).rejects.toThrow('[TASK_UNSUPPORTED]')
    await expect(tasks.state({ id: 'web', execId: '' })).rejects.toThrow('[TASK_NOT_FOUND]')
    await serviceOf('pod', { clientReturns: false }).create('pod', { checkpoint: '/saved' })
  })

  test('goes on, and is not saved, once its client has gone', async () => {
    const { work, call, signal } = await saving()
    expect(signal.aborted).toBe(false)
    const gone = new TtrpcError('unavailable', 'the connection is closed')
    call.cancel!(gone)
    await expect(work).rejects.toBe(gone)
    expect(signal.aborted).toBe(true)
  })

  test('gets other limits after that: it would be saved with a machine of another size than is noted', async () => {
    const { service, work, saved } = await saving()
    const update = service.tasks.update({
      id: 'pod',
      resources: { typeUrl: '', value: Buffer.from('{}') },
      annotations: {},
    })
    await Bun.sleep(1)
    expect(service.updated).toEqual([])
    saved.resolve()
    await Promise.all([work, update])
    expect(service.updated).toEqual(['pod'])
  })

  test('is saved after a change of its limits that had begun, though the client of that has gone', async () => {
    const { promise: updates, resolve: grow } = Promise.withResolvers<void>()
    const saves: string[][] = []
    const { tasks, create, updated } = serviceOf('pod', {
      clientReturns: false,
      updates,
      save: async () => void saves.push([...updated]),
    })
    await create('pod')
    await tasks.start({ id: 'pod', execId: '' })
    const update = tasks.update({
      id: 'pod',
      resources: { typeUrl: '', value: Buffer.from('{}') },
      annotations: {},
    })
    const saving = tasks.checkpoint({ id: 'pod', path: '/saved', options: undefined })
    await Bun.sleep(1)
    expect(saves).toEqual([])
    grow()
    await Promise.all([update, saving])
    expect(saves).toEqual([['pod']])
  })

  test('that is stopped meanwhile is not saved, and its client reads why', async () => {
    const { service, work, saved } = await saving()
    const stopped = service.tasks.shutdown({ id: 'pod', now: true })
    // As the machine's end breaks it off.
    saved.reject(new DOMException('The operation was aborted.', 'AbortError'))
    await expect(work).rejects.toThrow('[TASK_STATE] cannot save pod: it is stopped')
    await stopped
  })

  test('is not kept from that by an exec whose client made it and went away', async () => {
    const service = serviceOf('pod', { clientReturns: false })
    await service.create('pod')
    await service.tasks.start({ id: 'pod', execId: '' })
    await service.exec('pod', 'left')
    const request = { id: 'pod', path: '/saved', options: undefined }
    await service.tasks.checkpoint(request)
    await service.tasks.start({ id: 'pod', execId: 'left' })
    await expect(service.tasks.checkpoint(request)).rejects.toThrow('exec has started')
  })

  test('starts an exec after that, and not into what is saved', async () => {
    const { service, work, saved } = await saving()
    await service.exec('pod', 'late')
    const started = service.tasks.start({ id: 'pod', execId: 'late' })
    await Bun.sleep(0)
    expect((await service.tasks.state({ id: 'pod', execId: 'late' })).status).toBe(Status.CREATED)
    saved.resolve()
    await work
    await started
    expect((await service.tasks.state({ id: 'pod', execId: 'late' })).status).toBe(Status.RUNNING)
  })

  test.each([
    ['has not ended when it is suspended', true, []],
    ['has ended when it dies after it was saved', false, ['pod']],
  ])('%s', async (_, exit, exits) => {
    const { service, work, saved } = await saving(exit)
    service.ends.get('pod')!(137)
    saved.resolve()
    await work
    await Bun.sleep(1)
    expect(service.exits).toEqual(exits)
  })

  test('is paused after that, which would let it go on', async () => {
    const { service, work, saved } = await saving()
    const paused = service.tasks.pause({ id: 'pod' })
    await Bun.sleep(0)
    expect(() => service.answer()).toThrow()
    saved.resolve()
    await work
    await Bun.sleep(0)
    service.answer()
    await paused
    expect(service.topics).toEqual(['paused'])
  })

  test.each(['pause', 'resume'] as const)(
    'is not saved until a %s is over that was asked for before',
    async (action) => {
      let saves = 0
      const service = serviceOf('pod', { clientReturns: false, save: async () => void saves++ })
      const { tasks } = service
      await service.create('pod')
      await tasks.start({ id: 'pod', execId: '' })
      if (action === 'resume') {
        const paused = tasks.pause({ id: 'pod' })
        service.answer()
        await paused
      }
      const changed = tasks[action]({ id: 'pod' })
      const saved = tasks.checkpoint({ id: 'pod', path: '/saved', options: undefined }).then(
        () => 'saved',
        ({ code }) => code,
      )
      await Bun.sleep(1)
      expect(saves).toBe(0)
      service.answer()
      await changed
      // What is paused would go on by its save, and be taken for paused.
      expect([await saved, saves]).toEqual(action === 'pause' ? ['TASK_STATE', 0] : ['saved', 1])
    },
  )
})

test('a container is not saved during a pause, though a resume was refused meanwhile', async () => {
  let saves = 0
  const { tasks, create, answer } = serviceOf('pod', { clientReturns: false, save: async () => void saves++ })
  await create('pod')
  await tasks.start({ id: 'pod', execId: '' })
  const paused = tasks.pause({ id: 'pod' })
  await expect(tasks.resume({ id: 'pod' })).rejects.toThrow('[TASK_STATE]')
  const saved = tasks.checkpoint({ id: 'pod', path: '/saved', options: undefined })
  saved.catch(() => {})
  await Bun.sleep(1)
  expect(saves).toBe(0)
  answer()
  await paused
  await expect(saved).rejects.toThrow('[TASK_STATE] cannot checkpoint pod: it is paused')
  expect(saves).toBe(0)
})

test('a container is saved beside an exec that nobody has started, and not beside one that runs', async () => {
  let saves = 0
  const service = serviceOf('pod', { clientReturns: false, save: async () => void saves++ })
  await service.create('pod')
  await service.tasks.start({ id: 'pod', execId: '' })
  const save = () => service.tasks.checkpoint({ id: 'pod', path: '/saved', options: undefined })
  // Its client was killed before it said more.
  await service.exec('pod', 'forgotten')
  await save()
  expect(saves).toBe(1)
  await service.tasks.start({ id: 'pod', execId: 'forgotten' })
  await expect(save()).rejects.toMatchObject({ code: 'CHECKPOINT_REFUSED' })
  expect(saves).toBe(1)
})

test('an exec that nobody comes back for is forgotten once it has ended', async () => {
  const { tasks, create, ends, exits } = serviceOf('pod')
  await create('pod')
  await tasks.start({ id: 'pod', execId: '' })
  const request = { id: 'pod', execId: 'left', spec: { value: Buffer.from('{}') } }
  await tasks.exec(ExecProcessRequest.fromPartial(request), {
    metadata: new Map(Object.entries(forgetsAtEnd)),
  })
  await tasks.start({ id: 'pod', execId: 'left' })
  ends.get('left')!(0)
  await Bun.sleep(5)
  expect(exits).toEqual(['left'])
  await expect(tasks.state({ id: 'pod', execId: 'left' })).rejects.toThrow('[TASK_NOT_FOUND]')
})

test('a container that is killed by who does not come back is removed once it has ended', async () => {
  const { tasks, create, ends, removed } = serviceOf('pod', { deaf: true })
  for (const id of ['pod', 'web']) {
    await create(id)
    await tasks.start({ id, execId: '' })
  }
  const metadata = new Map(Object.entries(forgetsAtEnd))
  await tasks.kill({ id: 'web', execId: '', signal: 9, all: true }, { metadata, peer: undefined })
  expect(removed).toEqual([])
  ends.get('web')!(137)
  expect((await tasks.wait({ id: 'web', execId: '' })).exitStatus).toBe(137)
  await Bun.sleep(1)
  expect(removed).toEqual(['web'])
  await expect(tasks.state({ id: 'web', execId: '' })).rejects.toThrow('[TASK_NOT_FOUND]')
})

test('an exec is forgotten at its end if the client whose it is was killed', async () => {
  const { tasks, create, ends } = serviceOf('pod')
  await create('pod')
  await tasks.start({ id: 'pod', execId: '' })
  const client = Bun.spawn(['sleep', '60'])
  const metadata = new Map(Object.entries(attachesExecs))
  // As one in another pid namespace looks.
  const unseen = 0
  for (const [execId, peer] of [
    ['first', client.pid],
    ['second', client.pid],
    ['third', unseen],
  ] as const) {
    const request = { id: 'pod', execId, spec: { value: Buffer.from('{}') } }
    await tasks.exec(ExecProcessRequest.fromPartial(request), { metadata, peer })
    await tasks.start({ id: 'pod', execId })
  }
  for (const execId of ['first', 'third']) {
    ends.get(execId)!(0)
    await tasks.wait({ id: 'pod', execId })
  }
  client.kill('SIGKILL')
  await client.exited
  ends.get('second')!(0)
  await tasks.wait({ id: 'pod', execId: 'second' })
  await Bun.sleep(5)
  for (const execId of ['first', 'third'])
    expect((await tasks.state({ id: 'pod', execId })).status).toBe(Status.STOPPED)
  await expect(tasks.state({ id: 'pod', execId: 'second' })).rejects.toThrow('[TASK_NOT_FOUND]')
})

test('nothing is kept of clients that give up their wait for a container that lives on, and the others have its end', async () => {
  const { tasks, create, ends } = serviceOf('pod')
  await create('pod')
  const ids = { id: 'pod', execId: '' }
  await tasks.start(ids)
  const waits = tasks.wait(ids)
  const giveUp = () => {
    const cancels: ((reason: TtrpcError) => void)[] = []
    void tasks.wait(ids, { onCancel: (handler) => void cancels.push(handler) })
    for (const cancel of cancels) cancel(new TtrpcError('unavailable', 'the connection is closed'))
  }
  const promises = () => {
    Bun.gc(true)
    return heapStats().objectTypeCounts.Promise ?? 0
  }
  const clients = 1000
  giveUp()
  const before = promises()
  for (let client = 0; client < clients; client++) giveUp()
  // The garbage of a turn is collected after it.
  await Bun.sleep(1)
  expect(promises() - before).toBeLessThan(clients / 10)
  ends.get('pod')!(7)
  expect((await waits).exitStatus).toBe(7)
  expect((await tasks.wait(ids)).exitStatus).toBe(7)
})

test('a container that ran out of memory is told and marked; one that is none of ours is not', async () => {
  const { tasks, create, topics } = serviceOf('one')
  await create('one')
  tasks.oomKilled('other')
  expect({ topics, marked: wasOomKilled(bundle) }).toEqual({ topics: ['create'], marked: false })
  tasks.oomKilled('one')
  expect({ topics, marked: wasOomKilled(bundle) }).toEqual({ topics: ['create', 'oom'], marked: true })
})

describe('the input of a container whose client closes its end without a word', () => {
  test.each<[string, Parameters<typeof serviceOf>[1] & { terminal?: boolean }, string[]]>([
    ['goes on where all of containerd has gone', { clientsStay: false }, []],
    ['is over while containerd is there', {}, ['pod']],
    ['goes on where it is a terminal, which has no end of input', { terminal: true }, []],
    ['is over for the command line', { clientsStay: false, terminal: true, clientReturns: false }, ['pod']],
  ])('%s', async (_, { terminal = false, ...options }, over) => {
    const { tasks, create, ends, inputsOver } = serviceOf('pod', options)
    const stdin = join(bundle, 'stdin')
    makeFifo(stdin)
    await create('pod', { stdin, terminal })
    await tasks.start({ id: 'pod', execId: '' })
    closeSync(openSync(stdin, constants.O_WRONLY))
    // A client that does say so has said it by then. When that time begins is when the end is seen.
    if (over.length === 0) await Bun.sleep(1200)
    else while (inputsOver.length === 0) await Bun.sleep(10)
    expect(inputsOver).toEqual(over)
    ends.get('pod')!(0)
    await tasks.wait({ id: 'pod', execId: '' })
  })
})

test('a machine without a processor of its host is not ended for a process that it has not ended yet', async () => {
  let asked = 0
  // It waits half of each time, twice.
  const waited = () => [0, 5, 5, 10, 10, 10][asked++]!
  const { tasks, create, deaths } = serviceOf('pod', { endMs: 10, deaf: true, waited })
  await create('pod')
  await tasks.start({ id: 'pod', execId: '' })
  await tasks.kill({ id: 'pod', execId: '', signal: 9, all: false })
  await tasks.wait({ id: 'pod', execId: '' })
  expect({ asked, deaths: deaths.length }).toEqual({ asked: 6, deaths: 1 })
})

test('a service is over once none of its tasks runs or may still be started', async () => {
  const { tasks, create, ends } = serviceOf('pod')
  expect(tasks.isOver).toBe(true)
  await create('pod')
  expect(tasks.isOver).toBe(false)
  await tasks.start({ id: 'pod', execId: '' })
  expect(tasks.isOver).toBe(false)
  ends.get('pod')!(0)
  await tasks.wait({ id: 'pod', execId: '' })
  expect({ isOver: tasks.isOver, isIdle: tasks.isIdle }).toEqual({ isOver: true, isIdle: false })
})

test('a container that nobody started is over with its machine', async () => {
  const { tasks, create, ends } = serviceOf('pod')
  await create('pod')
  await tasks.start({ id: 'pod', execId: '' })
  // Its client died while it was made, and the next one knows nothing of it.
  await create('side')
  ends.get('pod')!(0)
  await tasks.wait({ id: 'pod', execId: '' })
  expect(tasks.isOver).toBe(false)
  await tasks.delete({ id: 'pod', execId: '' })
  expect({ isOver: tasks.isOver, isIdle: tasks.isIdle }).toEqual({ isOver: true, isIdle: false })
})

test.each([
  ['its own', 'pod', ''],
  ['another', 'web', ''],
  ['an exec of another', 'web', 'one'],
])('a guest that does not end what was killed loses its machine: %s', async (_, id, execId) => {
  const { tasks, create, exec, deaths, stops } = serviceOf('pod', { endMs: 20, deaf: true })
  for (const task of ['pod', 'web']) {
    await create(task)
    await tasks.start({ id: task, execId: '' })
  }
  await exec('web', 'one')
  await tasks.start({ id: 'web', execId: 'one' })
  await tasks.kill({ id, execId, signal: 9, all: false })
  for (const task of ['pod', 'web']) expect((await tasks.wait({ id: task, execId: '' })).exitStatus).toBe(255)
  await tasks.delete({ id: 'web', execId: '' })
  await tasks.delete({ id: 'pod', execId: '' })
  expect(deaths).toEqual([
    expect.stringContaining(`its guest did not end ${execId || id} within 0.02 s of SIGKILL`),
  ])
  expect(stops()).toBe(1)
})

test('a guest that is long about the start of an exec that was killed keeps its machine', async () => {
  const { promise: starts, resolve: begin } = Promise.withResolvers<void>()
  const { tasks, create, exec, deaths } = serviceOf('pod', { endMs: 20, starts })
  await create('pod')
  await tasks.start({ id: 'pod', execId: '' })
  await exec('pod', 'slow')
  const starting = tasks.start({ id: 'pod', execId: 'slow' })
  const killing = tasks.kill({ id: 'pod', execId: 'slow', signal: 9, all: false })
  await Bun.sleep(60)
  begin()
  await Promise.all([starting, killing])
  expect((await tasks.wait({ id: 'pod', execId: 'slow' })).exitStatus).toBe(137)
  expect(deaths).toEqual([])
})

describe('a teardown that leaves something', () => {
  const pair = async () => {
    const service = serviceOf('pod', { held: 'mount' })
    for (const id of ['pod', 'web']) {
      await service.create(id)
      await service.tasks.start({ id, execId: '' })
    }
    service.ends.get('pod')!(0)
    return service
  }

  test("is told once in the log and in the answer to the Delete of the pod's own container, and of no other", async () => {
    const { tasks, topics, left, stops } = await pair()
    expect((await tasks.wait({ id: 'web', execId: '' })).exitStatus).toBe(255)
    await tasks.delete({ id: 'web', execId: '' })
    const told = '[RELEASE_FAILED] could not release everything: mount still held (EBUSY)'
    await expect(tasks.delete({ id: 'pod', execId: '' })).rejects.toThrow(told)
    await expect(tasks.delete({ id: 'pod', execId: '' })).rejects.toThrow('TASK_NOT_FOUND')
    expect({ left, stops: stops() }).toEqual({ left: [expect.stringContaining(told)], stops: 1 })
    for (const topic of ['exit', 'delete']) expect(topics.filter((told) => told === topic).length).toBe(2)
  })

  test('is told in the answer to Shutdown, and keeps no shim', async () => {
    const { tasks } = await pair()
    await expect(tasks.shutdown({ id: 'pod', now: true })).rejects.toThrow('[RELEASE_FAILED]')
    await tasks.shutdownRequested
  })

  test('after the death of its machine keeps nobody waiting', async () => {
    const { tasks, died, left } = await pair()
    died.resolve({} as KataError)
    expect((await tasks.wait({ id: 'web', execId: '' })).exitStatus).toBe(255)
    expect(left.length).toBe(1)
  })

  test('of a pod whose first container could not be made hides no reason for that', async () => {
    const { tasks, left } = serviceOf('pod', { held: 'mount', refuses: true })
    await expect(tasks.create(CreateTaskRequest.fromPartial({ id: 'pod', bundle }))).rejects.toThrow(
      'no room',
    )
    expect(left.length).toBe(1)
  })
})

test.each([65, 200, 2 ** 32 - 1])(
  'signal %d, which the kernel does not have, ends nothing',
  async (signal) => {
    const { tasks, create, exec, signals } = serviceOf('pod')
    await create('pod')
    const refused = { code: 'SIGNAL_UNKNOWN', status: 'invalid_argument' }
    const kill = (execId = '') => tasks.kill({ id: 'pod', execId, signal, all: false })
    await expect(kill()).rejects.toMatchObject(refused)
    expect((await tasks.state({ id: 'pod', execId: '' })).status).toBe(Status.CREATED)
    await tasks.start({ id: 'pod', execId: '' })
    await exec('pod', 'e')
    await tasks.start({ id: 'pod', execId: 'e' })
    await expect(kill()).rejects.toMatchObject(refused)
    await expect(kill('e')).rejects.toMatchObject(refused)
    expect(signals).toEqual([])
  },
)

describe('events', () => {
  test('of a task: create, start, exit, delete', async () => {
    const { tasks, create, ends, topics } = serviceOf('one')
    await create('one')
    await tasks.start({ id: 'one', execId: '' })
    ends.get('one')!(0)
    await tasks.wait({ id: 'one', execId: '' })
    await tasks.delete({ id: 'one', execId: '' })
    expect(topics).toEqual(['create', 'start', 'exit', 'delete'])
  })

  test('of an exec: added, started, exit, and none for its removal', async () => {
    const { tasks, create, exec, ends, topics } = serviceOf('one')
    await create('one')
    await tasks.start({ id: 'one', execId: '' })
    await exec('one', 'two')
    await tasks.start({ id: 'one', execId: 'two' })
    ends.get('two')!(0)
    await tasks.wait({ id: 'one', execId: 'two' })
    await tasks.delete({ id: 'one', execId: 'two' })
    expect(topics).toEqual(['create', 'start', 'exec-added', 'exec-started', 'exit'])
  })

  test('an exec that could not start has no exit', async () => {
    const { tasks, create, exec, topics } = serviceOf('one')
    await create('one')
    await tasks.start({ id: 'one', execId: '' })
    await exec('one', 'bad')
    await expect(tasks.start({ id: 'one', execId: 'bad' })).rejects.toThrow('refused')
    await tasks.delete({ id: 'one', execId: 'bad' })
    expect(topics).toEqual(['create', 'start', 'exec-added'])
  })

  test('an exec that was not started takes no signal, and can be removed', async () => {
    const { tasks, create, exec, topics } = serviceOf('one')
    await create('one')
    await tasks.start({ id: 'one', execId: '' })
    await exec('one', 'two')
    const killed = tasks.kill({ id: 'one', execId: 'two', signal: 9, all: false })
    await expect(killed).rejects.toThrow('[TASK_STATE] cannot signal two: it is created')
    await tasks.delete({ id: 'one', execId: 'two' })
    expect(topics).toEqual(['create', 'start', 'exec-added'])
  })

  test('whoever waits for what is removed before it was started has an answer, and no exit is told', async () => {
    const { tasks, create, exec, topics } = serviceOf('pod')
    for (const id of ['pod', 'web']) await create(id)
    await tasks.start({ id: 'pod', execId: '' })
    for (const [id, execId] of [
      ['pod', 'one'],
      ['web', 'two'],
    ] as const)
      await exec(id, execId)
    topics.length = 0
    const [one, two, web] = [
      tasks.wait({ id: 'pod', execId: 'one' }),
      tasks.wait({ id: 'web', execId: 'two' }),
      tasks.wait({ id: 'web', execId: '' }),
    ]
    await tasks.delete({ id: 'pod', execId: 'one' })
    expect((await one).exitStatus).toBe(255)
    await tasks.delete({ id: 'web', execId: '' })
    expect((await Promise.all([two, web])).map(({ exitStatus }) => exitStatus)).toEqual([255, 255])
    expect(topics).toEqual(['delete'])
  })

  test('a task that is killed before it was started has an exit', async () => {
    const { tasks, create, topics } = serviceOf('one')
    await create('one')
    await tasks.kill({ id: 'one', execId: '', signal: 9, all: false })
    expect((await tasks.wait({ id: 'one', execId: '' })).exitStatus).toBe(137)
    expect(topics).toEqual(['create', 'exit'])
  })
})
