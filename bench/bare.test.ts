import { expect, test } from 'bun:test'
import { builtInConfig } from '../src/config/load.ts'
import { bareCommand } from './bare.ts'

test("the driver's own machine, with the host's files and without confinement", () => {
  const config = builtInConfig()
  // The settings are read from the program's directories; any program that exists will do.
  const guest = { kernel: '/images/kernel', initrd: '/images/initrd', accelerator: 'tcg' as const }
  const hypervisor = { ...config.hypervisor, path: process.execPath }
  const { argv, fds } = bareCommand({ ...guest, config: { ...config, hypervisor } })
  expect(argv[0]).toBe(process.execPath)
  expect(argv[argv.indexOf('-kernel') + 1]).toBe('/images/kernel')
  expect(argv[argv.indexOf('-initrd') + 1]).toBe('/images/initrd')
  expect(argv[argv.indexOf('-m') + 1]).toStartWith(`size=${config.hypervisor.defaultMemory}M`)
  for (const absent of ['-S', '-sandbox']) expect(argv).not.toContain(absent)
  expect(argv.join(' ')).not.toContain('vhost-user-fs')
  expect(fds).toEqual(['qmp', 'agent', 'console'])
})
