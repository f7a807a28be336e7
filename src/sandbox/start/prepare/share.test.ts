import { expect, test } from 'bun:test'
import { HostDouble } from '../doubles/host.double.ts'
import { recordTimings } from '../timings.ts'
import { claimSandbox, requireStartable } from './claim.ts'
import { type PodShareRequest, sharePod } from './share.ts'

const identity = { name: 'kata-7', uid: 7, gid: 7, groups: [] }
const user = { identity, privateDir: '/run/user/7', ids: undefined }

test.each([
  ['qemu', 'is given a connection, so nobody connects by path', {}, true, undefined],
  ['clh', 'connects by path, as its own user', {}, true, 7],
  ['firecracker', 'has no shared file system, and none is served', {}, false, undefined],
  ['qemu', 'is told to have none, and none is served', { sharedFs: 'none' }, false, undefined],
  ['clh', 'is told to have none, and none is served', { sharedFs: 'none' }, false, undefined],
] as const)('%s %s', async (driver, _what, changes, isServed, clientUid) => {
  using double = new HostDouble()
  const request = double.request({ driver, jailerPath: '/bin/sh', ...changes })
  const paths = requireStartable(request)
  const ledger = claimSandbox(double.host, request, paths)
  const timings = recordTimings(request.signal)
  const asked: unknown[] = []
  const startShare: typeof double.host.startShare = (where, share) => {
    asked.push(share.clientUid)
    return double.host.startShare(where, share)
  }
  const { config, container, signal } = request
  const share: PodShareRequest = { config, paths, user, container, modules: undefined, signal }
  const served = await sharePod({ startShare }, ledger, share, timings)
  expect(served !== undefined).toBe(isServed)
  expect(asked).toEqual(isServed ? [clientUid] : [])
  expect(timings.steps.map(({ step }) => step)).toEqual(isServed ? ['virtiofsd'] : [])
})
