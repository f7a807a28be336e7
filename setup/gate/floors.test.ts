import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { root } from '../paths.ts'

interface Rules {
  readonly forbidden: readonly { readonly name: string }[]
}

/** Rooms by their floor, as the errors of the check name them. */
function checkedFloors(): string[] {
  const { forbidden }: Rules = createRequire(import.meta.url)(`${root}/.dependency-cruiser.cjs`)
  return forbidden.flatMap(({ name }) => /^floor-(\d+-.+)$/.exec(name)?.[1] ?? [])
}

/** The same of the plan: lines of `floor N  src/ROOM`, each with the rooms below it up to the next. */
function plannedFloors(): string[] {
  const text = readFileSync(`${root}/docs/design/architecture.md`, 'utf8')
  const [, plan = ''] = /^```\n(floor .*?)^guest\/agent\//ms.exec(text) ?? []
  return plan.split(/^floor /m).flatMap((floor) => {
    const number = floor.slice(0, floor.indexOf(' '))
    return [...floor.matchAll(/ src\/([a-z-]+)/g)].map(([, room]) => `${number}-${room}`)
  })
}

test('the floors of the plan are those that the check enforces, by the same numbers', () => {
  expect(plannedFloors().sort()).toEqual(checkedFloors().sort())
})
