/** Decisions of the operator at the command line, beyond the configuration file. */
import type { Overrides } from '../config/overrides.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { bundleFile } from './files.ts'
import { invalid, readObject } from './read-file.ts'

const types = {
  memory: 'number',
  vcpus: 'number',
  rootless: 'boolean',
  accelerator: 'string',
} as const satisfies Record<keyof Overrides, string>

/** `isFlushed`: a crash of the host leaves the file whole, or none. */
export function writeOverrides(
  bundle: string,
  overrides: Overrides,
  how: { readonly isFlushed?: boolean } = {},
): void {
  replaceFile(bundleFile(bundle, 'overrides'), JSON.stringify(overrides), how)
}

/**
 * Undefined when containerd is the client. Values are checked by those who apply them.
 *
 * @throws KataError BUNDLE_FILE_INVALID; an override that is not known too: what an operator asked for is not left out silently.
 */
export function readOverrides(bundle: string): Overrides | undefined {
  const path = bundleFile(bundle, 'overrides')
  const overrides = readObject(path)
  for (const [name, value] of Object.entries(overrides ?? {})) {
    const expected = Object.hasOwn(types, name) ? types[name as keyof Overrides] : 'absent'
    if (typeof value !== expected)
      throw invalid(path, `${JSON.stringify(name.slice(0, 80))} must be ${expected}`)
  }
  return overrides
}
