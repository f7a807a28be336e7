import { expect, test } from 'bun:test'
import { processRef } from './proc.ts'
import { sessionMembers } from './session.ts'
import { killAndWait } from './signal.ts'

test('finds what a daemon left behind, after its death too, and nothing of others', async () => {
  const script = 'sleep 60 & echo $!; wait'
  const daemon = Bun.spawn(['sh', '-c', script], { stdout: 'pipe', detached: true })
  const reader = daemon.stdout.getReader()
  const child = Number(new TextDecoder().decode((await reader.read()).value))
  const leader = processRef(daemon.pid)!
  expect(sessionMembers(leader).map(({ pid }) => pid)).toEqual([child])
  await killAndWait(leader)
  await daemon.exited
  const [left] = sessionMembers(leader)
  expect(left?.pid).toBe(child)
  await killAndWait(left!)
  expect(sessionMembers(leader)).toEqual([])
})

test('a number that meanwhile names another process is not its session', () => {
  expect(sessionMembers({ pid: process.pid, startTime: '1' })).toEqual([])
})
