/** The published client of shims, against a program that answers as one. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { until, within } from '../time.ts'
import { listenUnix } from '../ttrpc/node.ts'
import { serve, service, TtrpcError } from '../ttrpc/ttrpc.ts'
import {
  Any,
  connectTask,
  DeleteResponse,
  deleteShim,
  ShimError,
  startShim,
  TaskDefinition,
} from './shim-client.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/shim-client-`)
})
afterEach(() => rmSync(base, { recursive: true }))

function shim(script: string) {
  writeFileSync(`${base}/shim`, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return { program: `${base}/shim`, namespace: 'n', id: 'c', bundle: base, flags: ['-debug'] }
}

test.each([
  ['the bare address', 'printf unix:///run/s', 2],
  ['JSON', `printf '{"version":3,"address":"unix:///run/s","protocol":"ttrpc"}'`, 3],
])('start: %s', async (_, script, version) => {
  expect(await startShim(shim(script))).toEqual({ address: 'unix:///run/s', version })
})

test('start hands over flags, directory, environment and options', async () => {
  const action = shim('{ pwd; echo "$@ $WORD"; } > said; cat > input; printf unix:///run/s')
  const options = { typeUrl: 'x', value: new Uint8Array([1, 2]) }
  await startShim({ ...action, env: { ...process.env, WORD: 'w' }, options })
  const [cwd, flags] = (await Bun.file(`${base}/said`).text()).split('\n')
  expect([cwd, flags]).toEqual([base, `-debug -namespace n -id c -bundle ${base} start w`])
  expect(Any.decode(await Bun.file(`${base}/input`).bytes())).toEqual(options)
})

test('what a program that fails said is in the error', async () => {
  const error = await startShim(shim('echo no kvm >&2; exit 3')).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ShimError)
  expect(error).toMatchObject({ action: 'start', exitCode: 3, stderr: 'no kvm\n' })
  for (const script of ['echo what', `echo '{"address":"http://x"}'`])
    expect(await startShim(shim(script)).catch((thrown: unknown) => thrown)).toBeInstanceOf(ShimError)
  const missing = { ...shim(''), program: '/no/such' }
  expect(await startShim(missing).catch((thrown: unknown) => thrown)).toMatchObject({ exitCode: null })
})

test('a shim that cannot be started is an error of its action, whatever the reason', async () => {
  for (const wrong of [{ bundle: '/etc/passwd' }, { id: 'a\0b' }])
    expect(await startShim({ ...shim(''), ...wrong }).catch((thrown: unknown) => thrown)).toMatchObject({
      name: 'ShimError',
      exitCode: null,
    })
  // More at a time than there are descriptors. An error that nobody listened to would end the program.
  const script = `
    import { startShim } from '${import.meta.dir}/shim-client.ts'
    const action = { program: '/bin/sh', namespace: 'n', id: 'c', bundle: '/' }
    const all = await Promise.allSettled(Array.from({ length: 40 }, () => startShim(action)))
    console.log([...new Set(all.map(({ reason }) => reason.name))], all.some(({ reason }) => /EMFILE/.test(reason.message)))
  `
  const limited = ['sh', '-c', 'ulimit -n 60; exec "$@"', 'sh', process.execPath, '-e', script]
  const child = Bun.spawn(limited, { stdio: ['ignore', 'pipe', 'inherit'] })
  expect(await new Response(child.stdout).text()).toBe('[ "ShimError" ] true\n')
  expect(await child.exited).toBe(0)
}, 30_000)

test('a signal ends an action', async () => {
  const abort = new AbortController()
  const starting = startShim({ ...shim('exec sleep 60'), signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(starting).rejects.toThrow('enough')
})

test('a signal ends an action whose output something that it started keeps open', async () => {
  const abort = new AbortController()
  const script = `sleep 60 & echo $! > ${base}/pid; exec sleep 60`
  const starting = startShim({ ...shim(script), signal: abort.signal })
  const pid = () => Number(existsSync(`${base}/pid`) && readFileSync(`${base}/pid`, 'utf8'))
  try {
    expect(await until(() => pid() > 0, { timeoutMs: 10_000, everyMs: 10 })).toBe(true)
    abort.abort(new Error('enough'))
    await expect(within(starting, 20_000)).rejects.toThrow('enough')
  } finally {
    process.kill(pid(), 'SIGKILL')
  }
}, 40_000)

test('delete tells how the container ended', async () => {
  const answer = DeleteResponse.encode(DeleteResponse.fromPartial({ exitStatus: 137 })).finish()
  writeFileSync(`${base}/answer`, answer)
  expect(await deleteShim(shim('cat answer'))).toMatchObject({ exitStatus: 137 })
  await expect(deleteShim(shim('printf nonsense'))).rejects.toThrow('no DeleteResponse')
})

test('calls reach the Task service with namespace and id, and its errors come back', async () => {
  const seen: unknown[] = []
  const tasks = service(TaskDefinition, {
    wait: ({ id, execId }, { metadata }) => {
      seen.push({ id, execId, namespace: metadata.get('containerd-namespace-ttrpc') })
      return { exitStatus: 7 }
    },
    kill: () => {
      throw new TtrpcError('not_found', 'no such process')
    },
  })
  const server = await listenUnix(`${base}/s`, (transport) => serve(transport, [tasks]))
  const task = await connectTask(`unix://${base}/s`, { namespace: 'n', id: 'c' })
  expect(await task.wait('e')).toBe(7)
  expect(seen).toEqual([{ id: 'c', execId: 'e', namespace: 'n' }])
  await expect(task.kill(9)).rejects.toMatchObject({ code: 'not_found', message: 'no such process' })
  task.close()
  server.close()
})

test('a container is made for as long as the shim answers another call, and no longer', async () => {
  let looks = 0
  const made = Promise.withResolvers<void>()
  const never = new Promise<never>(() => {})
  const tasks = service(TaskDefinition, {
    create: async ({ id }) => {
      await (id === 'c' ? made.promise : never)
      return { pid: 1 }
    },
    connect: ({ id }) => {
      if (id !== 'c') return never
      looks += 1
      if (looks === 3) made.resolve()
      throw new TtrpcError('not_found', 'no such task yet')
    },
  })
  const server = await listenUnix(`${base}/s`, (transport) => serve(transport, [tasks]))
  const patience = { namespace: 'n', patienceMs: 300 }
  const task = await connectTask(`${base}/s`, { ...patience, id: 'c' })
  await task.create({})
  expect(looks).toBe(3)
  task.close()
  const stuck = await connectTask(`${base}/s`, { ...patience, id: 'stuck' })
  await expect(stuck.create({})).rejects.toMatchObject({ code: 'deadline_exceeded' })
  stuck.close()
  server.close()
})
