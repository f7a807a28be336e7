import { expect, test } from 'bun:test'
import { hostIdMap } from './posture.ts'
import { type ExpectedPosture, noCapabilities, ownNamespaces } from './posture-check.ts'
import { waiterPosture } from './waiter-posture.ts'

test('a waiter may have nothing of what its program may open', () => {
  const program: ExpectedPosture = {
    ...{
      uid: 7,
      gid: 7,
      groups: [8],
      capabilities: noCapabilities,
      idMap: hostIdMap,
      noNewPrivs: 1,
      seccomp: 2,
    },
    ...{ seccompFilters: 2, firstThreadFilters: 1, inheritedFilters: 1 },
    ...{ namespaces: ownNamespaces(['mnt', 'net', 'pid']), mounts: [], environment: 0, limits: {}, cwd: '/' },
    hostNamespaces: { mnt: '1', ipc: '2', uts: '3', net: '4', pid: '5', user: '6', cgroup: '7' },
    ...{
      descriptors: { 0: '/dev/null' },
      files: ['/dev/kvm'],
      opens: ['/memfd:'],
      handedOver: { disk: ['/a'] },
    },
    ...{ sockets: 3, fewestSockets: 1, cores: 'own' },
  }
  const { files, opens, sockets, descriptors, ...waiter } = waiterPosture(program)
  expect({ files, opens, sockets, descriptors }).toEqual({
    ...{ files: [], opens: [], sockets: 0, descriptors: {} },
  })
  for (const key of ['handedOver', 'fewestSockets', 'cores']) expect(waiter).not.toHaveProperty(key)
  // As the program's, but for what only the program puts on.
  const { uid, gid, groups, capabilities, inheritedFilters } = program
  expect(waiter).toMatchObject({ uid, gid, groups, capabilities, inheritedFilters })
  expect(waiter.namespaces).toEqual(ownNamespaces(['mnt', 'net']))
  expect([waiter.seccompFilters, waiter.firstThreadFilters]).toEqual([0, 0])
})
