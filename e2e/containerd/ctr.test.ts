// test:vmm: every VMM
/** What a person does with `ctr`: run, exec, attach, terminals, pause, kill and metrics, over two snapshotters. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { podTest } from '../harness/cannot.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { vmm } from '../harness/vmm.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { EventLog } from './events.ts'
import { bareImage, busyboxImage } from './images.ts'

let containerd: Containerd
let events: EventLog
beforeAll(async () => {
  containerd = await Containerd.start()
  events = new EventLog(containerd, 'default')
})
afterAll(async () => {
  events.close()
  await containerd.close()
})

const kata = ['--runtime', ourRuntime]
const run = (id: string, command: readonly string[], flags: readonly string[] = [], stdin = '') =>
  containerd.ctr(['run', '--rm', ...kata, ...flags, busyboxImage, id, ...command], { stdin })
const exec = (id: string, command: readonly string[], stdin = '') =>
  containerd.ctr(['task', 'exec', '--exec-id', crypto.randomUUID(), id, ...command], { stdin })
const statusOf = async (id: string) => {
  const { stdout } = await containerd.ctr(['task', 'ls'])
  return new RegExp(`^${id}\\s+\\d+\\s+(\\w+)`, 'm').exec(stdout)?.[1]
}

describe('run', () => {
  test('exit code, stdout and stderr come through; the host name is that of the pod', async () => {
    const { code, stdout, stderr } = await run('codes', ['sh', '-c', 'hostname; echo err >&2; exit 42'])
    expect({ code, stdout, stderr }).toEqual({ code: 42, stdout: 'codes\n', stderr: 'err\n' })
  })

  test('a command that does not exist names itself, and leaves no task', async () => {
    const { code, stderr } = await run('missing', ['no-such-command'])
    expect(code).toBe(1)
    expect(stderr).toContain('no-such-command')
    expect(await statusOf('missing')).toBeUndefined()
  })

  test('an image without a shell runs its own program only', async () => {
    const { stderr } = await containerd.ctr(['run', '--rm', ...kata, bareImage, 'bare', 'sh'])
    expect(stderr).toMatch(/sh.*not found|no such file/i)
  })

  podTest('options of runc are not for us', async () => {
    const { code, stdout } = await run('options', ['echo', 'fine'], ['--runc-root', '/nowhere'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'fine\n' })
  })
})

describe('a task that goes on', () => {
  const id = 'worker'
  const trap = 'trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.1; done'

  beforeAll(async () => {
    const { code, stderr } = await containerd.ctr([
      'run',
      '-d',
      ...kata,
      '--memory-limit',
      String(64 << 20),
      busyboxImage,
      id,
      'sh',
      '-c',
      trap,
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('is listed as running, under the pid of its VMM', async () => {
    expect(await statusOf(id)).toBe('RUNNING')
    const { stdout } = await containerd.ctr(['task', 'ps', id])
    const pid = /^(\d+)/m.exec(stdout.split('\n')[1] ?? '')?.[1]
    const programs = { qemu: 'qemu-system', clh: 'cloud-hyperviso', firecracker: 'firecracker' }
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toContain(programs[vmm.driver])
  })

  test('exec: exit code, stdin to its end, and an exec of something missing', async () => {
    expect((await exec(id, ['sh', '-c', 'exit 9'])).code).toBe(9)
    expect((await exec(id, ['wc', '-c'], 'twelve bytes')).stdout.trim()).toBe('12')
    const { code, stderr } = await exec(id, ['no-such-command'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('no-such-command')
  })

  test('exec with a terminal sees its size', async () => {
    const output: string[] = []
    // The client tells of its size once the process runs.
    const shown = (size: string) => `until stty size 2>/dev/null | grep "${size}"; do sleep 0.1; done`
    const command = `tty; ${shown('33 101')}; ${shown('24 80')}`
    const address = ['-a', containerd.files.socket]
    const terminal = Bun.spawn(
      ['ctr', ...address, 'task', 'exec', '-t', '--exec-id', 'tty', id, 'sh', '-c', command],
      {
        terminal: {
          cols: 101,
          rows: 33,
          data: (pty, chunk) => {
            output.push(Buffer.from(chunk).toString())
            if (output.join('').includes('33 101')) pty.resize(80, 24)
          },
        },
      },
    )
    expect(await terminal.exited).toBe(0)
    // What it wrote last may be read after its end.
    const isShown = () => /\/dev\/pts\/\d+.*33 101.*24 80/s.test(output.join(''))
    await eventually('the terminal and both sizes', () => isShown() || undefined)
  })

  test('pause stops it and resume lets it go on', async () => {
    await containerd.ctr(['task', 'pause', id])
    expect(await statusOf(id)).toBe('PAUSED')
    await containerd.ctr(['task', 'resume', id])
    expect(await statusOf(id)).toBe('RUNNING')
  })

  test('metrics show what the container uses', async () => {
    const { stdout } = await containerd.ctr(['task', 'metrics', '--format', 'json', id])
    // In the words of the host's cgroup version: 1, then 2.
    const metrics = JSON.parse(stdout) as {
      cpu: { usage?: { total: number }; usage_usec?: number }
      memory: { usage: number | { usage: number; limit: number }; usage_limit?: number }
    }
    const { usage } = metrics.memory
    const memory = typeof usage === 'number' ? { usage, limit: metrics.memory.usage_limit } : usage
    expect(metrics.cpu.usage?.total ?? metrics.cpu.usage_usec).toBeGreaterThan(0)
    expect(memory.usage).toBeGreaterThan(0)
    expect(memory.limit).toBe(64 << 20)
  })

  test('attach gets what it prints from then on, and its exit code', async () => {
    const client = containerd.spawnCtr(['task', 'attach', id])
    // The FIFOs are opened by then; there is no other sign of it.
    await Bun.sleep(500)
    await containerd.ctr(['task', 'kill', '-s', 'SIGTERM', id])
    const timer = setTimeout(() => client.kill('SIGKILL'), slow(20_000))
    expect(await client.exited).toBe(7)
    clearTimeout(timer)
    expect(await new Response(client.stdout).text()).toContain('bye')
    // The client removes the task at its end.
    expect(await statusOf(id)).toBeUndefined()
    expect((await containerd.ctr(['containers', 'rm', id])).code).toBe(0)
  })

  test('all of it was told in the order that containerd wants', async () => {
    const told = await eventually('the last event', async () => {
      const topics = events.of(id)
      return topics.at(-1) === 'delete' ? topics : undefined
    })
    expect(told.slice(0, 2)).toEqual(['create', 'start'])
    expect(told.slice(-2)).toEqual(['exit', 'delete'])
    expect(told.filter((topic) => topic === 'paused' || topic === 'resumed')).toEqual(['paused', 'resumed'])
    const [first] = events.execsOf(id)
    expect(events.ofExec(id, first!)).toEqual(['exec-added', 'exec-started', 'exit'])
  })
})

test('a container that is killed with execs in it: their ends are told before its own', async () => {
  const id = 'crowd'
  await containerd.ctr(['run', '-d', ...kata, busyboxImage, id, 'sleep', '1000'])
  const execs = ['one', 'two', 'three']
  const clients = execs.map((execId) =>
    containerd.ctr(['task', 'exec', '--exec-id', execId, id, 'sleep', '1000']),
  )
  const runs = (execId: string) => events.ofExec(id, execId).includes('exec-started')
  await eventually('the execs', () => execs.every(runs) || undefined)
  await containerd.ctr(['task', 'kill', '-s', 'SIGKILL', id])
  expect((await Promise.all(clients)).map(({ code }) => code)).toEqual([137, 137, 137])
  const exits = await eventually('all ends', () => {
    const told = events.exitsOf(id)
    return told.length === 4 ? told : undefined
  })
  expect(exits.at(-1)).toBe('')
  await containerd.ctr(['task', 'rm', id])
  await containerd.ctr(['containers', 'rm', id])
})

test('a container over its memory limit: the event comes before the exit', async () => {
  const eat = ['dd', 'if=/dev/zero', 'of=/dev/shm/food', 'bs=1M', 'count=40']
  expect((await run('hungry', eat, ['--memory-limit', String(16 << 20)])).code).toBe(137)
  const told = await eventually('the last event', async () =>
    events.of('hungry').at(-1) === 'delete' ? events.of('hungry') : undefined,
  )
  expect(told).toEqual(['create', 'start', 'oom', 'exit', 'delete'])
})

test('the native snapshotter: a plain directory as root file system; kill and rm', async () => {
  await containerd.ctr(['images', 'unpack', '--snapshotter', 'native', busyboxImage])
  const flags = ['--snapshotter', 'native']
  const started = await containerd.ctr([
    'run',
    '-d',
    ...kata,
    ...flags,
    busyboxImage,
    'native',
    'sleep',
    '1000',
  ])
  expect({ code: started.code, stderr: started.stderr }).toEqual({ code: 0, stderr: '' })
  expect((await exec('native', ['sh', '-c', 'echo x > /file; cat /file'])).stdout).toBe('x\n')
  expect((await containerd.ctr(['task', 'rm', 'native'])).stderr).toContain('must be stopped')
  expect((await containerd.ctr(['task', 'kill', '-s', 'KILL', 'native'])).code).toBe(0)
  await eventually('its end', async () => (await statusOf('native')) === 'STOPPED' || undefined)
  expect((await containerd.ctr(['task', 'rm', 'native'])).stderr).toContain('137')
  expect((await containerd.ctr(['containers', 'rm', 'native'])).code).toBe(0)
})

test('many at the same time', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      run(`many-${index}`, ['sh', '-c', `echo ${index}; exit ${index}`]),
    ),
  )
  expect(outcomes).toEqual(
    Array.from({ length: 6 }, (_, index) => ({ code: index, stdout: `${index}\n`, stderr: '' })),
  )
})
