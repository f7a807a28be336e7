/** The host's side of a container over a double of Kata's agent: a request that the real agent refuses fails here. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askAgent } from '../agent/agent-facts.ts'
import { type KataAgentDouble, type KataAgentOptions, startKataAgent } from '../agent/kata-agent.double.ts'
import { makeFifo } from '../linux/files/fifo.ts'
import { silentLogger } from '../log.ts'
import { toAgentSpec } from '../oci/guest/agent-spec.ts'
import { guestSpec } from '../oci/guest/pipeline.ts'
import type { OciLinux, OciSpec } from '../oci/spec.ts'
import { Container, createInGuest } from '../sandbox/container.ts'
import { requireSeccomp } from '../sandbox/guest/agent-support.ts'

import type { GuestProcess } from '../sandbox/guest/guest-process.ts'

import { killLimits } from './daemon/after-kill.ts'
import { Task } from './task/task.ts'
import { TaskProcess } from './task/task-process.ts'

let directory: string
let kata: KataAgentDouble
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-'))
  kata = startKataAgent({ drainMs: 20 })
})
afterEach(() => {
  kata[Symbol.dispose]()
  rmSync(directory, { recursive: true })
})

const specOf = (args: readonly string[], linux: OciLinux = {}): OciSpec => ({
  process: { args, cwd: '/', env: [] },
  root: { path: '/bundle/rootfs' },
  linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }], ...linux },
})
const hostFacts = {
  containerId: 'c',
  bundle: '/b',
  rights: { every: false, rules: [] },
  rootfs: '/r',
  mounts: [],
  passedDevices: [],
  diskRules: [],
  mountRules: [],
  disableGuestSeccomp: false,
}

/** A container as the sandbox makes it, on the test's agent by default. */
async function create(args: readonly string[], { linux = {}, on = kata } = {}): Promise<Container> {
  const facts = await askAgent(on.agent)
  const spec = specOf(args, linux)
  const oci = toAgentSpec(guestSpec(spec, hostFacts))
  await createInGuest(on.agent, { containerId: 'c', execId: 'c', oci }, { timeoutMs: 1000, facts })
  const surroundings = { guestId: 'c', resize: async () => {}, remove: async () => {} }
  return new Container('c', on.agent, { pid: 1, agentFacts: facts, resources: {}, ...surroundings })
}

/** The process as a client of the shim sees it, with a file or a FIFO for its output. */
function served(guest: GuestProcess, stdout = `file://${fileOf('out')}`): TaskProcess {
  const stdio = { stdin: '', stdout, stderr: `file://${fileOf('err')}`, terminal: false }
  const { signal: lost } = new AbortController()
  return new TaskProcess({
    namespace: 'default',
    id: 'p',
    stdio,
    guest,
    lost,
    log: silentLogger,
    limits: { ...killLimits, stallMs: 50 },
  })
}

function fileOf(name: string): string {
  const path = join(directory, name)
  writeFileSync(path, '')
  return path
}

async function outcomeOf(guest: GuestProcess) {
  const process = served(guest)
  await process.start()
  const { status } = await process.exited
  const [stdout, stderr] = ['out', 'err'].map((name) => readFileSync(join(directory, name), 'utf8'))
  return { status, stdout, stderr }
}

const sh = (script: string) => ({ args: ['sh', '-c', script], cwd: '/', env: [], user: {} })

describe('output', () => {
  test('the double is strict: with the answer to WaitProcess everything unread is gone', async () => {
    const { init } = await create(['echo', 'lost'])
    await init.start()
    expect(await init.wait()).toBe(0)
    const read = kata.agent.readStdout({ containerId: 'c', len: 1 })
    await expect(read).rejects.toMatchObject({ code: 'not_found' })
  })

  test('of a process and of a dozen execs is whole, and WaitProcess comes once for each', async () => {
    const container = await create(['sh', '-c', 'echo started; exec sleep 100'])
    const init = served(container.init, `file://${fileOf('init')}`)
    await init.start()
    for (let round = 0; round < 12; round++) {
      const exec = container.exec(`e${round}`, sh('echo one; echo two >&2; echo three; exit 7'))
      expect(await outcomeOf(exec)).toEqual({ status: 7, stdout: 'one\nthree\n', stderr: 'two\n' })
    }
    expect(kata.calls.filter((call) => call === 'WaitProcess').length).toBe(12)
    await container.init.signal(9)
    expect((await init.exited).status).toBe(137)
  })

  test('more than the host holds is kept for a reader that comes late', async () => {
    const path = join(directory, 'fifo')
    makeFifo(path)
    const { init } = await create(['sh', '-c', 'head -c 400000 /dev/zero'])
    const process = served(init, path)
    await process.start()
    await Bun.sleep(100)
    expect(kata.calls).not.toContain('WaitProcess')
    const reader = Bun.spawn(['wc', '-c', path], { stdout: 'pipe' })
    expect((await process.exited).status).toBe(0)
    expect(await new Response(reader.stdout).text()).toStartWith('400000 ')
  })

  test('a process that is killed ends, though nobody reads what it wrote', async () => {
    const path = join(directory, 'fifo')
    makeFifo(path)
    const { init } = await create(['sh', '-c', 'exec cat /dev/zero'])
    const process = served(init, path)
    await process.start()
    await Bun.sleep(100)
    expect(process.state).toBe('running')
    await process.signal(9)
    expect((await process.exited).status).toBe(137)
  })

  test('and so do the execs of a container that is killed', async () => {
    const path = join(directory, 'fifo')
    makeFifo(path)
    const container = await create(['sleep', '100'])
    const init = served(container.init, `file://${fileOf('init')}`)
    const exec = served(container.exec('e', sh('exec cat /dev/zero')), path)
    const task = new Task({ id: 'c', bundle: '/b', container, init })
    task.addExec('e', exec)
    for (const process of [init, exec]) await process.start()
    await container.init.signal(9)
    task.endIsNear()
    expect((await exec.exited).status).toBe(137)
    expect(exec.state).toBe('stopped')
  })

  test('a child that keeps the pipes of its parent does not keep its end back', async () => {
    const { init } = await create(['sh', '-c', 'echo last; sleep 100 & exit 3'])
    expect(await outcomeOf(init)).toEqual({ status: 3, stdout: 'last\n', stderr: '' })
  })
})

