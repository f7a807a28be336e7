import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { tryDirectoryLock } from '../linux/files/directory-lock.ts'
import { isListening } from '../linux/sockets/socket.ts'
import { removeDeadSocket } from '../sandbox/records/dead-socket.ts'
import { shimSocketPath } from '../sandbox/records/paths.ts'
import { until } from '../time.ts'
import { connectUnix } from '../ttrpc/bun.ts'
import { leave } from './daemon/serve.ts'
import { bindSocket } from './shim-socket.ts'
import { tearDownShim } from './teardown.ts'

const pod = { namespace: 'default', id: 'pod' }
let runDir: string
let path: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/shim-socket-`)
  path = shimSocketPath(runDir, pod.namespace, pod.id)
})
afterEach(() => rmSync(runDir, { recursive: true }))

test('clients that come while the shim is busy wait, and are not told that it is gone', async () => {
  const listener = bindSocket(runDir, path, pod)
  try {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connectUnix(path)))
    for (const client of clients) client.close()
    expect(clients).toHaveLength(100)
  } finally {
    closeSync(listener)
  }
})

test('a shim that tells its last events leaves its name to the next one', async () => {
  const old = bindSocket(runDir, path, pod)
  let next: number | undefined
  const services = {
    pod: { stopAnyway: async () => {} },
    events: {
      flush: async () => {
        next = bindSocket(runDir, path, pod)
      },
    },
    tasks: { shutdownsAnswered: async () => {} },
  }
  await leave(services, { stop: () => closeSync(old) }, path)
  expect(existsSync(path)).toBe(true)
  closeSync(next!)
})

test('a teardown that went on after `delete` leaves the socket to a shim that was started since', async () => {
  const flags = {
    ...pod,
    action: 'teardown' as const,
    address: '',
    publishBinary: '',
    bundle: '',
    debug: false,
  }
  const next = bindSocket(runDir, path, pod)
  await tearDownShim({ ...flags, runDir })
  expect(existsSync(path)).toBe(true)
  closeSync(next)
  await tearDownShim({ ...flags, runDir })
  expect(existsSync(path)).toBe(false)
})

/** A process that binds the socket, and listens until it is killed. */
const binder = () =>
  Bun.spawn([
    process.execPath,
    '-e',
    `import { bindSocket } from '${import.meta.dir}/shim-socket.ts'
    console.log('begins')
    bindSocket('${runDir}', '${path}', ${JSON.stringify(pod)})
    setInterval(() => {}, 1000)`,
  ])

test('a socket is bound while nobody else looks who listens', async () => {
  mkdirSync(`${runDir}/s`)
  const child = binder()
  try {
    {
      using _look = tryDirectoryLock(`${runDir}/s`)
      await child.stdout.getReader().read()
      await Bun.sleep(100)
      expect(existsSync(path)).toBe(false)
    }
    expect(await until(() => isListening(path), { timeoutMs: 10_000, everyMs: 10 })).toBe(true)
  } finally {
    child.kill('SIGKILL')
    await child.exited
  }
  expect([removeDeadSocket(path), existsSync(path)]).toEqual([true, false])
})

test('a socket on which its shim is about to listen is none that a dead one left', async () => {
  mkdirSync(`${runDir}/s`)
  const slow = Bun.spawn([
    process.execPath,
    '-e',
    `import { withBriefLock } from '${import.meta.dir}/../linux/files/directory-lock.ts'
    import { checked, libc, ptr } from '${import.meta.dir}/../linux/libc.ts'
    import { existsSync } from 'node:fs'
    const name = Buffer.alloc(110)
    name.writeUInt16LE(1)
    name.write('${path}', 2)
    withBriefLock('${runDir}/s', () => {
      const fd = checked(libc.socket(1, 1, 0), 'socket')
      checked(libc.bind(fd, ptr(name), ${path.length + 3}), 'bind')
      require('node:fs').writeSync(1, 'bound')
      // However long that one takes to look, and some time for the removal to wait.
      while (!existsSync('${runDir}/looked')) Bun.sleepSync(5)
      Bun.sleepSync(300)
      checked(libc.listen(fd, 1), 'listen')
    })
    setInterval(() => {}, 1000)`,
  ])
  try {
    await slow.stdout.getReader().read()
    expect(isListening(path)).toBe(false)
    writeFileSync(`${runDir}/looked`, '')
    expect([removeDeadSocket(path), existsSync(path)]).toEqual([false, true])
  } finally {
    slow.kill('SIGKILL')
    await slow.exited
  }
})
