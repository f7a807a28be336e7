import { expect, test } from 'bun:test'
import { sandboxCgroupPaths } from './paths.ts'

test.each([
  ['/kubepods/burstable/pod1/abc', '/kubepods/burstable/pod1/kata_abc'],
  ['/default/abc', '/default/kata_abc'],
  ['/abc', '/kata_abc'],
  ['//default//abc', '/default/kata_abc'],
  ['pods/abc', '/vc/pods/kata_abc'],
  ['', '/vc/kata_id'],
  [undefined, '/vc/kata_id'],
  ['/', '/vc/kata_id'],
])('the cgroup %p of the client becomes %s', (path, sandbox) => {
  expect(sandboxCgroupPaths(path, 'id')).toEqual({ sandbox, overhead: '/kata_overhead/id' })
})

test.each([
  [
    'kubepods-burstable-pod1.slice:cri-containerd:abc',
    '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-abc.scope',
  ],
  ['system.slice:docker:abc', '/system.slice/docker-abc.scope'],
  ['-.slice:cri:abc', '/cri-abc.scope'],
  ['user.slice::abc', '/user.slice/abc.scope'],
])('the systemd name %s is the scope %s', (path, sandbox) => {
  expect(sandboxCgroupPaths(path, 'id').sandbox).toBe(sandbox)
})

test.each(['/a/../../b', '..', 'a\0b', '/x/..'])('%j is refused', (path) => {
  expect(() => sandboxCgroupPaths(path, 'id')).toThrow('[CGROUP_PATH_INVALID]')
})
