/** Where `kata-ts` is, and how it is started. */

/** The program and what stands in front of its arguments: `['sudo', '-n', 'kata-ts']`. */
export type Executable = string | readonly string[]

/** By option, then by `KATA_TS`, then on the PATH. */
export function executableWords(
  asked: Executable | undefined,
  env: Readonly<Record<string, string | undefined>>,
): readonly [string, ...string[]] {
  const [program = '', ...words] = typeof asked === 'string' ? [asked] : (asked ?? [env.KATA_TS || 'kata-ts'])
  return [program, ...words]
}
