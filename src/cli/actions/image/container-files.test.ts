import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { TreeTooDeep } from '../../../images/file-tree.ts'
import { tryDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { SyscallError } from '../../../linux/libc.ts'
import { bootId } from '../../../linux/processes/proc.ts'
import { TaskDefinition } from '../../../protocol/generated/containerd/task.ts'
import { Status } from '../../../protocol/generated/containerd/types.ts'
import { clocksThatRush } from '../../../time.double.ts'
import { sleep } from '../../../time.ts'
import { listen } from '../../../ttrpc/bun.ts'
import { serve, service } from '../../../ttrpc/ttrpc.ts'
import { type ContainerRecord, recordPaths } from '../../client/record.ts'
import { readingFiles, whilePaused } from './container-files.ts'

const failing = (error: unknown) => readingFiles('web', () => Promise.reject(error))

test('files that cannot be read are told with their container, and other failures as they are', async () => {
  await expect(failing(new TreeTooDeep())).rejects.toMatchObject({
    code: 'FILES_UNREADABLE',
    fields: { name: 'web', reason: 'a path is longer than 4096 bytes' },
    remedy: expect.stringContaining('incomplete'),
  })
  await expect(failing(new SyscallError('openat2', 'EIO'))).rejects.toThrow(
    /^\[FILES_UNREADABLE\] the files of container web cannot be read: openat2 failed: EIO/,
  )
  const other = new Error('another')
  await expect(failing(other)).rejects.toBe(other)
  expect(await readingFiles('web', async () => 'read')).toBe('read')
})

test('a container stays paused for each of several works at once, and goes on after the last', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/container-files-`)
  mkdirSync(recordPaths(stateDir, 'default', 'web').io, { recursive: true })
  const socket = `${stateDir}/socket`
  let isPaused = false
  const tasks = service(TaskDefinition, {
    state: () => ({ status: isPaused ? Status.PAUSED : Status.RUNNING }),
    connect: () => ({}),
    pause() {
      isPaused = true
      return {}
    },
    resume() {
      isPaused = false
      return {}
    },
  })
  const listener = listen({ unix: socket }, (transport) => serve(transport, [tasks]))
  const shim = { address: `unix://${socket}`, status: 'running', bootId: bootId() }
  const record = { id: 'web', namespace: 'default', ...shim } as ContainerRecord
  const signal = new AbortController().signal
  const during = (work: () => Promise<boolean>) => whilePaused({ stateDir }, record, signal, work)
  try {
    const begun = Promise.withResolvers<void>()
    const first = during(async () => {
      begun.resolve()
      // Time for the second to find it paused.
      await sleep(200)
      return isPaused
    })
    await begun.promise
    const second = during(async () => {
      await first
      return isPaused
    })
    expect(await Promise.all([first, second])).toEqual([true, true])
    expect(isPaused).toBe(false)
  } finally {
    listener.stop()
    rmSync(stateDir, { recursive: true })
  }
})

test('files that another command reads for longer than anybody waits are not read beside it', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/container-files-`)
  const { io } = recordPaths(stateDir, 'default', 'web')
  mkdirSync(io, { recursive: true })
  const record = { id: 'web', namespace: 'default', status: 'stopped' } as ContainerRecord
  let reads = 0
  const during = () =>
    whilePaused({ stateDir }, record, new AbortController().signal, async () => void reads++)
  {
    using _rush = clocksThatRush()
    using _held = tryDirectoryLock(io)
    await expect(during()).rejects.toMatchObject({ code: 'CONTAINER_BUSY', fields: { name: 'web' } })
  }
  expect(reads).toBe(0)
  await during()
  expect(reads).toBe(1)
  rmSync(stateDir, { recursive: true })
  await expect(during()).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND', fields: { name: 'web' } })
  expect(reads).toBe(1)
})
