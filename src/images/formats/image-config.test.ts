import { expect, test } from 'bun:test'
import { readValue } from '../../json/document.ts'
import { readImageConfig } from './image-config.ts'

test('ports that an image exposes are the names of an object', () => {
  const config = readValue(readImageConfig, { Cmd: ['a'], ExposedPorts: { '80/tcp': {}, '53/udp': null } })
  expect(config).toMatchObject({ cmd: ['a'], exposedPorts: ['80/tcp', '53/udp'] })
  expect(readValue(readImageConfig, { ExposedPorts: null })).not.toHaveProperty('exposedPorts')
})
