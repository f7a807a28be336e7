import { expect, test } from 'bun:test'
import { lineFinder } from './locate.ts'

const toml = `# top
title = """
[hypervisor.qemu]
rootless = 1
"""
[hypervisor.qemu] # comment
list = [
  "a = 1",
]
"rootless" = true
hypervisor.qemu = 1
  [ runtime ]
agent.kata.dial_timeout = 3
inline = { enable_debug = true }
[a."b c"]
x = ''' one line '''
y = 1
`

const lineOf = lineFinder(toml)

test.each([
  [['title'], 2],
  [['hypervisor', 'qemu'], 6],
  [['hypervisor', 'qemu', 'list'], 7],
  [['hypervisor', 'qemu', 'rootless'], 10],
  [['runtime', 'agent', 'kata', 'dial_timeout'], 13],
  [['runtime', 'inline', 'enable_debug'], 14],
  [['a', 'b c', 'y'], 17],
  [['nowhere'], 1],
])('%j stands on line %d', (path, line) => {
  expect(lineOf(path)).toBe(line)
})

test('with the line ends of Windows, and with signs that end a line for JavaScript alone', () => {
  expect(lineFinder(toml.replaceAll('\n', '\r\n'))(['hypervisor', 'qemu', 'rootless'])).toBe(10)
  const separator = '# a\u2028b\n[runtime] # a\u2029b\nx = 1 # a\u2028b\n'
  expect(lineFinder(separator)(['runtime', 'x'])).toBe(3)
})
