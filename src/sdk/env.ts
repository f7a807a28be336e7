import { SandboxError } from './error.ts'

/**
 * Variables as `KEY=VALUE`. The kernel ends each at a NUL, and so does the file that `exec` reads: behind one, a value would set another variable.
 *
 * @throws SandboxError OPTION_INVALID.
 */
export function envLines(env: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(env).map(([name, value]) => {
    const line = `${name}=${value}`
    if (name !== '' && !name.includes('=') && !line.includes('\0')) return line
    const remedy =
      'Allowed: names that are not empty and have no "=", and neither names nor values with a NUL.'
    const fields = { option: 'env', value: name }
    throw new SandboxError('OPTION_INVALID', `env does not take ${JSON.stringify(name)}. ${remedy}`, {
      remedy,
      fields,
    })
  })
}
