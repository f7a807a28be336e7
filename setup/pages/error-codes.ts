/** The codes of the runtime as a type of the SDK, which must not bring the whole catalogue along. */
import { generated } from './text.ts'

export function errorCodesModule(codes: readonly string[]): string {
  const lines = codes.toSorted().map((code) => `  | '${code}'\n`)
  return `// ${generated('src/errors/')}\n/** A code of docs/errors.md: stable for ever. */\nexport type RuntimeErrorCode =\n${lines.join('')}`
}
