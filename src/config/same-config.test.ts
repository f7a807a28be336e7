import { expect, test } from 'bun:test'
import { builtInConfig } from './load.ts'
import { isSameConfig } from './same-config.ts'

test('what a configuration was read of does not count, all else does', () => {
  const config = builtInConfig()
  const { hypervisor, agent } = config
  expect(isSameConfig(config, { ...config, source: '/other.toml', dropIns: ['/d.toml'] })).toBe(true)
  const quiet = { ...hypervisor, kernelParams: ['quiet'] }
  expect(isSameConfig(config, { ...config, hypervisor: quiet })).toBe(false)
  const debugged = { ...agent, enableDebug: !agent.enableDebug }
  expect(isSameConfig(config, { ...config, agent: debugged })).toBe(false)
})
