import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

const top = mkdtempSync(join(tmpdir(), 'stdio-'))
afterAll(() => rmSync(top, { recursive: true }))
const socket = join(top, 'tty')

const imports = `
import { readdir } from 'os'
import { close, limitFiles, open } from 'syscalls'
import { planPipes, planTerminal } from ${JSON.stringify(join(sources, 'streams/stdio.ts'))}
`
const setUp = `
limitFiles(64, 64)
const count = () => readdir('/proc/self/fd')[0].length
const socket = ${JSON.stringify(socket)}
/** Uses up all descriptors but so many. Returns what gives them back. */
const useUp = (left) => {
  const held = []
  try { for (;;) held.push(open('/dev/null', 0, 0)) } catch {}
  for (const fd of held.splice(held.length - left, left)) close(fd)
  return () => { for (const fd of held) close(fd) }
}
const codeOf = (action) => { try { action(); return 'done' } catch (error) { return error.code } }
`

/** What comes of an action where so many descriptors are left, and how many stay open of it, for 0 and more until it succeeds. */
const outcomes = (action: string) =>
  inQuickjs({
    imports,
    body: `${setUp}
const outcomes = []
for (let left = 0, code = ''; code !== 'done'; left++) {
  const before = count()
  const giveBack = useUp(left)
  code = codeOf(() => ${action})
  giveBack()
  if (code !== 'done') outcomes.push(code + ' ' + (count() - before))
}
out.puts(outcomes.join(', '))`,
  })

describe.skipIf(!hasQuickjs)('where descriptors run out, nothing stays open', () => {
  test('of pipes that cannot all be had', async () => {
    expect(await outcomes('planPipes({})')).toBe(Array(6).fill('EMFILE 0').join(', '))
  })

  test('of the way to a terminal', async () => {
    expect(await outcomes('planTerminal({}, socket)')).toBe('EMFILE 0, EMFILE 0')
    rmSync(socket)
  })

  test('of a terminal that cannot be received', async () => {
    const body = `${setUp}
const before = count()
const plan = planTerminal({}, socket)
plan.started()
const giveBack = useUp(0)
const code = codeOf(plan.finish)
giveBack()
out.puts(code + ' ' + (count() - before))`
    expect(await inQuickjs({ imports, body })).toBe('EMFILE 0')
    expect(existsSync(socket)).toBe(false)
  })
})
