/** The files of e2e/ that say what works with a VMM. Each names its VMMs in its first line: `// test:vmm: every VMM`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HypervisorDriver } from '../../src/config/config.ts'
import { drivers } from '../../src/config/drivers.ts'
import { root } from '../paths.ts'

const everyVmm = 'every VMM'

/**
 * The VMMs that a test file is about, by its text. A file without the line is about the guest alone, or about no VMM.
 *
 * @throws Error for a VMM that is not known.
 */
export function vmmsOf(text: string): readonly HypervisorDriver[] {
  const named = /^\/\/ test:vmm: (.*)$/m.exec(text.split('\n', 1)[0] ?? '')?.[1]
  if (named === undefined) return []
  if (named === everyVmm) return drivers
  return named.split(', ').map((name) => {
    const driver = drivers.find((known) => known === name)
    if (driver === undefined)
      throw new Error(`test:vmm: ${name}; known are: ${everyVmm}, ${drivers.join(', ')}`)
    return driver
  })
}

/**
 * The files for a VMM whose path holds `filter`, as paths below e2e/ without `.test.ts`. Those about this VMM alone come
 * first, for they tell most about a driver that is new.
 */
export function vmmSuite(driver: HypervisorDriver, filter = ''): string[] {
  const names = [...new Bun.Glob('**/*.test.ts').scanSync(join(root, 'e2e'))].map((path) =>
    path.slice(0, -'.test.ts'.length),
  )
  const all = names.sort().map((name) => ({
    name,
    vmms: vmmsOf(readFileSync(join(root, 'e2e', `${name}.test.ts`), 'utf8')),
  }))
  const asked = all.filter(({ name, vmms }) => vmms.includes(driver) && name.includes(filter))
  const isOwn = ({ vmms }: (typeof asked)[number]) => vmms.length < drivers.length
  return [...asked.filter(isOwn), ...asked.filter((file) => !isOwn(file))].map(({ name }) => name)
}
