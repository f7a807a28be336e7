/** A shim that waits, with a machine that is none: who is let in, and what it is once it has taken a pod. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readShimProcess } from '../../bundle/shim-process.ts'
import { readWarnings } from '../../bundle/warnings.ts'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { isAlive, processRef, readProc } from '../../linux/processes/proc.ts'
import { isListening, listenUnix } from '../../linux/sockets/socket.ts'
import { silentLogger } from '../../log.ts'
import { openLedger } from '../../sandbox/end/teardown.ts'
import { askWaiting, type NewPod, socketOf } from '../../sandbox/pool/adoption-socket.ts'
import { takeWaiting } from '../../sandbox/pool/take-waiting.ts'
import { ownerResource } from '../../sandbox/records/owner.ts'
import { sandboxPaths, shimSocketPath, waitingPaths } from '../../sandbox/records/paths.ts'
import { nameMachine } from '../../sandbox/records/state-dir.ts'
import { until } from '../../time.ts'
import { build, shimName } from '../../version.ts'

// Each starts processes, and one waits for an answer that does not come.
setDefaultTimeout(30_000)

const source = (name: string) => JSON.stringify(join(import.meta.dir, name))
/** Waits as a shim does, says what it is once it has taken a pod, and stays. */
const programText = `
  import { readdirSync, readlinkSync } from 'node:fs'
  import { loadConfig } from ${source('../../config/load.ts')}
  import { silentLogger } from ${source('../../log.ts')}
  import { waitingPaths } from ${source('../../sandbox/records/paths.ts')}
  import { isCurrent } from ${source('is-current.ts')}
  import { listenForPod } from ${source('listen-for-pod.ts')}
  const [runDir, id, file] = process.argv.slice(2)
  const machine = {
    id,
    config: loadConfig({ file, env: {}, log: silentLogger }),
    paths: waitingPaths(runDir, id),
    pod: { id },
    end: { over: new AbortController().signal },
  }
  listenForPod(machine, {
    runDir,
    isCurrent: () => isCurrent(machine.config, { file, env: {} }),
    onTaken: ({ flags }) => console.log(JSON.stringify({ flags, cwd: process.cwd(), env: process.env, pod: machine.pod })),
    onEnd: () => setTimeout(() => process.exit(7), 50),
  })
  setInterval(() => {}, 1000)`

let runDir: string
let bundle: string
let children: Bun.Subprocess[]
const program = () => `${runDir}/program.ts`
const configurationFile = () => `${runDir}/c.toml`

beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/pool-`)
  bundle = `${runDir}/bundle`
  mkdirSync(bundle)
  children = []
  writeFileSync(program(), programText)
  writeFileSync(configurationFile(), '[hypervisor.qemu]\ndefault_memory = 300\n')
  writeFileSync(`${bundle}/config.json`, JSON.stringify({ root: { path: '/' }, process: { args: ['x'] } }))
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  // One that has just taken a pod still writes in here.
  await Promise.all(children.map(({ exited }) => exited))
  rmSync(runDir, { recursive: true })
})

const pod = (changes: Partial<NewPod> = {}): NewPod => ({
  build,
  namespace: 'default',
  id: 'web',
  address: '',
  publishBinary: '',
  bundle,
  debug: false,
  configPath: configurationFile(),
  env: { PATH: '/bin', TTRPC_ADDRESS: '/c.sock' },
  ...changes,
})

async function waiting(id: string, runsIn = runDir): Promise<Bun.Subprocess> {
  const paths = waitingPaths(runsIn, id)
  mkdirSync(paths.stateDir, { recursive: true })
  const child = Bun.spawn([process.execPath, program(), runsIn, id, configurationFile()], {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: '/bin', OWN: 'its own' },
  })
  children.push(child)
  // The socket has its name a moment before anybody listens at it, and who asks in between is refused.
  const isReady = await until(() => isListening(socketOf(paths)), { timeoutMs: 20_000, everyMs: 10 })
  if (!isReady) throw new Error('it does not wait')
  await openLedger(paths, silentLogger).take(ownerResource, processRef(child.pid)!, () => {})
  return child
}

test('who takes a pod is its shim: socket, name, words, log, environment and directory', async () => {
  const child = await waiting('w1')
  expect(await takeWaiting(runDir, pod())).toBe(true)
  expect(isListening(shimSocketPath(runDir, 'default', 'web'))).toBe(true)
  expect(readlinkSync(sandboxPaths(runDir, 'default', 'web').stateDir)).toBe('../pool/w1')
  expect(readShimProcess(bundle)).toEqual(processRef(child.pid)!)
  expect(readProc(`/proc/${child.pid}/cmdline`)).toStartWith(
    `${shimName}\0${program()}\0-namespace\0default\0-id\0web\0`,
  )
  expect(await until(() => readFileSync(`${bundle}/shim.log`, 'utf8') !== '', { timeoutMs: 5000 })).toBe(true)
  const said = JSON.parse(readFileSync(`${bundle}/shim.log`, 'utf8'))
  expect(said).toMatchObject({
    cwd: bundle,
    env: { PATH: '/bin', TTRPC_ADDRESS: '/c.sock' },
    pod: { id: 'web' },
  })
  expect(said.env.OWN).toBeUndefined()
  expect(said.flags).toEqual({
    action: 'serve',
    namespace: 'default',
    id: 'web',
    address: '',
    publishBinary: '',
    bundle,
    debug: false,
    runDir,
  })
  // It is taken, and no other pod is let in.
  const adoption = socketOf(waitingPaths(runDir, 'w1'))
  expect(await askWaiting(adoption, { ask: 'adopt', pod: pod({ id: 'other' }) }, 5000)).toMatchObject({
    done: false,
  })
  expect(await askWaiting(adoption, { ask: 'end' }, 5000)).toMatchObject({ done: false })
})

test('a pod is passed on until a shim of its configuration takes it', async () => {
  await waiting('w1')
  const other = `${runDir}/other.toml`
  writeFileSync(other, '[hypervisor.qemu]\ndefault_memory = 400\n')
  expect(await takeWaiting(runDir, pod({ configPath: other }))).toBe(false)
  expect(existsSync(shimSocketPath(runDir, 'default', 'web'))).toBe(false)
  // The log of the shim that starts in its place says why.
  expect(JSON.parse(readFileSync(`${bundle}/shim.log`, 'utf8'))).toMatchObject({
    level: 'info',
    refusals: { w1: 'the configuration of the pod is another' },
  })
  // It does not end by a file that cannot be read at the moment.
  writeFileSync(configurationFile(), '[')
  expect(await takeWaiting(runDir, pod({ configPath: other }))).toBe(false)
  writeFileSync(configurationFile(), '[hypervisor.qemu]\ndefault_memory = 300\n')
  expect(await takeWaiting(runDir, pod())).toBe(true)
  expect(readWarnings(bundle)).toEqual([])
})

test('a pod without a specification, which the Sandbox service makes, is taken by its configuration file alone', async () => {
  await waiting('w1')
  rmSync(`${bundle}/config.json`)
  const other = `${runDir}/other.toml`
  writeFileSync(other, '[hypervisor.qemu]\ndefault_memory = 400\n')
  expect(await takeWaiting(runDir, pod({ configPath: other }))).toBe(false)
  expect(await takeWaiting(runDir, pod())).toBe(true)
  expect(readlinkSync(sandboxPaths(runDir, 'default', 'web').stateDir)).toBe('../pool/w1')
})

test('a pod whose bundle the shim does not see is not taken', async () => {
  await waiting('w1')
  expect(await takeWaiting(runDir, pod({ bundle: `${runDir}/hidden` }))).toBe(false)
  expect(existsSync(shimSocketPath(runDir, 'default', 'web'))).toBe(false)
  expect(existsSync(sandboxPaths(runDir, 'default', 'web').stateDir)).toBe(false)
})

test('a machine that is being ended takes no pod, and one that has taken a pod is not killed', async () => {
  const child = await waiting('w1')
  const { stateDir } = waitingPaths(runDir, 'w1')
  {
    using _held = tryDirectoryLock(stateDir)
    expect(await takeWaiting(runDir, pod())).toBe(false)
    expect(existsSync(sandboxPaths(runDir, 'default', 'web').stateDir)).toBe(false)
  }
  // It hangs until somebody has decided to kill it, and takes another pod then.
  child.kill('SIGSTOP')
  let asked: Promise<boolean>
  {
    using _held = tryDirectoryLock(stateDir)
    asked = takeWaiting(runDir, pod())
    await Bun.sleep(2500)
    nameMachine({ stateDir }, sandboxPaths(runDir, 'default', 'other'))
  }
  expect(await asked).toBe(false)
  expect(isAlive(processRef(child.pid)!)).toBe(true)
  expect(readWarnings(bundle)).toEqual([])
})

test('one that an upgrade of kata-ts left waiting takes no pod, and ends', async () => {
  const child = await waiting('w1')
  expect(await takeWaiting(runDir, pod({ build: '0.0.0 mended' }))).toBe(false)
  expect(await child.exited).toBe(7)
  expect(readFileSync(`${bundle}/shim.log`, 'utf8')).toContain('it is of another build of kata-ts')
  expect(existsSync(sandboxPaths(runDir, 'default', 'web').stateDir)).toBe(false)
})

test('one that read another configuration than the one that there is now takes no pod, and ends', async () => {
  const text = readFileSync(configurationFile(), 'utf8')
  // Changed for the moment in which it began, and back before its pool server looked again.
  writeFileSync(configurationFile(), '[hypervisor.qemu]\ndefault_memory = 400\n')
  const child = await waiting('w1')
  writeFileSync(configurationFile(), text)
  expect(await takeWaiting(runDir, pod())).toBe(false)
  expect(await child.exited).toBe(7)
  expect(readFileSync(`${bundle}/shim.log`, 'utf8')).toContain(
    'its configuration was changed since it began to wait',
  )
})

test('two pods do not share a shim', async () => {
  await waiting('w1')
  await waiting('w2')
  const taken = await Promise.all(['a', 'b', 'c'].map((id) => takeWaiting(runDir, pod({ id }))))
  expect(taken.sort()).toEqual([false, true, true])
  const links = ['a', 'b', 'c'].flatMap((id) => {
    const { stateDir } = sandboxPaths(runDir, 'default', id)
    return existsSync(stateDir) ? [readlinkSync(stateDir)] : []
  })
  expect(links.sort()).toEqual(['../pool/w1', '../pool/w2'])
})

test.each(['the socket', 'the name', 'the file'])(
  'where %s of the pod is in use, nothing is taken and nothing changed',
  async (what) => {
    const child = await waiting('w1')
    const socket = shimSocketPath(runDir, 'default', 'web')
    const { stateDir } = sandboxPaths(runDir, 'default', 'web')
    mkdirSync(what === 'the name' ? stateDir : `${runDir}/s`, { recursive: true })
    if (what === 'the socket') listenUnix(socket)
    if (what === 'the file') mkdirSync(`${bundle}/shim.json`)
    expect(await takeWaiting(runDir, pod())).toBe(false)
    expect(existsSync(stateDir)).toBe(what === 'the name')
    expect(isListening(socket)).toBe(what === 'the socket')
    expect(existsSync(`${bundle}/shim.json`)).toBe(what === 'the file')
    expect(readlinkSync(`/proc/${child.pid}/cwd`)).toBe('/')
  },
)

test('one that cannot become the shim of a pod leaves the pod to another, and ends', async () => {
  // As on a host without a free descriptor.
  const broken = `const set = () => { throw new Error('no room') }; process.env = new Proxy(process.env, { set })`
  writeFileSync(program(), `${programText}\n${broken}`)
  const child = await waiting('w1')
  expect(await takeWaiting(runDir, pod())).toBe(false)
  expect(existsSync(sandboxPaths(runDir, 'default', 'web').stateDir)).toBe(false)
  expect(isListening(shimSocketPath(runDir, 'default', 'web'))).toBe(false)
  expect(existsSync(`${bundle}/shim.json`)).toBe(false)
  expect(await child.exited).toBe(7)
  expect(readFileSync(`${bundle}/shim.log`, 'utf8')).toContain('no room')
})

test('one that hangs is killed, one that is dead is passed over, and the client is told of both', async () => {
  const hanging = await waiting('w1')
  const dead = await waiting('w2')
  hanging.kill('SIGSTOP')
  dead.kill('SIGKILL')
  await dead.exited
  const ref = processRef(hanging.pid)!
  expect(await takeWaiting(runDir, pod())).toBe(false)
  expect(isAlive(ref)).toBe(false)
  const [first, second] = readWarnings(bundle)
  expect(first).toContain(
    '[POOL_UNUSABLE] the pod cannot take a waiting machine: the shim of w1 is of no use, it gave no answer',
  )
  expect(second).toContain('the shim of w2 is of no use')
})

/** Until it is disposed of, the shim of a machine is one of a pid namespace that is there, and not ours. */
async function elsewhere(id: string): Promise<Disposable> {
  const say = 'readlink /proc/self/ns/pid; exec sleep 60'
  const child = Bun.spawn(
    ['/usr/bin/unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '/bin/sh', '-c', say],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  children.push(child)
  const { value } = await child.stdout.getReader().read()
  const pidNamespace = new TextDecoder().decode(value).trim()
  const { ledger } = waitingPaths(runDir, id)
  const before = readFileSync(ledger, 'utf8')
  writeFileSync(ledger, before.replace(/"pidNamespace":"[^"]*"/, `"pidNamespace":"${pidNamespace}"`))
  return { [Symbol.dispose]: () => writeFileSync(ledger, before) }
}

test('one of another pid namespace keeps no pod from its start, unless it may still take it', async () => {
  const child = await waiting('w1')
  {
    using _ = await elsewhere('w1')
    child.kill('SIGSTOP')
    await expect(takeWaiting(runDir, pod())).rejects.toThrow('[PROCESS_ELSEWHERE]')
    child.kill('SIGKILL')
    await child.exited
    expect(await takeWaiting(runDir, pod())).toBe(false)
  }
  expect(readWarnings(bundle)).toEqual([expect.stringContaining('the shim of w1 is of no use')])
})

/** Around the two seconds after which a shim is given up: what is between them is what the two processes race for. */
const answeredAfterMs = [1900, 1980, 1995, 2000, 2005, 2020]

test('a shim that answers as it is given up has the pod, or is dead and has nothing of it: never both', async () => {
  const races = answeredAfterMs.map(async (ms) => {
    // Each in a run directory of its own, so that all are waited for at once.
    const [own, id] = [`${runDir}/${ms}`, `web-${ms}`]
    mkdirSync(`${own}/bundle`, { recursive: true })
    writeFileSync(`${own}/bundle/config.json`, readFileSync(`${bundle}/config.json`))
    const child = await waiting('w1', own)
    const ref = processRef(child.pid)!
    child.kill('SIGSTOP')
    const asked = takeWaiting(own, pod({ id, bundle: `${own}/bundle` }))
    await Bun.sleep(ms)
    child.kill('SIGCONT')
    const isTaken = await asked
    const { stateDir } = sandboxPaths(own, 'default', id)
    const name = existsSync(stateDir) ? readlinkSync(stateDir) : ''
    expect({ ms, isTaken, name, lives: isAlive(ref) }).toEqual({
      ...{ ms, isTaken },
      ...{ name: isTaken ? '../pool/w1' : '', lives: isTaken },
    })
    expect(readWarnings(`${own}/bundle`)).toHaveLength(isTaken ? 0 : 1)
  })
  await Promise.all(races)
})

test.each([
  ['another pod', { taken: 'other', lives: true }],
  ['no pod', { lives: false }],
  ['no pod, because it ends', { ends: true, lives: true }],
  ['this pod', { taken: 'web', lives: false }],
  ['this pod, and takes its socket away', { taken: 'web', ends: true, lives: false }],
] as readonly [string, { taken?: string; ends?: true; lives: boolean }][])(
  'a shim that stops listening, and is that of %s: %p',
  async (_what, { taken, ends, lives }) => {
    const paths = waitingPaths(runDir, 'w1')
    mkdirSync(paths.stateDir, { recursive: true })
    const child = Bun.spawn(['sleep', '600'])
    children.push(child)
    const ref = processRef(child.pid)!
    await openLedger(paths, silentLogger).take(ownerResource, ref, () => {})
    const socket = socketOf(paths)
    // Nobody accepts: the kernel holds what is asked, and resets it when the socket is closed.
    const listener = listenUnix(socket)
    const asked = takeWaiting(runDir, pod())
    const isAsked = () => readFileSync('/proc/net/unix', 'utf8').split(socket).length > 2
    expect(await until(isAsked, { timeoutMs: 5000, everyMs: 10 })).toBe(true)
    if (taken !== undefined) nameMachine(paths, sandboxPaths(runDir, 'default', taken))
    if (ends) rmSync(socket)
    closeSync(listener)
    expect(await asked).toBe(false)
    expect(isAlive(ref)).toBe(lives)
    expect(readWarnings(bundle)).toHaveLength(lives ? 0 : 1)
    expect(existsSync(paths.stateDir)).toBe(taken !== 'web')
  },
)

test('only root is let in', async () => {
  const child = await waiting('w1')
  const adoption = socketOf(waitingPaths(runDir, 'w1'))
  // Whatever the modes of the directories are: it is the kernel that says who asks.
  for (const path of [runDir, `${runDir}/pool`, `${runDir}/pool/w1`]) Bun.spawnSync(['chmod', '755', path])
  Bun.spawnSync(['chmod', '666', adoption])
  const ask = `
    const link = require('net').connect(${JSON.stringify(adoption)}, () => link.write('{"ask":"end"}\\n'))
    link.on('data', (bytes) => console.log('answer', String(bytes)))
    link.on('error', (error) => console.log(error.code))
    link.on('close', () => console.log('closed'))`
  const asUser = (uid: string) => {
    const user = ['setpriv', '--reuid', uid, '--regid', uid, '--clear-groups', '--']
    return Bun.spawnSync([...user, process.execPath, '-e', ask], {
      cwd: '/',
      env: { BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0' },
    })
  }
  expect(asUser('65534').stdout.toString()).toMatch(/^((ECONNRESET|EPIPE)\n)?closed\n$/)
  expect(child.exitCode).toBeNull()
  expect(asUser('0').stdout.toString()).toContain('answer {"done":true')
  expect(await child.exited).toBe(7)
})
