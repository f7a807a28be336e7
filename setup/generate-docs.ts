/** Writes the files that come from tables in the code: `bun setup/generate-docs.ts`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogue } from '../src/errors.ts'
import { attacksPage } from './attacks-page.ts'
import { configurationFile, configurationPage } from './configuration-pages.ts'
import { errorsPage } from './errors-page.ts'

/** Generated files by their path from the repository's root. */
export const generatedFiles = (): Readonly<Record<string, string>> => ({
  'docs/attacks.md': attacksPage(),
  'docs/errors.md': errorsPage(catalogue),
  'docs/configuration.md': configurationPage(),
  'packaging/configuration.toml': configurationFile('qemu'),
  'packaging/configuration-clh.toml': configurationFile('clh'),
  'packaging/configuration-fc.toml': configurationFile('firecracker'),
})

if (import.meta.main)
  for (const [path, text] of Object.entries(generatedFiles()))
    writeFileSync(join(import.meta.dir, '..', path), text)
