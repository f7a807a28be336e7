import { expect, test } from 'bun:test'
import { type KernelModule, modulesList } from './collect.ts'

const module = (name: string, ...depends: string[]): KernelModule => ({
  name,
  depends,
  data: new Uint8Array(),
  aliases: [],
  file: `/${name}.ko.xz`,
})

test('a line per module, what it needs first', () => {
  expect(
    modulesList([
      module('net', 'net_failover', 'failover'),
      module('net_failover', 'failover'),
      module('failover'),
    ]),
  ).toBe('failover: failover\nnet: failover net_failover net\nnet_failover: failover net_failover\n')
})

test('a circle of dependencies ends', () => {
  expect(modulesList([module('a', 'b'), module('b', 'a')])).toBe('a: b a\nb: a b\n')
})
