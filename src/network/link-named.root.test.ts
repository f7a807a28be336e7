import { expect, test } from 'bun:test'
import { inNewNetns, openOwnNetns } from '../linux/processes/netns.ts'
import { withClientHere } from './client.ts'
import { linkNamed, loopbackLink } from './link-named.ts'
import { plugIn } from './shared/shared.ts'

test('a link that is there is found', () => {
  const found = inNewNetns(() => withClientHere((client) => [linkNamed(client, 'lo'), loopbackLink(client)]))
  expect(found.map(({ name }) => name)).toEqual(['lo', 'lo'])
})

test('one that is gone is named in the error of what needed it', () => {
  using opened = new DisposableStack()
  const empty = opened.adopt(inNewNetns(openOwnNetns), (netns) => netns.close())
  expect(() => plugIn({ netns: empty }, empty)).toThrow('look for br0: ENODEV (there is no such link)')
})