describe('a second process', () => {
  test('joins, because no pid namespace is sent', async () => {
    const container = await create(['sleep', '100'])
    await container.init.start()
    expect(await outcomeOf(container.exec('e', sh('exit 5')))).toMatchObject({ status: 5 })
  })

  test('the double is strict: with a pid namespace in the spec none can join', async () => {
    const oci = toAgentSpec(specOf(['sleep', '100']))
    await kata.agent.createContainer({ containerId: 'c', oci })
    await kata.agent.startContainer({ containerId: 'c' })
    const exec = kata.agent.execProcess({ containerId: 'c', execId: 'e', process: { args: ['true'] } })
    await expect(exec).rejects.toThrow('failed to join pidns, EINVAL')
  })

  test('reads the input that it is given, to its end', async () => {
    const container = await create(['sleep', '100'])
    await container.init.start()
    const exec = container.exec('e', sh('cat'))
    await exec.start()
    const chunks: Uint8Array[] = []
    const output = exec.output('stdout', async (chunk) => void chunks.push(chunk))
    async function* words() {
      yield new TextEncoder().encode('twelve bytes')
    }
    await exec.input(words())
    await output
    expect(Buffer.concat(chunks).toString()).toBe('twelve bytes')
  })
})

describe('the end of the input', () => {
  const terminal = async () => {
    const container = await create(['sleep', '100'])
    await container.init.start()
    const exec = container.exec('e', { args: ['sleep', '100'], cwd: '/', env: [], terminal: true })
    await exec.start()
    return exec
  }

  test('does not hang up a terminal', async () => {
    const exec = await terminal()
    await exec.input((async function* () {})(), { isTerminal: true })
    await exec.signal(15)
    expect(await exec.wait()).toBe(143)
  })

  test('the double is strict: a terminal whose input is closed is hung up', async () => {
    const exec = await terminal()
    await kata.agent.closeStdin({ containerId: 'c', execId: 'e' })
    expect(await exec.wait()).toBe(129)
  })
})

describe('a command that cannot be run', () => {
  test('is told as not found by init and exec, without the backtrace', async () => {
    const notFound = /^\[COMMAND_NOT_FOUND\] nosuch: .* \(the file nosuch was not found\)\. [^<]*$/
    await expect(create(['nosuch'])).rejects.toThrow(notFound)
    const container = await create(['sleep', '100'])
    await container.init.start()
    const exec = served(container.exec('e', { args: ['nosuch'], cwd: '/', env: [] }))
    await expect(exec.start()).rejects.toThrow(notFound)
    expect(exec.state).toBe('stopped')
  })

  test('one without the right to execute ends with the errno, as under Kata', async () => {
    const { init } = await create([fileOf('plain')])
    expect((await outcomeOf(init)).status).toBe(13)
  })
})

describe('walls', () => {
  test('the agent is asked whether it has seccomp', async () => {
    const withProfile = specOf(['true'], { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } })
    const ask = async (options: KataAgentOptions) => {
      using double = startKataAgent(options)
      return requireSeccomp(withProfile, 'c', await askAgent(double.agent), false)
    }
    await expect(ask({ seccomp: false })).rejects.toThrow(
      "[AGENT_NO_SECCOMP] container c has a seccomp profile, and Kata's agent 4.1.0",
    )
    await ask({ seccomp: true })
  })

  test('a limit of processes that it takes and does not set fails the container, which is gone', async () => {
    const limited = create(['true'], { linux: { resources: { pids: { limit: 5 } } } })
    await expect(limited).rejects.toThrow('[AGENT_NO_PIDS_LIMIT]')
    expect(kata.containerIds()).toEqual([])
  })
})
