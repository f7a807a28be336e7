// test:vmm: every VMM
/** Standard input and terminals as a kubelet asks for them, under runc and here: both give the same. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import { ContainerState } from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'
import type { ContainerOptions, Pod } from './cri.ts'
import { RemoteProcess } from './streams.ts'

setDefaultTimeout(slow(90_000))

let before: HostState
let containerd: Containerd
let logDirectory: string
beforeAll(async () => {
  before = hostState(defaultRunDir)
  containerd = await Containerd.start()
  logDirectory = `${containerd.files.root}/logs`
  mkdirSync(logDirectory)
}, slow(120_000))
afterAll(async () => {
  await containerd?.close()
  await expectNothingLeft(before, defaultRunDir)
}, slow(60_000))

const calls = () => containerd.cri.calls
const statusOf = async (containerId: string) => (await calls().containerStatus({ containerId })).status!
const exitCode = async (containerId: string) =>
  (
    await eventually('the end', async () => {
      const status = await statusOf(containerId)
      return status.state === ContainerState.CONTAINER_EXITED ? status : undefined
    })
  ).exitCode
async function attach(containerId: string, tty = false): Promise<RemoteProcess> {
  const streams = { stdin: true, stdout: true, stderr: !tty, tty }
  return new RemoteProcess((await calls().attach({ containerId, ...streams })).url)
}

let serial = 0
describe.each(['runc', 'kata-ts'])('under %s', (handler) => {
  let pod: Pod
  beforeAll(async () => {
    pod = await containerd.cri.runPod({ handler, config: { logDirectory } })
  })
  afterEach(() => pod.clear())
  afterAll(() => pod.remove())

  /** Starts it with a log, whose text is returned without times. */
  async function logged(command: readonly string[], options: ContainerOptions = {}) {
    const logPath = `${++serial}.log`
    const id = await pod.create(command, { logPath, ...options })
    const log = () =>
      readFileSync(`${logDirectory}/${logPath}`, 'utf8')
        .split('\n')
        .map((line) => line.split(' ').slice(3).join(' '))
        .join('\n')
    const logs = (isExpected: (text: string) => boolean) =>
      eventually(
        () => `the log, which is ${JSON.stringify(log())}`,
        () => isExpected(log()) || undefined,
      )
    return { id, logs, start: () => calls().startContainer({ containerId: id }) }
  }

  test('a shell without stdin reads the end of it at once, and ends with 0', async () => {
    const { id, start } = await logged(['sh'])
    await start()
    expect(await exitCode(id)).toBe(0)
    const counted = await logged(['sh', '-c', 'wc -c; test -t 0; echo $?'])
    await counted.start()
    expect(await exitCode(counted.id)).toBe(0)
    await counted.logs((text) => text.startsWith('0\n1\n'))
  })

  test('with stdin it waits for a client, whose end is that of stdin when it is to be once', async () => {
    const { id, logs, start } = await logged(['sh', '-c', 'cat; echo over; exit 3'], {
      stdin: true,
      stdinOnce: true,
    })
    await start()
    await Bun.sleep(500)
    expect((await statusOf(id)).state).toBe(ContainerState.CONTAINER_RUNNING)
    const remote = await attach(id)
    await remote.write('said\n')
    await eventually('the echo', () => remote.stdout.includes('said\n') || undefined)
    remote.close()
    expect(await exitCode(id)).toBe(3)
    await logs((text) => text.startsWith('said\nover\n'))
  })

  test('with stdin that is not to be once, it outlives its client', async () => {
    const { id, start } = await logged(['cat'], { stdin: true })
    await start()
    for (const words of ['first', 'second']) {
      const remote = await attach(id)
      await remote.write(`${words}\n`)
      await eventually('the echo', () => remote.stdout.includes(`${words}\n`) || undefined)
      remote.close()
    }
    expect((await statusOf(id)).state).toBe(ContainerState.CONTAINER_RUNNING)
  })

  test.each(['a pipe', 'a terminal'])(
    'with stdin that is %s it outlives containerd, and hears its next client',
    async (kind) => {
      const tty = kind === 'a terminal'
      const { id, start } = await logged(['cat'], { stdin: true, tty })
      await start()
      await containerd.stopDaemon('SIGKILL')
      await Bun.sleep(2000)
      await containerd.startDaemon()
      expect((await statusOf(id)).state).toBe(ContainerState.CONTAINER_RUNNING)
      const remote = await attach(id, tty)
      await remote.write('said\n')
      await eventually('the echo', () => remote.stdout.includes('said') || undefined)
      remote.close()
    },
  )

  test('a terminal without stdin is a terminal, and has no end of input', async () => {
    const { id, logs, start } = await logged(['sh', '-c', 'test -t 0 && test -t 1 && tty; exec sh'], {
      tty: true,
    })
    await start()
    await logs((text) => text.includes('/dev/pts/0'))
    await Bun.sleep(500)
    expect((await statusOf(id)).state).toBe(ContainerState.CONTAINER_RUNNING)
  })

  test('a terminal has the size of the client that attaches', async () => {
    // Before the client's it has none, or another one.
    const shown = 'until stty size 2>/dev/null | grep "^33 101"; do sleep 0.1; done; exit 5'
    const { id, logs, start } = await logged(['sh', '-c', shown], {
      tty: true,
      stdin: true,
      stdinOnce: true,
    })
    await start()
    const remote = await attach(id, true)
    await remote.resize(101, 33)
    expect(await exitCode(id)).toBe(5)
    await logs((text) => text.includes('33 101'))
    remote.close()
  })
})
