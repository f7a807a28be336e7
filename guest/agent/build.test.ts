import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { agentInputs } from './build.ts'

const repository = resolve(import.meta.dir, '../..')

/** What a module imports from the repository, itself and what these import among it. */
function modulesOf(path: string, known = new Set<string>()): Set<string> {
  if (known.has(path)) return known
  known.add(path)
  for (const [, target = ''] of readFileSync(path, 'utf8').matchAll(
    /^(?:import|export|\}).* from '(\.[^']*)'/gm,
  ))
    modulesOf(join(dirname(path), target), known)
  return known
}

test('the agent is built anew when any of its modules changes', () => {
  const modules = [...modulesOf(join(import.meta.dir, 'src/main.ts'))].map((path) =>
    relative(repository, path),
  )
  expect(modules.length).toBeGreaterThan(80)
  const isInput = (path: string) =>
    agentInputs.some((input) => path === input || path.startsWith(`${input}/`))
  expect(modules.filter((path) => !isInput(path))).toEqual([])
})
