import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createNetwork } from '../client/networks/store.ts'
import type { Settings } from '../settings.ts'
import { inspect } from './network.ts'

test('inspect takes templates with docker’s fields', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/network-inspect-`)
  using _ = { [Symbol.dispose]: () => rmSync(stateDir, { recursive: true }) }
  const store = { stateDir, namespace: 'default' }
  await createNetwork(store, 'shop', { internal: true, labels: { a: 'b' } })
  let printed = ''
  const settings = {
    ...store,
    format: 'text',
    template: '{{.Name}} {{.Internal}} {{(index .IPAM.Config 0).Gateway}} {{.Labels.a}} {{len .Containers}}',
    print: (text: string) => {
      printed += text
      return true
    },
  } as unknown as Settings
  expect(await inspect(settings, {}, ['shop'])).toBe(0)
  expect(printed).toBe('shop true 10.89.0.1 b 0\n')
})
