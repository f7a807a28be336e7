import { expect, test } from 'bun:test'
import { rightsOf } from './skopeo-rights.ts'

test('a registry takes no capability, a path the right to read, and podman’s store root', () => {
  const bounds = (transport: Parameters<typeof rightsOf>[0]) =>
    rightsOf(transport).words.find((word) => word.startsWith('--bounding-set='))
  expect(rightsOf(undefined)).toEqual({
    words: ['--clear-groups', '--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all'],
    ...{ seesPaths: false, isRoot: false },
  })
  expect(bounds('docker-daemon')).toBe('--bounding-set=-all')
  for (const transport of ['oci', 'oci-archive', 'docker-archive', 'dir'] as const) {
    expect(bounds(transport)).toBe('--bounding-set=-all,+dac_read_search')
    expect(rightsOf(transport).isRoot).toBe(false)
  }
  expect(rightsOf('containers-storage').isRoot).toBe(true)
})
