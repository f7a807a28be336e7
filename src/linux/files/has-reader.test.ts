import { expect, test } from 'bun:test'
import { closeSync, openSync } from 'node:fs'
import { socketPair } from '../sockets/socket.ts'
import { hasReader } from './has-reader.ts'
import { makeThreePipes } from './pipe.ts'

test('a pipe or a socket has a reader until its other end is closed', () => {
  const [{ read, write }, ...others] = makeThreePipes()
  const [one, two] = socketPair()
  expect([write, one].map(hasReader)).toEqual([true, true])
  for (const end of [read, two]) closeSync(end)
  expect([write, one].map(hasReader)).toEqual([false, false])
  for (const end of [write, one, ...others.flatMap((pipe) => [pipe.read, pipe.write])]) closeSync(end)
})

test('what is no stream to somebody counts as read', () => {
  const nothing = openSync('/dev/null', 'w')
  const file = openSync(import.meta.path, 'r')
  expect([nothing, file].map(hasReader)).toEqual([true, true])
  for (const fd of [nothing, file]) closeSync(fd)
})
