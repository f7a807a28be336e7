/** Keys that only Firecracker's driver acts on. */
import { type Key, keysAfter, keysOf } from '../../../config/key-spec.ts'
import { path, pathPatterns } from '../../../config/value-types.ts'

export interface FirecrackerFields {
  readonly jailerPath: string
  /** File name patterns that the annotation `jailer_path` may name. */
  readonly validJailerPaths: readonly string[]
}

const key = keysOf('hypervisor')

export const firecrackerKeys: readonly Key[] = [
  ...keysAfter(
    'path',
    key(
      'jailer_path',
      'jailerPath',
      path(),
      '/usr/bin/jailer',
      'The jailer that starts Firecracker. It is always used (Kata: an empty path starts Firecracker without it).',
      {
        wall: true,
        annotation: 'jailer_path',
        example: '/usr/bin/jailer',
        allowList: { field: 'validJailerPaths', key: 'valid_jailer_paths' },
      },
    ),
  ),
  ...keysAfter(
    'valid_hypervisor_paths',
    key(
      'valid_jailer_paths',
      'validJailerPaths',
      pathPatterns,
      [],
      'Programs that the annotation `jailer_path` may name. Empty: none.',
      { wall: true },
    ),
  ),
]
