import { expect, test } from 'bun:test'
import { readValue } from '../../json/document.ts'
import { readImageConfig } from './image-config.ts'

test('ports that an image exposes are the names of an object', () => {
  const config = readValue(readImageConfig, { Cmd: ['a'], ExposedPorts: { '80/tcp': {}, '53/udp': null } })
  expect(config).toMatchObject({ cmd: ['a'], exposedPorts: ['80/tcp', '53/udp'] })
  expect(readValue(readImageConfig, { ExposedPorts: null })).not.toHaveProperty('exposedPorts')
})

test('a relative working directory begins at /, as in a build', () => {
  const workingDir = (WorkingDir: string) => readValue(readImageConfig, { WorkingDir }).workingDir
  expect(['', 'app', '/app'].map(workingDir)).toEqual(['', '/app', '/app'])
})
