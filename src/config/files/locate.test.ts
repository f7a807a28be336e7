import { expect, test } from 'bun:test'
import { lineOf } from './locate.ts'

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
  expect(lineOf(toml, path)).toBe(line)
})
