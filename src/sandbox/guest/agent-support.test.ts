import { expect, test } from 'bun:test'
import type { AgentFacts } from '../../agent/agent-facts.ts'
import { createLogger } from '../../log.ts'
import { StatsContainerResponse } from '../../protocol/generated/agent.ts'
import {
  requirePidsLimit,
  requireSeccomp,
  requireSubpaths,
  requireTarget,
  requireVerifier,
  warnOfOwnFields,
} from './agent-support.ts'

const katas: AgentFacts = {
  name: 'kata',
  version: '4.1.0',
  seccomp: false,
  usesStreamBuffer: false,
  watchesVolumes: true,
  memoryBlockMiB: 128,
}
const withProfile = { linux: { seccomp: { defaultAction: 'SCMP_ACT_ERRNO' } } }

test('a profile that the agent cannot apply is refused, but for an operator who wants none applied', () => {
  expect(() => requireSeccomp(withProfile, 'c', katas, false)).toThrow(
    "[AGENT_NO_SECCOMP] container c has a seccomp profile, and Kata's agent 4.1.0 in the guest cannot apply one.",
  )
  requireSeccomp(withProfile, 'c', katas, true)
  requireSeccomp({ linux: {} }, 'c', katas, false)
  requireSeccomp(withProfile, 'c', { ...katas, seccomp: true }, false)
})

test('a profile whose calls a program of the host would answer is refused, wherever it says so', () => {
  const able = { ...katas, seccomp: true }
  const rule = { names: ['mount'], action: 'SCMP_ACT_NOTIFY' }
  const [one, all] = [
    { linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] } } },
    { linux: { seccomp: { defaultAction: 'SCMP_ACT_NOTIFY' } } },
  ]
  for (const spec of [one, all])
    expect(() => requireSeccomp(spec, 'c', able, false)).toThrow('[SECCOMP_NOTIFY] container c has a seccomp')
  requireSeccomp(one, 'c', able, true)
})

test('a part of a volume in memory is for our own agent only', () => {
  const storages = [{ driver: 'local', options: ['subpath=a'] }, { driver: 'virtio-fs' }]
  expect(() => requireSubpaths(storages, 'c', katas)).toThrow('[AGENT_NO_SUBPATH] container c mounts a part')
  requireSubpaths(storages, 'c', { ...katas, name: 'kata-ts' })
  requireSubpaths([{ driver: 'local', options: ['mode=0755'] }], 'c', katas)
})

test('what only our own agent knows of a specification is named', () => {
  const told: unknown[] = []
  const log = createLogger({ sink: ({ fields }) => told.push(fields.fields) })
  const spec = { process: { user: { umask: 0 } }, linux: { resources: { cpu: { burst: 5 } } } }
  warnOfOwnFields(spec, 'c', { ...katas, name: 'kata-ts' }, log)
  warnOfOwnFields({ process: { user: {} }, linux: { resources: { unified: {} } } }, 'c', katas, log)
  expect(told).toEqual([])
  warnOfOwnFields(spec, 'c', katas, log)
  expect(told).toEqual([['process.user.umask', 'linux.resources.cpu.burst']])
})

test('layers are verified by our own agent only', () => {
  const storages = [{ options: ['ro', 'X-kata.dmverity-enabled=true'] }]
  expect(() => requireVerifier(storages, 'c', katas)).toThrow(
    "[ROOTFS_LAYERS] the layers of container c cannot be put together in the guest: they are to be verified by dm-verity, and Kata's agent 4.1.0",
  )
  requireVerifier(storages, 'c', { ...katas, name: 'kata-ts' })
  requireVerifier([{ options: ['ro'] }, {}], 'c', katas)
})

test('processes of another container are shown by our own agent only', () => {
  expect(() => requireTarget('web', 'c', katas)).toThrow(
    "[AGENT_NO_TARGET] container c is to see the processes of container web, and Kata's agent 4.1.0",
  )
  requireTarget('web', 'c', { ...katas, name: 'kata-ts' })
  requireTarget('', 'c', katas)
})

test('a limit of processes counts when the agent has set it', async () => {
  const asked: string[] = []
  const agent = (limit: bigint) => ({
    statsContainer: async ({ containerId = '' }) => {
      asked.push(containerId)
      return StatsContainerResponse.fromPartial({ cgroupStats: { pidsStats: { limit } } })
    },
  })
  await requirePidsLimit(5n, 'set', katas, agent(5n))
  await expect(requirePidsLimit(5n, 'ignored', katas, agent(0n))).rejects.toThrow(
    "[AGENT_NO_PIDS_LIMIT] container ignored has a limit of 5 processes, and Kata's agent 4.1.0",
  )
  expect(asked).toEqual(['set', 'ignored'])
  for (const none of [undefined, 0n, -1n]) await requirePidsLimit(none, 'none', katas, agent(0n))
  await requirePidsLimit(5n, 'own', { ...katas, name: 'kata-ts' }, agent(0n))
  expect(asked.length).toBe(2)
})
