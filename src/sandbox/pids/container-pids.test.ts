import { expect, test } from 'bun:test'
import type { OciSpec } from '../../oci/spec.ts'
import { ContainerPids } from './container-pids.ts'

const podPid = 4242
const pids = (path?: string): OciSpec => ({
  linux: { namespaces: [path === undefined ? { type: 'pid' } : { type: 'pid', path }] },
})
const hostPid: OciSpec = { linux: { namespaces: [{ type: 'mount' }] } }
const of = (pid: number) => pids(`/proc/${pid}/ns/pid`)
const own = { sandboxPidns: false, pidnsContainer: '' }
const pods = { sandboxPidns: true, pidnsContainer: '' }
const target = (pidnsContainer: string) => ({ sandboxPidns: false, pidnsContainer })

/** Stand-ins are numbered from 5001. */
function aPod(start?: () => Promise<{ pid: number }>) {
  let next = 5001
  const ended: string[] = []
  const known = new ContainerPids({
    podId: 'pod',
    podPid: () => podPid,
    standIns: { start: start ?? (async () => ({ pid: next++ })), end: async (id) => void ended.push(id) },
  })
  const add = (id: string, spec: OciSpec) => known.add(id, known.sharedWith(id, spec))
  return { known, add, ended }
}

test('the first container goes by the process of the pod, every other one by its own', async () => {
  const { add } = aPod()
  expect(await add('pod', pids())).toBe(podPid)
  expect(await Promise.all([add('a', pids()), add('b', pids()), add('c', pids())])).toEqual([
    podPid,
    5001,
    5002,
  ])
})

test('a path to the process of a container is that container, whichever it is', async () => {
  const { known, add } = aPod()
  for (const id of ['a', 'b']) await add(id, pids())
  expect(known.sharedWith('x', of(podPid))).toEqual(target('a'))
  expect(known.sharedWith('x', of(5001))).toEqual(target('b'))
  expect(known.sharedWith('x', pids())).toEqual(own)
  await add('debugger', of(5001))
  expect(known.sharedWith('x', of(5002))).toEqual(target('debugger'))
})

test('in a pod that shares its processes the path is the pod’s, and no container needs a process', async () => {
  const { known, add } = aPod()
  for (const id of ['a', 'b']) expect(await add(id, of(podPid))).toBe(podPid)
  expect(await add('c', hostPid)).toBe(podPid)
  expect(known.sharedWith('x', of(podPid))).toEqual(pods)
  expect(known.sharedWith('x', hostPid)).toEqual(pods)
})

test.each([
  '/proc/1/ns/pid',
  '/proc/5001/ns/pid',
  '/proc/self/ns/pid',
  '/run/pidns/pod',
  '/proc/4242/ns/pid/',
])('%s, which is none of the pod’s, is refused', (path) => {
  const { known } = aPod()
  expect(() => known.sharedWith('x', pids(path))).toThrow(
    `[PID_NAMESPACE_FOREIGN] container x asks for the pid namespace ${path}, which belongs to no container of its pod`,
  )
})

test('a container that is removed is no target any more, and leaves no process', async () => {
  const { known, add, ended } = aPod()
  for (const id of ['a', 'b']) await add(id, pids())
  await known.remove('b')
  expect(() => known.sharedWith('x', of(5001))).toThrow('[PID_NAMESPACE_FOREIGN]')
  await known.remove('a')
  expect(known.sharedWith('x', of(podPid))).toEqual(pods)
  expect(await add('again', pids())).toBe(podPid)
  expect(ended).toEqual(['b', 'a'])
  await known.remove('never')
  expect(ended).toHaveLength(2)
})

test('the removal of a container waits for the start of its process, whatever comes of that', async () => {
  const started = Promise.withResolvers<{ pid: number }>()
  const { known, add, ended } = aPod(() => started.promise)
  await add('a', pids())
  const adding = add('b', pids()).catch((error: Error) => error.message)
  const removed = known.remove('b')
  expect(ended).toEqual([])
  started.reject(new Error('no room'))
  await removed
  expect([await adding, ...ended]).toEqual(['no room', 'b'])
})
