/** Writes the files that come from tables in the code: `npm run docs`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { differences } from '../../e2e/doubles/cloud-hypervisor/differences.ts'
import { differencesPage } from '../../e2e/doubles/common/difference.ts'
import { differences as firecrackerDifferences } from '../../e2e/doubles/firecracker/differences.ts'
import { configurations } from '../../src/config/drivers.ts'
import { catalogue, parts } from '../../src/errors/catalogue.ts'
import { apiPage, apiPages } from './api-page.ts'
import { attacksPage } from './attacks-page.ts'
import { benchmarkFiles } from './benchmarks/page.ts'
import { configurationFile, configurationPage } from './configuration-pages.ts'
import { configurationSchema } from './configuration-schema.ts'
import { dockerParityPage } from './docker-parity.ts'
import { errorCodesModule } from './error-codes.ts'
import { errorsPage } from './errors-page.ts'
import { examplePods } from './example-pods.ts'
import { vmmFeaturesPage } from './vmm-features-page.ts'

/** Generated files by their path from the repository's root. */
export const generatedFiles = (): Readonly<Record<string, string>> => ({
  'docs/attacks.md': attacksPage(),
  ...benchmarkFiles(),
  'docs/docker-parity.md': dockerParityPage(),
  'docs/errors.md': errorsPage(parts()),
  'src/sdk/error-codes.ts': errorCodesModule(Object.keys(catalogue())),
  'docs/configuration.md': configurationPage(),
  'docs/configuration.schema.json': configurationSchema(),
  'docs/vmm-features.md': vmmFeaturesPage(),
  ...Object.fromEntries(
    configurations.map(({ driver, suffix }) => [
      `packaging/configuration${suffix}.toml`,
      configurationFile(driver),
    ]),
  ),
  'e2e/doubles/cloud-hypervisor/differences.md': differencesPage('Cloud Hypervisor 53.0', differences),
  'e2e/doubles/firecracker/differences.md': differencesPage('Firecracker 1.16.1', firecrackerDifferences),
  ...Object.fromEntries(Object.entries(apiPages).map(([path, page]) => [path, apiPage(page)])),
  ...examplePods(),
})

if (import.meta.main)
  for (const [path, text] of Object.entries(generatedFiles())) {
    const file = join(import.meta.dir, '../..', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
